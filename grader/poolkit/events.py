"""The ledger's row: what one event of a run looks like, for everything that shows or judges runs."""

from __future__ import annotations

from dataclasses import dataclass, field

CONNECTION_KINDS = (
    "open",
    "borrow",
    "statement",
    "commit",
    "rollback",
    "error",
    "refused",
    "return",
    "close",
    "lost",
)
"""Kinds of event on a database connection. `error` is a statement that failed at the database, `refused` one
that the witness did not execute, `lost` a connection whose end came without a close."""

APP_KINDS = ("startup", "ready", "request", "response", "done", "shutdown", "stopped", "exited")
"""Kinds of event of the app itself. `done` is the end of all the work for a request, which comes after the
response when a dependency cleans up late; `exited` is the end of the app's process."""

Value = None | int | float | str | bytes
"""What SQLite stores in one cell."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """How many connections there are, counted by the witness.

    `total` is every open connection; `free` those resting in a pool; `borrowed` those in somebody's hands,
    which a connection opened outside a pool is from its open to its close (`total == free + borrowed`).
    `waiting` is how many tasks the lab's pool says are queued for one; it is shown, and decides nothing.
    """

    total: int = 0
    free: int = 0
    borrowed: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Location:
    """A line of the learner's code: `file` relative to the submission, `line` from 1, `text` of that line."""

    file: str
    line: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as the judge saw it.

    `seq` counts from 1, `at` is in seconds since the lab was made, on the judge's clock. `connection` and
    `request` are numbers from 1, or None. `state` is the pool's state right after the event. `where` is the
    learner's line at a borrow, as the lab claims it: shown, never judged.
    """

    seq: int
    at: float
    kind: str
    connection: int | None = None
    request: int | None = None
    detail: str = ""
    state: PoolState = field(default_factory=PoolState)
    where: Location | None = None
    pooled: bool = False
    in_transaction: bool = False
    params: tuple[Value, ...] = ()
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """How many tasks the lab's pool says are queued for a connection, from `at` on; shown, never judged.

    `at` is in seconds, on the clock of the ledger's rows.
    """

    at: float
    tasks: int
