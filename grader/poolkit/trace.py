"""Turns a recorded run into the lesson's table: what happened, step by step, and what it did to the pool."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from poolkit.events import Event, Location, PoolState, Queue
from poolkit.text import count, plain


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what came, the pool after it, what connections did, what came of it.

    `lent` are the numbers of the connections that are borrowed after it, `last` is the number (`seq`) of its last row
    in the ledger.
    """

    number: int
    event: str
    pool: PoolState
    action: str
    result: str
    lent: tuple[int, ...]
    last: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A run of the app: startup, requests one after the other, shutdown.

    `borrowed_at` are the learner's lines that borrowed connections, `note` says why the run ended early. `events` are
    the rows that the steps are made of, `queue` is who waited meanwhile.
    """

    exercise: str
    path: str
    steps: tuple[Step, ...]
    borrowed_at: tuple[Location, ...] = ()
    note: str = ""
    events: tuple[Event, ...] = ()
    queue: tuple[Queue, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a ledger that make one step, and the step's name."""

    event: str
    events: tuple[Event, ...]


def build(exercise: str, path: str, events: Sequence[Event], note: str = "", queue: Sequence[Queue] = ()) -> Trace:
    """Make the steps of a run from its ledger; requests must have been sent one after the other."""
    return assemble(exercise, path, tuple(parts(events)), note, queue)


def assemble(exercise: str, path: str, cut: Sequence[Part], note: str = "", queue: Sequence[Queue] = ()) -> Trace:
    """Make the steps of a run from its ledger's rows, as they were cut into parts."""
    steps: list[Step] = []
    lent: list[int] = []
    for number, part in enumerate(cut, 1):
        for event in part.events:
            _follow(lent, event)
        steps.append(
            Step(
                number=number,
                event=part.event,
                pool=part.events[-1].state,
                action=_action(part.events),
                result=_result(part),
                lent=tuple(lent),
                last=part.events[-1].seq,
            )
        )
    events = tuple(event for part in cut for event in part.events)
    borrowed_at = dict.fromkeys(event.where for event in events if event.kind == "borrow" and event.where)
    return Trace(exercise, path, tuple(steps), tuple(borrowed_at), note, events, tuple(queue))


def as_dicts(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return steps as the trace's JSON has them (docs/report.md)."""
    return [
        {
            "step": step.number,
            "event": step.event,
            "pool": {
                "total": step.pool.total,
                "free": step.pool.free,
                "borrowed": step.pool.borrowed,
                "waiting": step.pool.waiting,
            },
            "action": step.action,
            "result": step.result,
        }
        for step in steps
    ]


def settled(action: str) -> list[tuple[str, int]]:
    """Return what a step's action did, and to how many connections: which of several had its turn first may differ."""
    return sorted(map(_counted, action.split("; ")))


def _counted(action: str) -> tuple[str, int]:
    numbers = [int(number) for number in re.findall("[0-9]+", action)]
    span = re.search(" [0-9]+ to [0-9]+$", action)
    return re.sub("[0-9].*", "", action), numbers[1] - numbers[0] + 1 if span else len(numbers)


def parts(events: Sequence[Event]) -> Iterator[Part]:
    """Cut a ledger into steps at the app's own events: start, ready, each request, shutdown.

    A connection that is lost while nobody is served belongs to what comes next, which finds it missing.
    """
    cuts = [i for i, event in enumerate(events) if event.kind in ("startup", "request", "shutdown")]
    if not cuts:
        return
    yield Part("App starts", tuple(events[: cuts[0] + 1]))
    begins = [_before_losses(events, cut) for cut in cuts]
    for cut, begin, end in zip(cuts, begins, [*begins[1:], len(events)], strict=True):
        part = tuple(events[begin:end])
        match events[cut].kind:
            case "startup":
                if len(part) > 1:
                    yield Part("Startup", part[1:])
            case "request":
                yield from _request_parts(part, cut - begin)
            case _:
                yield Part("Shutdown", part)


def _before_losses(events: Sequence[Event], cut: int) -> int:
    while cut and events[cut - 1].kind == "lost":
        cut -= 1
    return cut


def _request_parts(part: tuple[Event, ...], at: int) -> Iterator[Part]:
    """Cut the rows of a request, the row of whose arrival is at `at`."""
    name = f"Request {part[at].request}"
    used = [i for i, event in enumerate(part) if event.kind in ("statement", "commit", "rollback")]
    if not used:
        yield Part(f"{name} arrives", part[: at + 1])
        if len(part) > at + 1:
            yield Part(f"{name} ends", part[at + 1 :])
        return
    yield Part(f"{name} arrives", part[: used[0]])
    yield Part(f"{name} queries", part[used[0] : used[-1] + 1])
    if len(part) > used[-1] + 1:
        yield Part(f"{name} ends", part[used[-1] + 1 :])


def _follow(lent: list[int], event: Event) -> None:
    number = event.connection
    if number is None:
        return
    if event.kind == "borrow" or (event.kind == "open" and not event.pooled):
        lent.append(number)
    elif event.kind in ("return", "close", "lost") and number in lent:
        lent.remove(number)


_VERBS = {
    "open": "opened",
    "borrow": "borrowed",
    "statement": "used",
    "commit": "committed",
    "rollback": "rolled back",
    "return": "returned",
    "close": "closed",
    "lost": "lost",
    "refused": "refused",
}


def _action(events: Sequence[Event]) -> str:
    found: dict[str, list[int]] = {}
    for event in events:
        if event.kind in _VERBS:
            numbers = found.setdefault(_VERBS[event.kind], [])
            if event.connection is not None and event.connection not in numbers:
                numbers.append(event.connection)
    # Sorted: which of several goes first is chance where a pool closes them side by side.
    return "; ".join(f"{verb} {_numbers(sorted(numbers))}".rstrip() for verb, numbers in found.items()) or "none"


def _numbers(numbers: Sequence[int]) -> str:
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _result(part: Part) -> str:
    first = next((event for event in part.events if event.kind != "lost"), part.events[0])
    last = part.events[-1]
    response = next((event for event in part.events if event.kind == "response"), None)
    state = last.state
    if part.event == "App starts":
        return "ready to start up" if not state.total else f"{count(state.total, 'connection')} open too early"
    if part.event == "Startup":
        return "pool ready" if any(event.kind == "ready" for event in part.events) else "startup failed"
    if part.event == "Shutdown":
        return "pool gone" if not state.total else f"{count(state.total, 'connection')} still open"
    if response is not None:
        left = f", {state.borrowed} not returned" if state.borrowed else ""
        return f"answered {plain(response.detail, 40)}{left}"
    if part.event.endswith("queries"):
        errors = [event for event in part.events if event.kind == "error"]
        return plain(errors[0].detail, 60) if errors else "rows"
    if any(event.kind == "borrow" for event in part.events):
        return "the request has it"
    return plain(first.detail, 60)


def pool_words(state: PoolState) -> str:
    """Return a pool's state as the table has it."""
    if not state.total:
        return "empty"
    return f"{state.free} of {state.total} free"
