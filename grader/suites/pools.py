"""What the suites share that judge a pool class of the learner's own, over `poolkit.lab.pool_app`.

The app's answers are claims. Which connection a borrower really has shows in the ledger: by the one that the
statement with this run's own number arrives on.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from poolkit.events import Event
from poolkit.judge.checks import CheckFailed, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.text import count

SOON = 1.5
"""Seconds within which a pool lends a connection that it has, or hands over one that came back."""


_COMMON_ERRORS = frozenset(
    {
        *vars(builtins),
        *("CancelledError", "Error", "IncompleteReadError", "InvalidStateError", "QueueEmpty", "QueueFull"),
    }
)
"""Names of exceptions that are nobody's own."""


@dataclass(frozen=True)
class Told:
    """What a method of the pool did: `error` is the exception's type and `message` its text, "" when it returned."""

    error: str = ""
    message: str = ""
    rows: Sequence[Sequence[Any]] = ()
    reached: bool = False
    outcome: str = ""

    @property
    def ok(self) -> bool:
        """Whether it returned."""
        return not self.error

    def __str__(self) -> str:
        return f"{self.error}: {self.message}" if self.message else self.error or "it returned"


def told(answer: Answer) -> Told:
    """Read an answer of the app.

    Raises:
        CheckFailed: it is none that the app gives.
    """
    body = answer.json()
    if answer.status != 200 or not isinstance(body, dict):
        text = ascii(answer.body[:200].decode(errors="replace"))
        raise CheckFailed("The given app answers as it was given.", f"It answered {answer.status} with {text}.")
    error, rows = body.get("error"), body.get("rows")
    error = error if isinstance(error, dict) else {}
    return Told(
        error=str(error.get("type", ""))[:100],
        message=str(error.get("message", ""))[:300],
        rows=[row for row in rows if isinstance(row, list)] if isinstance(rows, list) else (),
        reached=body.get("reached") is True,
        outcome=str(body.get("outcome", ""))[:20],
    )


