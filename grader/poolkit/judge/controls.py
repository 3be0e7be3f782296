"""What a suite can do to the database from outside: hold statements at a gate, and make things fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

Matcher = Callable[[str], bool]


def matching(pattern: str) -> Matcher:
    """Return a test for statements that contain `pattern`, whatever their case; "" matches all."""
    needle = pattern.casefold()
    return lambda sql: needle in sql.casefold()


class Gate:
    """Holds the statements that match until they are let through.

    `async with lab.gate("select")` holds every SELECT; leaving the block opens the gate.
    """

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._open = asyncio.Event()
        self.waiting = 0
        """How many statements are held."""
        self.on_wait: Callable[[], None] = lambda: None
        """Called whenever one more is held."""

    def holds(self, sql: str) -> bool:
        """Whether a statement has to wait here."""
        return not self._open.is_set() and self._matcher(sql)

    async def wait(self) -> None:
        """Wait until the gate opens; called by the witness for a statement that it holds."""
        self.waiting += 1
        self.on_wait()
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1

    def open(self) -> None:
        """Let everything through, now and from now on."""
        self._open.set()

    async def __aenter__(self) -> Gate:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open()


@dataclass
class _StatementFault:
    matcher: Matcher
    error: str
    message: str
    times: int
    delay: float


@dataclass
class Faults:
    """Failures to come, in the order in which the suite asks for them."""

    _connects: dict[int, str] = field(default_factory=dict)
    _statements: list[_StatementFault] = field(default_factory=list)
    _killers: dict[int, Callable[[], None]] = field(default_factory=dict)
    _connects_seen: int = 0
    max_connections: int | None = None
    """How many connections the database has at once, for all the labs of a check; no limit when None."""

    def refuse_connection(self, number: int, message: str = "unable to open database file") -> None:
        """Refuse the `number`-th connection from now on, counting from 1."""
        self._connects[self._connects_seen + number] = message

    def fail_statement(self, pattern: str, message: str, *, error: str = "OperationalError", times: int = 1) -> None:
        """Fail the next statements that contain `pattern`, a commit being `COMMIT`."""
        self._statements.append(_StatementFault(matching(pattern), error, message, times, 0.0))

    def delay_statement(self, pattern: str, seconds: float, *, times: int = 1) -> None:
        """Answer the next statements that contain `pattern` that many seconds late."""
        self._statements.append(_StatementFault(matching(pattern), "", "", times, seconds))

    def kill(self, connection: int) -> None:
        """Cut a connection, as when a database restarts; its number is that of the ledger."""
        if killer := self._killers.get(connection):
            killer()

    # --- the witness's side ---

    def next_connect(self, total: int) -> str | None:
        """Return the message to refuse the connection with that is being opened beside `total` others, or None."""
        self._connects_seen += 1
        if self.max_connections is not None and total >= self.max_connections:
            return "too many connections"
        return self._connects.pop(self._connects_seen, None)

    def next_statement(self, sql: str) -> tuple[str, str, float] | None:
        """Return what is to happen to a statement: (error class or "", message, delay in seconds)."""
        for fault in self._statements:
            if fault.matcher(sql):
                fault.times -= 1
                if fault.times <= 0:
                    self._statements.remove(fault)
                return fault.error, fault.message, fault.delay
        return None

    def watch(self, connection: int, killer: Callable[[], None]) -> None:
        """Let `kill` reach a connection."""
        self._killers[connection] = killer

    def unwatch(self, connection: int) -> None:
        """Forget a connection that has ended."""
        self._killers.pop(connection, None)
