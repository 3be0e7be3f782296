"""Finds the moment of a run that explains it: where something went wrong, or where two runs part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolkit.events import Event
from poolkit.text import count, plain
from poolkit.trace import Step, Trace, pool_words, settled


@dataclass(frozen=True, slots=True)
class Moment:
    """A row of the ledger (`row` is its `seq`), the step that it lies in, and what is to be seen there."""

    row: int
    step: int
    text: str


def deciding(trace: Trace) -> Moment | None:
    """Return the first moment at which something is wrong with the pool, or None when all is well."""
    # Of two at the same row the graver one comes first.
    found = min(_troubles(trace.events), key=lambda trouble: trouble[0].seq, default=None)
    if found is None:
        return None
    event, text = found
    return Moment(event.seq, step_of(trace.steps, event.seq), text)


def parting(mine: Trace, reference: Trace) -> Moment | None:
    """Return the first step of a run that differs from the reference's, or None when the two go the same way.

    Which connection it is, and how long anything took, makes no difference.
    """
    for one, other in zip(mine.steps, reference.steps, strict=False):
        if _essence(one) != _essence(other):
            return Moment(one.last, one.number, f"here {_told(one)}; in the reference {_told(other)}")
    if len(mine.steps) == len(reference.steps):
        return None
    if not mine.steps:
        return Moment(0, 1, "this run has no step at all")
    last = mine.steps[-1]
    if len(mine.steps) < len(reference.steps):
        missing = reference.steps[len(mine.steps)]
        return Moment(last.last, last.number, f"this run ends here; the reference goes on with {_told(missing)}")
    extra = mine.steps[len(reference.steps)]
    return Moment(extra.last, extra.number, f"here {_told(extra)}; the reference has ended before")


def step_of(steps: Sequence[Step], row: int) -> int:
    """Return the number of the step that a row of the ledger lies in."""
    return next((step.number for step in steps if row <= step.last), len(steps))


def _essence(step: Step) -> tuple[object, ...]:
    pool = step.pool
    return step.event, pool.total, pool.free, pool.borrowed, settled(step.action), step.result


def _told(step: Step) -> str:
    return f"{step.event}: {pool_words(step.pool)}, {step.action}, {step.result}"


Trouble = tuple[Event, str]


def _troubles(events: Sequence[Event]) -> Iterator[Trouble]:
    yield from _startup(events)
    yield from _leaks(events)
    yield from _failures(events)
    yield from _refusals(events)
    yield from _left_open(events)


def _startup(events: Sequence[Event]) -> Iterator[Trouble]:
    startup = next((event for event in events if event.kind == "startup"), None)
    if startup is None:
        return
    if startup.state.total:
        yield startup, f"{count(startup.state.total, 'connection')} open before the startup"
    if not any(event.kind == "ready" for event in events):
        cause = (e for e in events if e.kind in ("refused", "error", "lost") and e.seq > startup.seq)
        yield next(cause, events[-1]), "the startup did not finish"


def _leaks(events: Sequence[Event]) -> Iterator[Trouble]:
    """Give the end of each request that has left a connection out of the pool for good."""
    out: dict[int, Event] = {}
    closed: dict[int, int] = {}
    for event in events:
        if event.connection is not None and event.kind == "borrow":
            out[event.connection] = event
        elif event.connection is not None and event.kind in ("return", "lost"):
            out.pop(event.connection, None)
        elif event.connection is not None and event.kind == "close":
            closed[event.connection] = event.seq
    for borrow in out.values():
        ends = [e for e in events if e.request == borrow.request is not None and e.kind in ("response", "done")]
        where = f" (borrowed at {plain(str(borrow.where), 80)})" if borrow.where else ""
        found = f"connection {borrow.connection} was not returned{where}"
        if not ends:
            yield borrow, found
        elif borrow.connection is not None and closed.get(borrow.connection, ends[-1].seq) >= ends[-1].seq:
            # A pool that was closed meanwhile has closed what was lent, too.
            yield ends[-1], f"request {borrow.request} is over, and {found}"


def _failures(events: Sequence[Event]) -> Iterator[Trouble]:
    """Give what made a request fail: the database's first error in it, or its answer."""
    for response in events:
        if response.kind != "response" or (response.status is not None and response.status < 500):
            continue
        errors = (e for e in events if e.request == response.request and e.kind in ("error", "refused"))
        outcome = plain(response.detail, 40)
        cause = next(errors, None)
        if cause is None:
            yield response, f"request {response.request}: {outcome}"
        else:
            yield cause, f"request {response.request} failed here ({plain(cause.detail, 80)}), and ended with {outcome}"


def _refusals(events: Sequence[Event]) -> Iterator[Trouble]:
    over = next((event.seq for event in events if event.kind in ("stopped", "exited")), len(events) + 1)
    for event in events:
        if event.kind == "refused":
            whose = f"on connection {event.connection}, which nobody had borrowed: " if event.connection else ""
            yield event, f"the database refused: {whose}{plain(event.detail, 80)}"
        elif event.kind == "lost" and event.seq < over:
            yield event, f"connection {event.connection} ended without being closed"


def _left_open(events: Sequence[Event]) -> Iterator[Trouble]:
    stopped = next((event for event in events if event.kind == "stopped"), None)
    if stopped is not None and stopped.state.total:
        yield stopped, f"after the shutdown {count(stopped.state.total, 'connection')} still open"
