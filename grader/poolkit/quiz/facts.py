"""What a recorded run says: the functions that `verify` may ask, worked out from the run's ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from poolkit.events import Event
from poolkit.quiz.expression import Refused, Value
from poolkit.text import plain
from poolkit.trace import Part, Trace, parts


@dataclass(frozen=True)
class Run:
    """What a scenario's run left behind."""

    trace: Trace
    events: tuple[Event, ...]
    parts: tuple[Part, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(parts(self.events)))

    def ask(self, function: str, arguments: Mapping[str, Value]) -> Value:
        """Answer a function of an expression.

        Raises:
            Refused: the run has no such step or request, or the function lacks an argument.
        """
        return _ANSWERS[function](self, _Arguments(function, arguments))

    def select(self, arguments: _Arguments, *kinds: str) -> list[Event]:
        """Return the events of some kinds that are of the step, request and connection named, where one is."""
        found = self.parts[self.step(arguments)].events if arguments.has("step") else self.events
        if arguments.has("request"):
            self.response(arguments)  # there is such a request
        return [
            event
            for event in found
            if (not kinds or event.kind in kinds)
            and (not arguments.has("request") or event.request == arguments.number("request"))
            and (not arguments.has("connection") or event.connection == arguments.number("connection"))
        ]

    def step(self, arguments: _Arguments) -> int:
        """Return the place of the step named."""
        number = arguments.number("step")
        if not 1 <= number <= len(self.parts):
            raise Refused(f"the run has no step {number}; it has 1 to {len(self.parts)}")
        return number - 1

    def response(self, arguments: _Arguments) -> Event:
        """Return the response to the request named."""
        number = arguments.number("request")
        found = next((event for event in self.events if event.kind == "response" and event.request == number), None)
        if found is None:
            raise Refused(f"the run has no request {number}")
        return found

    def step_of(self, name: str) -> int:
        """Return the number of the step of a name."""
        found = next((number for number, part in enumerate(self.parts, 1) if part.event == name), None)
        if found is None:
            raise Refused(f"the run has no step {plain(name, 40)!r}; it has {', '.join(p.event for p in self.parts)}")
        return found


@dataclass(frozen=True)
class _Arguments:
    function: str
    given: Mapping[str, Value]

    def has(self, name: str) -> bool:
        return name in self.given

    def number(self, name: str) -> int:
        found = self.given.get(name)
        if isinstance(found, bool) or not isinstance(found, int):
            raise Refused(f"{self.function} needs a number for {name}")
        return found

    def text(self, name: str) -> str:
        found = self.given.get(name)
        if not isinstance(found, str):
            raise Refused(f"{self.function} needs a text for {name}")
        return found


def _closed_at(run: Run, arguments: _Arguments) -> int:
    for number, part in enumerate(run.parts, 1):
        if any(e.kind in ("close", "lost") and e.connection == arguments.number("connection") for e in part.events):
            return number
    return 0


def _count(*kinds: str) -> Callable[[Run, _Arguments], Value]:
    return lambda run, arguments: len(run.select(arguments, *kinds))


def _state(name: str) -> Callable[[Run, _Arguments], Value]:
    return lambda run, arguments: int(getattr(run.parts[run.step(arguments)].events[-1].state, name))


def _extreme(name: str, choose: Callable[[list[int]], int]) -> Callable[[Run, _Arguments], Value]:
    def found(run: Run, arguments: _Arguments) -> Value:
        states = [int(getattr(event.state, name)) for event in run.select(arguments)]
        return choose(states) if states else 0

    return found


def _lent(run: Run, arguments: _Arguments) -> list[int]:
    return [event.connection or 0 for event in run.select(arguments, "borrow")]


def _kind(arguments: _Arguments) -> str:
    kind = arguments.text("kind")
    if kind not in KINDS:
        raise Refused(f"there is no kind of event {plain(kind, 40)!r}; there are {', '.join(KINDS)}")
    return kind


def _found(run: Run, arguments: _Arguments) -> list[Event]:
    """Return events of which there has to be one: "before" is not true of what never happened."""
    found = run.select(arguments, _kind(arguments))
    if not found:
        raise Refused(f"the run has no such {arguments.text('kind')}")
    return found


KINDS = (
    *("open", "borrow", "statement", "commit", "rollback", "error", "refused", "return", "close", "lost"),
    *("startup", "ready", "request", "response", "done", "shutdown", "stopped"),
)
"""The events that an expression may count."""

_ANSWERS: Mapping[str, Callable[[Run, _Arguments], Value]] = {
    "free_after": _state("free"),
    "total_after": _state("total"),
    "borrowed_after": _state("borrowed"),
    "waiting_after": _state("waiting"),
    "least_free": _extreme("free", min),
    "most_borrowed": _extreme("borrowed", max),
    "most_total": _extreme("total", max),
    "opened": _count("open"),
    "closed": _count("close", "lost"),
    "events": lambda run, a: len(run.select(a, _kind(a))),
    "first": lambda run, a: _found(run, a)[0].seq,
    "last": lambda run, a: _found(run, a)[-1].seq,
    "statements": lambda run, a: sum(
        a.text("text").casefold() in event.detail.casefold() for event in run.select(a, "statement")
    ),
    "status": lambda run, a: run.response(a).status or 0,
    "connection_of": lambda run, a: next(iter(_lent(run, a)), 0),
    "connections_of": lambda run, a: len(set(_lent(run, a))),
    "closed_at": _closed_at,
    "step_of": lambda run, a: run.step_of(a.text("event")),
    "result": lambda run, a: run.trace.steps[run.step(a)].result,
}
