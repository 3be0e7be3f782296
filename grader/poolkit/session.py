"""Sums up a session of somebody's own with an app: what leaked, then the app's life step by step.

Other than in a recorded trace, requests may overlap here, and there may be any number of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolkit.events import Event
from poolkit.text import count, plain
from poolkit.trace import Part, Trace, assemble, parts

FIRST = 4
"""How many groups of the table's beginning are shown of a long session, the startup being one; and of its end:"""
LAST = 12
_UNANSWERED = re.compile(r"^answered (?![0-9])")
_LATE = 1.0
"""How many seconds after its answer a request may keep its step open, for what the app does afterwards."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A connection that was out although the request that borrowed it was over.

    `borrow` is the ledger's row, `call` what the request asked for, where it is known.
    """

    borrow: Event
    call: str


@dataclass(frozen=True, slots=True)
class Session:
    """What happened from the start of an app to its end.

    `unclosed` are the connections that nobody closed, `left_out` how many requests have no steps in the trace, which
    are those after step `left_out_after`. `answers` counts how requests ended.
    """

    trace: Trace
    leaks: tuple[Leak, ...]
    unclosed: tuple[int, ...]
    answers: Mapping[str, int]
    left_out: int = 0
    left_out_after: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing leaked, and the app ended as it should."""
        return not (self.leaks or self.unclosed or self.trace.note)


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that make one part of the table: a life's beginning or end, or requests that overlap."""

    events: tuple[Event, ...]

    @property
    def requests(self) -> list[int]:
        return [event.request for event in self.events if event.kind == "request" and event.request is not None]

    @property
    def parts(self) -> list[Part]:
        numbers = self.requests
        if len(numbers) > 1:
            word = "and" if len(numbers) == 2 else "to"
            return [Part(f"Requests {numbers[0]} {word} {numbers[-1]}", self.events)]
        found = list(parts(self.events))
        return found if self.events[0].kind == "startup" else found[1:]


def summarize(
    exercise: str,
    path: str,
    events: Sequence[Event],
    *,
    unfinished: frozenset[int] = frozenset(),
    answers: Mapping[str, int] | None = None,
    note: str = "",
) -> Session:
    """Return what a session's ledger says.

    Args:
        events: its rows, of which some in the middle may be gone; their numbers show where.
        unfinished: the requests that the app was still at when it was shut down.
        answers: how many requests ended in which way; counted from the rows when not given.
        note: why the session ended otherwise than by a shutdown.
    """
    groups = [group for group in _groups(events) if group.events[0].kind in ("startup", "request", "shutdown")]
    head, gap, tail = groups, 0, []
    if len(groups) > FIRST + LAST:
        head, tail = groups[:FIRST], groups[-LAST:]
    numbers = [number for group in groups for number in group.requests]
    shown = sum(len(group.requests) for group in (*head, *tail))
    gap = max(numbers, default=0) - shown
    trace = assemble(exercise, path, [part for group in (*head, *tail) for part in group.parts], note)
    before = sum(len(group.parts) for group in (head if tail else groups[:FIRST]))
    return Session(
        trace=_with_answers(trace, [*head, *tail]),
        leaks=tuple(_leaks(events, unfinished)),
        unclosed=tuple(_unclosed(events)),
        answers=answers or Counter(event.detail for event in events if event.kind == "response"),
        left_out=gap,
        left_out_after=before if gap else 0,
    )


def _groups(events: Sequence[Event]) -> Iterator[_Group]:
    """Cut the rows where a request comes while no other is under way, and where rows are missing."""
    group: list[Event] = []
    under_way = _UnderWay()
    last = None
    for event in events:
        missing = last is not None and event.seq != last.seq + 1
        begins = event.kind == "shutdown" or (event.kind == "request" and not under_way.at(event.at))
        if group and (missing or begins):
            yield _Group(tuple(group))
            group = []
            under_way = _UnderWay()
        group.append(event)
        last = event
        under_way.take(event)
    if group:
        yield _Group(tuple(group))


class _UnderWay:
    """The requests that are not over: those without an answer, and those that the app still has a connection for."""

    def __init__(self) -> None:
        self._unanswered: set[int] = set()
        self._answered: dict[int, float] = {}
        self._done: set[int] = set()
        self._lent: dict[int, int | None] = {}

    def take(self, event: Event) -> None:
        """Follow one more row."""
        if event.kind == "borrow" and event.connection is not None:
            self._lent[event.connection] = event.request
        elif event.kind in ("return", "close", "lost") and event.connection is not None:
            self._lent.pop(event.connection, None)
        if event.request is None:
            return
        if event.kind == "request":
            self._unanswered.add(event.request)
        elif event.kind == "done":
            self._done.add(event.request)
        elif event.kind == "response":
            self._unanswered.discard(event.request)
            self._answered[event.request] = event.at

    def at(self, now: float) -> bool:
        """Whether there are any; what an app does long after its answer is not waited for."""
        late = (number for number in self._lent.values() if number is not None and number not in self._done)
        return bool(self._unanswered) or any(now - self._answered.get(number, now) < _LATE for number in late)


def _with_answers(trace: Trace, groups: Sequence[_Group]) -> Trace:
    """Say of a step that is of several requests how each of these ended, and of one without an answer just that."""
    steps = [replace(step, result=_UNANSWERED.sub("", step.result)) for step in trace.steps]
    place = 0
    for group in groups:
        if len(group.requests) > 1:
            ends = Counter(plain(event.detail, 40) for event in group.events if event.kind == "response")
            said = ", ".join(end if number == 1 else f"{end} ({number} times)" for end, number in ends.items())
            left = steps[place].pool.borrowed
            not_back = f", {left} not returned" if left else ""
            steps[place] = replace(steps[place], result=f"{said or 'no answer'}{not_back}")
        place += len(group.parts)
    return replace(trace, steps=tuple(steps))


def _leaks(events: Sequence[Event], unfinished: frozenset[int]) -> Iterator[Leak]:
    """Return what was lent when the shutdown began, or when the app ended without one, and to nobody who needs it."""
    lent: dict[int, Event] = {}
    calls: dict[int, str] = {}
    for event in events:
        if event.kind in ("shutdown", "exited"):
            break
        if event.kind == "request" and event.request is not None:
            calls[event.request] = event.detail
        if event.connection is None:
            continue
        if event.kind == "borrow":
            lent[event.connection] = event
        elif event.kind in ("return", "close"):
            lent.pop(event.connection, None)
    for borrow in lent.values():
        if borrow.request not in unfinished:
            yield Leak(borrow, calls.get(borrow.request, "") if borrow.request else "")


def _unclosed(events: Sequence[Event]) -> Iterator[int]:
    """Return the connections that had no close, though the app was shut down."""
    there: dict[int, bool] = {}
    stopping = False
    for event in events:
        stopping = stopping or event.kind == "shutdown"
        if event.connection is None:
            continue
        if event.kind == "open":
            there[event.connection] = True
        elif event.kind == "close" or (event.kind == "lost" and not stopping):
            there.pop(event.connection, None)
    if stopping:
        yield from there


def headline(session: Session) -> str:
    """Return how many requests there were, and how they ended."""
    total = sum(session.answers.values())
    ends = ", ".join(f"{number} × {plain(end, 40)}" for end, number in sorted(session.answers.items()))
    return f"{count(total, 'request')}: {ends}" if total else "no requests"
