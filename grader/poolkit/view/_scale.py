"""Where on a picture a row of the ledger stands: time runs to the right, and is drawn shorter where nothing happens."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from poolkit.events import Event
from poolkit.timeline import Timeline

_PAD = 13.0
_LEAST_STEP = 48.0
_LEAST_GAP = 15.0
_MOST_GAP = 64.0


class Scale:
    """The columns of one run.

    Args:
        rows: the ledger's rows, at least one.
        spans: where each step begins and ends.
        places: each row's place.
    """

    def __init__(self, rows: Sequence[Event], spans: Sequence[tuple[float, float]], places: Sequence[float]) -> None:
        self.spans = tuple(spans)
        self._first = rows[0].seq
        self._places = tuple(places)
        self._times = [row.at for row in rows]

    @property
    def end(self) -> float:
        """Where the last step ends."""
        return self.spans[-1][1]

    def row(self, seq: int) -> float:
        """Return where a row stands; those that are not drawn stand at an end."""
        return self._places[min(max(seq - self._first, 0), len(self._places) - 1)]

    def time(self, at: float) -> float:
        """Return where a time in seconds lies, between the rows before and after it."""
        after = bisect_right(self._times, at)
        if after == 0:
            return self._places[0]
        if after == len(self._times):
            return self._places[-1]
        begin, end = self._times[after - 1], self._times[after]
        share = (at - begin) / (end - begin) if end > begin else 0.0
        return self._places[after - 1] + share * (self._places[after] - self._places[after - 1])


def scales(runs: Sequence[Timeline]) -> list[Scale]:
    """Return a scale for each run; steps of one number are equally wide in all of them, and start at one place."""
    cuts = [_cut(run) for run in runs]
    widths = [
        max([_LEAST_STEP, *(_width(parts[number]) for parts in cuts if number < len(parts))])
        for number in range(max(map(len, cuts), default=0))
    ]
    begins = [sum(widths[:number]) for number in range(len(widths))]
    found = []
    for run, parts in zip(runs, cuts, strict=True):
        places: list[float] = []
        for begin, width, part in zip(begins, widths, parts, strict=False):
            gaps = _gaps(part)
            room = width - 2 * _PAD
            stretch = room / sum(gaps) if sum(gaps) else 1.0
            place = begin + _PAD if sum(gaps) else begin + width / 2
            places.append(place)
            for gap in gaps:
                place += gap * stretch
                places.append(place)
        spans = [(begin, begin + width) for begin, width in zip(begins, widths, strict=True)][: len(parts)]
        found.append(Scale(run.rows, spans, places))
    return found


def _cut(run: Timeline) -> list[list[Event]]:
    begin = run.rows[0].seq - 1
    cut = []
    for step in run.steps:
        cut.append([row for row in run.rows if begin < row.seq <= step.last])
        begin = step.last
    return cut


def _gaps(part: Sequence[Event]) -> list[float]:
    """Return the distance from each row to the next: longer with time, far less than in proportion."""
    return [
        min(_MOST_GAP, _LEAST_GAP + 6 * math.log1p(max(after.at - before.at, 0.0) * 1000))
        for before, after in pairwise(part)
    ]


def _width(part: Sequence[Event]) -> float:
    return sum(_gaps(part)) + 2 * _PAD
