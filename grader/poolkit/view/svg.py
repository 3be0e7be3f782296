"""A run, or two, as one picture in SVG: lanes, bars and marks over time, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from lxml import etree

from poolkit.text import plain
from poolkit.timeline import Bar, Call, Lane, Mark, Picture, Timeline
from poolkit.view._legend import legend
from poolkit.view._scale import Scale, scales
from poolkit.view._shapes import LETTER, add, cut, definitions, filled, milliseconds, put, shape, text, title

_GUTTER = 104.0
_LANE = 26.0
_BAR = 16.0
_ROW = 20.0


def render(picture: Picture) -> str:
    """Return the picture as a file of its own, two runs one above the other."""
    drawn = draw(picture)
    style = etree.Element("style")
    style.text = css()
    drawn.insert(0, style)
    return etree.tostring(drawn, encoding="unicode", pretty_print=False) + "\n"


def css() -> str:
    """Return the picture's style sheet."""
    return resources.files(__package__).joinpath("svg.css").read_text(encoding="utf-8")


def draw(picture: Picture) -> etree._Element:
    """Return the picture without its style sheet."""
    named = zip(picture.runs, picture.names or ("",), strict=True)
    runs = [(run, name) for run, name in named if run.rows]
    found = scales([run for run, _ in runs])
    svg = etree.Element("svg", nsmap={None: "http://www.w3.org/2000/svg"})
    definitions(svg)
    y = 6.0
    width = max((_GUTTER + scale.end for scale in found), default=0.0) + 12
    for (run, name), scale in zip(runs, found, strict=True):
        y = _Panel(svg, run, scale).draw(y, name)
    y = legend(svg, y, max(width, 640.0), picture)
    size = (max(width, 640.0), y)
    put(svg, {"class": "timeline", "viewBox": f"0 0 {size[0]:.0f} {size[1]:.0f}", "width": size[0], "height": size[1]})
    put(svg, {"role": "img", "aria-label": _told(picture.mine)})
    return svg


def _told(run: Timeline) -> str:
    said = f"Timeline of {run.trace.exercise}, {plain(run.trace.path, 80)}: {len(run.steps)} steps."
    deciding = run.deciding
    return f"{said} Deciding moment in step {deciding.step}: {deciding.text}" if deciding else said


