"""What the shapes of a picture mean, those that occur in it."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from poolkit.timeline import Picture, Timeline
from poolkit.view._shapes import add, filled, shape, text

_LEGEND = (
    ("bar", "borrowed, with the request's number"),
    ("free", "open and free"),
    ("leak", "never given back"),
    ("outside", "opened outside a pool"),
    ("statement", "statement"),
    ("commit", "commit"),
    ("rollback", "rollback"),
    ("error", "error"),
    ("refused", "refused"),
    ("lost", "connection lost"),
    ("wait", "waiting for a connection"),
    ("deciding", "the deciding moment"),
    ("parting", "where the runs part"),
)


def _used(runs: Sequence[Timeline]) -> set[str]:
    """Return what occurs in the picture, for its legend."""
    lanes = [lane for run in runs for lane in run.lanes]
    bars = [bar for lane in lanes for bar in lane.bars]
    used = {mark.kind for lane in lanes for mark in lane.marks}
    used |= {mark.kind for run in runs for mark in run.outside}
    held = {
        "bar": bool(bars),
        "free": bool(lanes),
        "leak": any(not bar.given_back for bar in bars),
        "outside": any(not bar.pooled for bar in bars),
        "wait": any(run.waits for run in runs),
        "deciding": any(run.deciding for run in runs),
    }
    return used | {name for name, has in held.items() if has}


def legend(svg: etree._Element, y: float, width: float, picture: Picture) -> float:
    """Draw the legend below `y`; return where it ends."""
    into = add(svg, "g", {"class": "legend"})
    used = _used(picture.runs)
    if picture.names and "deciding" in used:
        used = used - {"deciding"} | {"parting"}
    x = 6.0
    for name, words in _LEGEND:
        if name not in used:
            continue
        needed = 34 + len(words) * 6.2
        if x > 6 and x + needed > width:
            x, y = 6.0, y + 20
        _sample(into, name, x, y + 9)
        text(into, x + 27, y + 13, words, "small")
        x += needed
    return y + 24


def _sample(into: etree._Element, name: str, x: float, y: float) -> None:
    box = {"x": x, "y": y - 7, "width": 22.0, "height": 14.0, "rx": 3.0}
    match name:
        case "bar":
            filled(into, 2, box)
            text(into, x + 8, y + 4, "2", "on-bar")
        case "free":
            add(into, "path", {"class": "open", "d": f"M{x} {y}h22"})
        case "leak" | "outside":
            filled(into, 1, box)
            add(into, "rect", {"class": f"frame {name}", **box})
        case "wait":
            add(into, "rect", {"class": "wait", **box})
        case "deciding" | "parting":
            add(into, "rect", {"class": "deciding", "x": x + 5, "y": y - 7, "width": 12, "height": 14})
            add(into, "path", {"class": "deciding-mark", "d": f"M{x + 5} {y - 7}h12l-6 8z"})
        case _:
            shape(into, name, x + 11, y)
