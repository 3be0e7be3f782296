"""A run of an app as a picture has it: connections as lanes, borrows as bars, what happened as marks.

Places are rows of the ledger (`seq`), which a renderer turns into columns; times are seconds, as in the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from poolkit.events import Event, Queue
from poolkit.moments import Moment, deciding, parting
from poolkit.text import count
from poolkit.trace import Step, Trace

MAX_LANES = 60
MAX_ROWS = 800
"""What a picture shows at most; `Timeline.left_out` tells of the rest."""

MARKS = ("statement", "commit", "rollback", "error", "refused", "lost")
"""Kinds of event that are marks."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A connection in somebody's hands, from row `first` to row `last`.

    `request` is whose, where that is known. `given_back` is False where it was still out at the end of the run,
    `pooled` False where it was opened outside a pool. `where` is the learner's line, or "".
    """

    first: int
    last: int
    request: int | None
    given_back: bool
    pooled: bool
    where: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What happened in a row: `kind` is one of `MARKS`, `text` the statement or the error."""

    row: int
    kind: str
    request: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A connection's life, from row `opened` to row `closed`; still open at the end where `closed` is None."""

    connection: int
    opened: int
    closed: int | None
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, from row `first` to row `last`: when it was answered, and all its work was over.

    `text` is its method and path, `outcome` its status or why it has none.
    """

    number: int
    first: int
    last: int
    text: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Some time in which `tasks` tasks waited for a connection, in seconds."""

    begins: float
    ends: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run, ready to be drawn.

    `rows` are the ledger's rows that are drawn, `outside` marks of no connection, such as a refused connect;
    `left_out` says in words what there was no room for.
    """

    trace: Trace
    steps: tuple[Step, ...]
    rows: tuple[Event, ...]
    lanes: tuple[Lane, ...]
    calls: tuple[Call, ...]
    waits: tuple[Wait, ...]
    outside: tuple[Mark, ...]
    deciding: Moment | None = None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One run; or the learner's and the reference's, in this order, each with a name.

    The deciding moment of the first run is where the two part, if there are two.
    """

    runs: tuple[Timeline, ...]
    names: tuple[str, ...] = ()

    @property
    def mine(self) -> Timeline:
        """The run that it is about."""
        return self.runs[0]


def alone(trace: Trace) -> Picture:
    """Return the picture of one run."""
    return Picture((build(trace, deciding(trace)),))


def beside(mine: Trace, reference: Trace) -> Picture:
    """Return the picture of a learner's run and of the reference's."""
    found = parting(mine, reference)
    there = reference.steps[min(found.step, len(reference.steps)) - 1] if found and reference.steps else None
    opposite = Moment(there.last, there.number, found.text) if found and there else None
    return Picture((build(mine, found), build(reference, opposite)), ("yours", "reference"))


@dataclass(slots=True)
class _Life:
    opened: int
    pooled: bool
    closed: int | None = None
    borrow: Event | None = None
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


def build(trace: Trace, moment: Moment | None = None) -> Timeline:
    """Lay out a run; the end of a very long one is left out."""
    rows = trace.events[:MAX_ROWS]
    lives = _lives(rows)
    lanes = tuple(
        Lane(number, life.opened, life.closed, tuple(life.bars), tuple(life.marks)) for number, life in lives.items()
    )
    end = rows[-1].seq if rows else 0
    begins = [0, *(step.last for step in trace.steps)]
    missing = []
    if len(lanes) > MAX_LANES:
        missing.append(count(len(lanes) - MAX_LANES, "more connection"))
    if len(trace.events) > len(rows):
        missing.append(count(len(trace.events) - len(rows), "more row"))
    return Timeline(
        trace=trace,
        steps=tuple(step for step, before in zip(trace.steps, begins, strict=False) if before < end),
        rows=rows,
        lanes=lanes[:MAX_LANES],
        calls=tuple(_calls(rows)),
        waits=tuple(_waits(trace.queue, rows)),
        outside=tuple(_mark(event) for event in rows if event.kind in MARKS and event.connection is None),
        deciding=moment if moment and moment.row <= end else None,
        left_out=" and ".join(missing),
    )


def _lives(rows: Sequence[Event]) -> dict[int, _Life]:
    lives: dict[int, _Life] = {}
    for event in rows:
        if event.connection is None:
            continue
        if event.kind == "open":
            lives[event.connection] = life = _Life(event.seq, event.pooled)
            life.borrow = None if event.pooled else event
            continue
        if (known := lives.get(event.connection)) is not None:
            _follow(known, event)
    for life in lives.values():
        _give_back(life, rows[-1].seq, given_back=False)
    return lives


def _follow(life: _Life, event: Event) -> None:
    if event.kind in MARKS:
        life.marks.append(_mark(event))
    match event.kind:
        case "borrow":
            life.borrow = event
        case "return":
            _give_back(life, event.seq, given_back=True)
        case "close" | "lost":
            # A pooled connection that is closed in its borrower's hands has not been given back.
            _give_back(life, event.seq, given_back=not life.pooled and event.kind == "close")
            life.closed = event.seq


def _give_back(life: _Life, row: int, *, given_back: bool) -> None:
    if life.borrow is not None:
        where = str(life.borrow.where) if life.borrow.where else ""
        life.bars.append(Bar(life.borrow.seq, row, life.borrow.request, given_back, life.pooled, where))
        life.borrow = None


def _mark(event: Event) -> Mark:
    return Mark(event.seq, event.kind, event.request, event.detail)


def _calls(rows: Sequence[Event]) -> Iterable[Call]:
    for event in rows:
        if event.kind == "request" and event.request is not None:
            ends = [e for e in rows if e.request == event.request and e.kind in ("response", "done")]
            last = ends[-1].seq if ends else rows[-1].seq
            outcome = next((e.detail for e in ends if e.kind == "response"), "no answer")
            yield Call(event.request, event.seq, last, event.detail, outcome)


def _waits(queue: Sequence[Queue], rows: Sequence[Event]) -> Iterable[Wait]:
    if not rows:
        return
    end = rows[-1].at
    for change, after in zip(queue, [*queue[1:], Queue(end, 0)], strict=False):
        if change.tasks and change.at < end:
            yield Wait(change.at, min(after.at, end), change.tasks)