class _Panel:
    """Draws one run, from the top down."""

    def __init__(self, svg: etree._Element, run: Timeline, scale: Scale) -> None:
        self.run = run
        self.scale = scale
        self.into = add(svg, "g", {"class": "run"})

    def draw(self, y: float, name: str) -> float:
        """Draw everything below `y`; return where it ends."""
        if name:
            shown = cut(plain(name), _GUTTER + self.scale.end)
            text(self.into, 6, y + 13, shown, "name")
            y += 22
        top = y
        bands = add(self.into, "g", {})
        y = self._steps(y)
        y = self._calls(y)
        y = self._waits(y)
        y = self._free(y)
        if self.run.outside:
            y = self._outside(y)
        for lane in self.run.lanes:
            y = self._lane(lane, y)
        self._bands(bands, top, y)
        if self.run.left_out:
            text(self.into, 6, y + 14, f"and {self.run.left_out}, for which there is no room", "label")
            y += 20
        return y + 12

    def _x(self, row: int) -> float:
        return _GUTTER + self.scale.row(row)

    def _bands(self, into: etree._Element, top: float, bottom: float) -> None:
        """Draw what lies behind everything: the steps, and the deciding moment."""
        height = bottom - top + 4
        for step, (begin, end) in zip(self.run.steps, self.scale.spans, strict=True):
            look = "step odd" if step.number % 2 else "step"
            box = {"x": _GUTTER + begin, "y": top, "width": end - begin, "height": height}
            add(into, "rect", {"class": look, "data-step": step.number, **box})
        if self.run.deciding:
            x = self._x(self.run.deciding.row)
            add(into, "rect", {"class": "deciding", "x": x - 6, "y": top + 18, "width": 12, "height": height - 18})
            add(self.into, "path", {"class": "deciding-mark", "d": f"M{x - 6:.1f} {top + 18}h12l-6 8z"})

    def _steps(self, y: float) -> float:
        text(self.into, 6, y + 13, "step", "label")
        rows = {row.seq: row for row in self.run.rows}
        before = self.run.rows[0].seq - 1
        for step, (begin, end) in zip(self.run.steps, self.scale.spans, strict=True):
            middle = _GUTTER + (begin + end) / 2
            text(self.into, middle, y + 13, str(step.number), "number", {"text-anchor": "middle"})
            at = milliseconds(rows[before + 1].at)
            if len(at) * LETTER + 2 < end - begin:
                text(self.into, middle, y + 38, at, "small", {"text-anchor": "middle"})
            before = step.last
        text(self.into, 6, y + 38, "from", "label")
        return y + 44

    def _calls(self, y: float) -> float:
        ends: list[float] = []
        for call in self.run.calls:
            begin, end = self._x(call.first), self._x(call.last)
            level = next((i for i, busy in enumerate(ends) if busy < begin), len(ends))
            ends[level : level + 1] = [end + 4]
            self._call(call, begin - 4, end + 4, y + level * _ROW)
        if not ends:
            return y
        text(self.into, 6, y + 14, "requests", "label")
        return y + len(ends) * _ROW + 4

    def _call(self, call: Call, begin: float, end: float, y: float) -> None:
        what = f"{call.number}: {plain(call.text)}"
        group = add(self.into, "g", {"class": "call"})
        title(group, f"request {what}, {plain(call.outcome)}")
        box = {"x": begin, "y": y + 1, "width": max(end - begin, 12), "height": _BAR, "rx": 8}
        filled(group, call.number, box)
        outcome = f" → {plain(call.outcome, 40)}"
        room = end - begin - 8
        shown = cut(what, room - len(outcome) * LETTER)
        text(group, begin + 6, y + 13, shown + outcome if len(shown) > 2 else cut(what, room), "on-bar")

    def _waits(self, y: float) -> float:
        if not self.run.waits:
            return y
        text(self.into, 6, y + 14, "waiting", "label")
        for wait in self.run.waits:
            begin, end = (_GUTTER + self.scale.time(at) for at in (wait.begins, wait.ends))
            group = add(self.into, "g", {})
            title(group, f"{wait.tasks} waiting for a connection, {milliseconds(wait.ends - wait.begins)}")
            width = max(end - begin, 3.0)
            add(group, "rect", {"class": "wait", "x": begin, "y": y + 2, "width": width, "height": _BAR - 2})
            if width > 12:
                text(group, begin + width / 2, y + 13, str(wait.tasks), "on-bar", {"text-anchor": "middle"})
        return y + _ROW

    def _free(self, y: float) -> float:
        text(self.into, 6, y + 14, "free of all", "label")
        for step, (begin, end) in zip(self.run.steps, self.scale.spans, strict=True):
            shown = f"{step.pool.free}/{step.pool.total}" if step.pool.total else "–"
            middle = _GUTTER + (begin + end) / 2
            text(self.into, middle, y + 14, shown, "count", {"text-anchor": "middle"})
        return y + _ROW + 2

    def _outside(self, y: float) -> float:
        text(self.into, 6, y + 16, "no connection", "label")
        self._marks(self.run.outside, y + _LANE / 2)
        return y + _LANE

    def _lane(self, lane: Lane, y: float) -> float:
        middle = y + _LANE / 2
        text(self.into, 6, middle + 4, f"connection {lane.connection}", "label")
        begin = self._x(lane.opened)
        end = self._x(lane.closed) if lane.closed is not None else _GUTTER + self.scale.end
        add(self.into, "path", {"class": "open", "d": f"M{begin:.1f} {middle}H{end:.1f}"})
        add(self.into, "path", {"class": "end", "d": f"M{begin:.1f} {middle - 6}v12"})
        if lane.closed is not None:
            add(self.into, "path", {"class": "end", "d": f"M{end:.1f} {middle - 6}v12"})
        for bar in lane.bars:
            self._bar(lane, bar, middle)
        self._marks(lane.marks, middle)
        return y + _LANE

    def _bar(self, lane: Lane, bar: Bar, middle: float) -> None:
        begin = self._x(bar.first)
        kept_to_the_end = not bar.given_back and lane.closed is None
        end = _GUTTER + self.scale.end if kept_to_the_end else self._x(bar.last)
        width = max(end - begin, 6.0)
        group = add(self.into, "g", {"class": "bar"})
        whose = f"request {bar.request}" if bar.request else "no request"
        how = "" if bar.pooled else ", opened outside a pool"
        back = "" if bar.given_back else ", never given back"
        where = f", {plain(bar.where, 80)}" if bar.where else ""
        title(group, f"connection {lane.connection}: {whose}{how}{back}{where}")
        box = {"x": begin, "y": middle - _BAR / 2, "width": width, "height": _BAR, "rx": 3}
        filled(group, bar.request, box)
        looks = [look for look, has in (("outside", not bar.pooled), ("leak", not bar.given_back)) if has]
        if looks:
            add(group, "rect", {"class": f"frame {' '.join(looks)}", **box})
        label = str(bar.request) if bar.request else ""
        if width > len(label) * LETTER + 6:
            text(group, begin + 5, middle + 4, label, "on-bar")

    def _marks(self, marks: Sequence[Mark], middle: float) -> None:
        for mark in marks:
            group = add(self.into, "g", {"class": "mark"})
            title(group, f"row {mark.row}: {mark.kind} {plain(mark.text, 160)}".rstrip())
            shape(group, mark.kind, self._x(mark.row), middle)