class Desk:
    """Works one pool of the learner's.

    Args:
        lab: the lab; `begin` starts it.
        name: tells several pools of one lab apart.
    """

    def __init__(self, lab: Lab, name: str = "pool") -> None:
        self.lab = lab
        self.name = name
        self.max_size = 0

    async def begin(self, *, min_size: int, max_size: int, **settings: object) -> None:
        """Start the app where it has not started, make the pool and open it.

        Raises:
            CheckFailed: the constructor or `open` raised.
        """
        made = await self.make(min_size=min_size, max_size=max_size, **settings)
        expect(
            made.ok,
            expected=f"Pool(database, min_size={min_size}, max_size={max_size}) makes a pool.",
            happened=f"It raised {made}.",
        )
        opened = await self.open()
        expect(opened.ok, expected="`open` opens the pool.", happened=f"It raised {opened}.")

    async def make(self, *, min_size: int, max_size: int, **settings: object) -> Told:
        """Start the app where it has not started, and make the pool, without opening it."""
        if not self.lab.ledger.of("startup"):
            await self.lab.start()
        self.max_size = max_size
        return await self._ask(f"/pools/{self.name}", {"min_size": min_size, "max_size": max_size, **settings})

    async def open(self) -> Told:
        """Call the pool's `open`."""
        return await self._ask(f"/pools/{self.name}/open")

    async def close(self) -> Told:
        """Call the pool's `close`."""
        return await self._ask(f"/pools/{self.name}/close")

    def send_close(self) -> asyncio.Task[Answer]:
        """Call the pool's `close` without waiting for it; see `told`."""
        return self.lab.send("POST", f"/pools/{self.name}/close")

    async def acquire(self, borrower: str) -> Told:
        """Let a borrower acquire a connection, and wait until they have one."""
        return await self._ask(f"/pools/{self.name}/acquire/{borrower}")

    def send_acquire(self, borrower: str) -> asyncio.Task[Answer]:
        """Let a borrower acquire a connection; the task is done once they have it or got an error, see `told`."""
        return self.lab.send("POST", f"/pools/{self.name}/acquire/{borrower}")

    async def queue(self, borrower: str) -> asyncio.Task[Answer]:
        """Let a borrower acquire a connection; return when they wait for it, have it, or got an error.

        For whoever comes before something else does; otherwise `send_acquire` is cheaper.
        """
        call = self.send_acquire(borrower)
        while not call.done():
            # In the lab's own loop: what the borrower's task could do at once, it has done by the answer.
            answer = (await self.lab.peek(f"/borrowers/{borrower}")).json()
            if isinstance(answer, dict) and answer.get("state") != "never asked":
                break
        return call

    async def release(self, borrower: str) -> Told:
        """Let a borrower return what they hold."""
        return await self._ask(f"/pools/{self.name}/release/{borrower}")

    def send_exchange(self, borrower: str, successor: str) -> asyncio.Task[Answer]:
        """Let a borrower return what they hold and, in the same task, another acquire; see `queue` and `told`."""
        return self.lab.send("POST", f"/pools/{self.name}/exchange/{borrower}/{successor}")

    async def release_late(self, borrower: str, *, turns: int, seconds: float) -> Told:
        """Let a borrower return what they hold, and lose time in the event loop, so many turns after the answer."""
        body = {"turns": turns, "seconds": seconds}
        return await self._ask(f"/pools/{self.name}/release-late/{borrower}", body)

    async def use(self, borrower: str) -> int | None:
        """Let a borrower run a query; return the number of the connection that it ran on, None when it ran on none."""
        mark, nonce = len(self.lab.ledger), self.lab.random.randbytes(8).hex()
        await self.query(borrower, "SELECT ?", nonce)
        return self.ran_on(nonce, since=mark)

    async def query(self, borrower: str, sql: str, *params: object) -> Told:
        """Let a borrower run a statement."""
        return await self._ask(f"/borrowers/{borrower}/query", {"sql": sql, "params": list(params)})

    async def visit(self, *, fail: bool = False) -> tuple[Told, int | None]:
        """Run a query in `async with pool.connection()`; return what came of it, and the connection it ran on."""
        mark, nonce = len(self.lab.ledger), self.lab.random.randbytes(8).hex()
        body = {"sql": "SELECT ?", "params": [nonce], "fail": fail}
        done = await self._ask(f"/pools/{self.name}/visit", body)
        return done, self.ran_on(nonce, since=mark)

    async def cancel(self, operation: str, borrower: str, number: int, moment: str = "suspended") -> Told:
        """Do `acquire`, `release` or `visit` in a task that is cancelled at its `number`-th await.

        `moment` is `suspended`, while it waits, or `done`, when what it waits for has come and it has not gone on.
        `reached` tells whether it had that many; `outcome` is `cancelled`, `returned` or `raised`.
        """
        body = {"number": number, "moment": moment}
        return await self._ask(f"/pools/{self.name}/cancel/{operation}/{borrower}", body)

    def ran_on(self, nonce: str, since: int = 0) -> int | None:
        """Return the connection that a statement with a number of this run's own arrived on."""
        found = [event for event in self.lab.ledger.of("statement", since=since) if nonce in event.params]
        return found[0].connection if found else None

    async def lends(self, number: int, prefix: str = "b") -> list[int]:
        """Let so many borrowers acquire a connection each, at once; return the different connections that they use.

        They hold them until all have one, or no more comes within `SOON`; then they return them.
        """
        names = [f"{prefix}{index}" for index in range(1, number + 1)]
        calls = [await self.queue(name) for name in names]
        await asyncio.wait(calls, timeout=SOON)
        holding = [name for name, call in zip(names, calls, strict=True) if call.done() and told(call.result()).ok]
        used = [await self.use(name) for name in holding]
        for name in holding:
            await self.release(name)
        return sorted({connection for connection in used if connection is not None})

    @property
    def open_connections(self) -> int:
        """How many connections are open, by the ledger."""
        return self.lab.pool.total

    def most_open(self, since: int = 0) -> Event | None:
        """Return the event at which the most connections were open."""
        events = self.lab.ledger.events[since:]
        return max(events, key=lambda event: event.state.total, default=None)

    async def _ask(self, path: str, body: object = None) -> Told:
        return told(await self.lab.request("POST", path, body=body))


def is_a(answer: Told, error: str) -> bool:
    """Whether an exception is of a class, as far as its name tells: a class of the learner's own may be a subclass."""
    return answer.error == error or (bool(answer.error) and answer.error not in _COMMON_ERRORS)


def are_open(number: int) -> str:
    """Return `1 connection is open`, `2 connections are open`."""
    return f"{connections(number)} {'is' if number == 1 else 'are'} open"


def connections(number: int) -> str:
    """Return `1 connection`, `2 connections`."""
    return count(number, "connection")


@asynccontextmanager
async def held_openings(lab: Lab) -> AsyncIterator[None]:
    """Let no connection come open until the block ends; the app must have no transaction open.

    A new connection reads the file, whose lock is ours. It waits for as long as its own `timeout` says, which is 5
    seconds of real time where a pool does not set it; after that it is refused.
    """
    await lab.sql("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        await lab.sql("ROLLBACK")
