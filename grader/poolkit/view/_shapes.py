"""What a picture is drawn with: texts that are cut to their room, boxes in a request's look, the marks' shapes."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

LETTER = 6.6
"""The width of a letter, in the size that most texts have."""
STYLES = 6
"""How many looks there are for requests; the seventh looks like the first, and has its number."""

Values = Mapping[str, str | float | int]

_PATTERNS = {
    2: "M0 8L8 0M-2 2L2 -2M6 10L10 6",
    3: "M0 0L8 8M-2 6L2 10M6 -2L10 2",
    4: "M4 0V8",
    5: "M0 4H8",
    6: "M0 4H8M4 0V8",
}
"""What is drawn over a request's colour, in a square of 8; the first look has nothing."""


def definitions(svg: etree._Element) -> None:
    into = add(svg, "defs", {})
    for number, path in _PATTERNS.items():
        pattern = add(
            into, "pattern", {"id": f"look-{number}", "width": 8, "height": 8, "patternUnits": "userSpaceOnUse"}
        )
        add(pattern, "path", {"class": "pattern", "d": path})


def filled(into: etree._Element, request: int | None, box: Values) -> None:
    """Draw a box in a request's colour, and its pattern on it."""
    look = (request - 1) % STYLES + 1 if request else 0
    add(into, "rect", {"class": f"fill look{look}", **box})
    if look in _PATTERNS:
        add(into, "rect", {"fill": f"url(#look-{look})", **box})


def shape(into: etree._Element, kind: str, x: float, y: float) -> None:
    """Draw a mark's shape around a point."""
    match kind:
        case "statement":
            add(into, "circle", {"class": "shape", "cx": x, "cy": y, "r": 3.2})
        case "commit":
            add(into, "path", {"class": "shape", "d": f"M{x:.1f} {y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"})
        case "rollback":
            add(into, "path", {"class": "shape hollow", "d": f"M{x:.1f} {y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"})
        case "error":
            add(into, "path", {"class": "cross", "d": f"M{x - 5:.1f} {y - 5}l10 10m0 -10l-10 10"})
        case "refused":
            add(into, "circle", {"class": "shape hollow bad", "cx": x, "cy": y, "r": 5.5})
            add(into, "path", {"class": "line bad", "d": f"M{x - 4:.1f} {y + 4}l8 -8"})
        case _:
            add(into, "path", {"class": "line bad", "d": f"M{x + 2:.1f} {y - 9}l-5 9h7l-5 9"})


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def cut(text: str, room: float) -> str:
    letters = int(room / LETTER)
    if len(text) <= letters:
        return text
    return text[: letters - 1] + "…" if letters > 1 else ""


def add(into: etree._Element, name: str, attributes: Values) -> etree._Element:
    made = etree.SubElement(into, name)
    put(made, attributes)
    return made


def put(element: etree._Element, attributes: Values) -> None:
    for name, value in attributes.items():
        element.set(name, value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0"))


def text(into: etree._Element, x: float, y: float, text: str, look: str, more: Values | None = None) -> None:
    made = add(into, "text", {"class": look, "x": x, "y": y, **(more or {})})
    made.text = text


def title(into: etree._Element, text: str) -> None:
    etree.SubElement(into, "title").text = text
