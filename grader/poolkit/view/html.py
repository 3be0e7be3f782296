"""A run, or two, as one HTML page to step through with the arrow keys; it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from itertools import zip_longest

from lxml import html as markup
from lxml.html import HtmlElement
from lxml.html import builder as E  # noqa: N812  (as lxml's documentation has it)

from poolkit.text import plain
from poolkit.timeline import Picture, Timeline
from poolkit.trace import Step, pool_words
from poolkit.view import svg

_KEYS = "Left and right step back and forward, Home and End go to the first and the last step."


def render(picture: Picture) -> str:
    """Return a page with the picture and the table of the steps."""
    style = svg.css() + _asset("page.css")
    script = _asset("page.js")
    first = picture.mine
    head = E.HEAD(
        E.META(charset="utf-8"),
        E.META({"http-equiv": "Content-Security-Policy", "content": _policy(style, script)}),
        E.META(name="viewport", content="width=device-width, initial-scale=1"),
        E.TITLE(f"{first.trace.exercise}: trace"),
        E.STYLE(style),
    )
    start = first.deciding.step if first.deciding else 1
    body = E.BODY(
        {"data-start": str(start)},
        E.H1(f"{first.trace.exercise} ", E.SPAN("trace")),
        *_said(picture),
        E.MAIN(E.CLASS("both" if picture.names else "one"), _picture(picture), _steps(picture)),
        *_notes(picture),
        E.SCRIPT(script),
    )
    page = markup.tostring(E.HTML({"lang": "en"}, head, body), encoding="unicode", doctype="<!doctype html>")
    return f"{page}\n"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Allow this style and this script, by their sums, and nothing else: no text of a learner's can become more."""
    sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return f"default-src 'none'; style-src 'sha256-{sums[0]}'; script-src 'sha256-{sums[1]}'"


def _said(picture: Picture) -> list[HtmlElement]:
    run = picture.mine
    found = [E.P(E.CLASS("path"), plain(run.trace.path))]
    if run.deciding:
        head = f"{'The runs part' if picture.names else 'Deciding moment'}, step {run.deciding.step}:"
        found.append(E.P(E.CLASS("moment"), E.STRONG(head), f" {plain(run.deciding.text)}"))
    elif picture.names:
        found.append(E.P(E.CLASS("moment fine"), "The two runs go the same way."))
    elif not run.trace.note:
        found.append(E.P(E.CLASS("moment fine"), "Every connection that was lent came back, and all were closed."))
    if run.trace.note:
        found.append(E.P(E.CLASS("moment"), E.STRONG("The run ended early."), f" {plain(run.trace.note)}"))
    return found


def _picture(picture: Picture) -> HtmlElement:
    about = {"id": "picture", "tabindex": "0", "aria-label": f"Timeline. {_KEYS}"}
    return E.SECTION(about, svg.draw(picture))


def _steps(picture: Picture) -> HtmlElement:
    runs, names = picture.runs, picture.names
    buttons = [("first", "⇤", "First step"), ("back", "←", "Step back"), ("forward", "→", "Step forward")]
    buttons.append(("last", "⇥", "Last step"))
    controls = E.DIV(
        E.CLASS("controls"),
        *(E.BUTTON({"id": name, "type": "button", "aria-label": told}, sign) for name, sign, told in buttons),
        E.SPAN(E.CLASS("keys"), "or the arrow keys"),
    )
    columns = ["Step", *(["Run"] if names else []), "Event", "Pool state", "Connection action", "Result"]
    table = E.TABLE(E.THEAD(E.TR(*(E.TH({"scope": "col"}, column) for column in columns))))
    last = max(len(run.steps) for run in runs)
    for row in zip_longest(*(run.steps for run in runs)):
        table.append(_step(row, names, last, runs[0]))
    return E.SECTION(
        {"id": "steps"},
        controls,
        E.P({"id": "now", "role": "status", "aria-live": "polite"}, ""),
        E.DIV({"id": "table"}, table),
    )


def _step(row: tuple[Step | None, ...], names: Sequence[str], last: int, run: Timeline) -> HtmlElement:
    known = [step for step in row if step is not None]
    number = known[0].number
    decides = run.deciding is not None and run.deciding.step == number
    body = E.TBODY({"data-step": str(number), "data-told": _told(row, names, last, run)})
    if decides:
        body.set("class", "decides")
    for place, step in enumerate(row):
        line = E.TR()
        if place == 0:
            span = {"rowspan": str(len(row))} if len(row) > 1 else {}
            mark = "▶ " if decides else ""
            line.append(E.TH({"scope": "row", **span}, f"{mark}{number}"))
        if names:
            line.append(E.TD(E.CLASS("short"), plain(names[place], 40)))
        line.append(E.TD(E.CLASS("short"), step.event if step else "–"))
        line.append(E.TD(E.CLASS("short"), pool_words(step.pool) if step else "–"))
        line.append(E.TD(plain(step.action) if step else "–"))
        line.append(E.TD(plain(step.result) if step else "no such step"))
        body.append(line)
    return body


def _told(row: tuple[Step | None, ...], names: Sequence[str], last: int, run: Timeline) -> str:
    """Return what is read out for a step."""
    parts = []
    for place, step in enumerate(row):
        who = f"{plain(names[place], 40)}: " if names else ""
        if step is None:
            parts.append(f"{who}no such step.")
        else:
            said = f"{step.event}. Pool {pool_words(step.pool)}; {plain(step.action, 200)}; {plain(step.result, 200)}."
            parts.append(f"{who}{said}")
    number = next(step.number for step in row if step is not None)
    if run.deciding and run.deciding.step == number:
        parts.append("Here the runs part." if names else "This is the deciding moment.")
    return f"Step {number} of {last}. {' '.join(parts)}"


def _notes(picture: Picture) -> list[HtmlElement]:
    lines, names = [], picture.names
    for place, run in enumerate(picture.runs):
        if run.trace.borrowed_at:
            whose = f"{plain(names[place], 40)}: b" if names else "B"
            lines.append(f"{whose}orrowed at {plain(', '.join(map(str, run.trace.borrowed_at)), 400)}")
    lines.append("Time runs to the right, and is drawn short where nothing happens; the numbers say when a step began.")
    lines.append("Point at a bar or a mark to read which row of the ledger it is.")
    return [E.P(E.CLASS("note"), line) for line in lines]
