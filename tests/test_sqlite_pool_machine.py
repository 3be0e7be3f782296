"""`SQLitePool` against a small model: any operations in any order, checked after each.

The connections are make-believe, so that everything happens within a few turns of the event loop and no run
depends on the time that something takes.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from poolkit.sqlite_pool import PoolClosed, PooledConnection, PoolTimeout, SQLitePool

T = TypeVar("T")

TURNS = 50  # more turns of the event loop than any chain of events here takes
NEVER = 3600.0  # seconds


async def turns(number: int = TURNS) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


class Connection:
    """As much of an aiosqlite connection as a pool uses."""

    def __init__(self) -> None:
        self.open = True
        self.broken = False
        self.row_factory: object = None
        self.text_factory: object = str
        self.in_transaction = False

    async def rollback(self) -> None:
        await turns(1)
        if self.broken or not self.open:
            raise sqlite3.OperationalError("broken")

    async def close(self) -> None:
        await turns(1)
        self.open = False

    async def interrupt(self) -> None: ...


class Pool(RuleBasedStateMachine):
    """Drives a pool and predicts what becomes of it.

    The model: `state`, `free` (a number), `held` (leases), `queue` (tasks), `refusals` (connects to fail).
    """

    @initialize(min_size=st.integers(1, 2), room=st.integers(0, 2))
    def begin(self, min_size: int, room: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.problems: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, context: self.problems.append(context))
        self.connections: list[Connection] = []
        self.min_size, self.max_size = min_size, min_size + room
        connect: Any = self.connect
        self.pool = SQLitePool("", min_size=min_size, max_size=self.max_size, timeout=NEVER, connect=connect)
        self.state = "closed"
        self.free = 0
        self.refusals = 0
        self.held: list[PooledConnection] = []
        self.past: list[PooledConnection] = []
        self.queue: list[asyncio.Task[PooledConnection]] = []
        self.closing: asyncio.Task[None] | None = None

    async def connect(self) -> Connection:
        await turns(1)
        if self.refusals:
            self.refusals -= 1
            raise sqlite3.OperationalError("refused")
        self.connections.append(Connection())
        return self.connections[-1]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work`, and whatever follows from it, to the end."""

        async def settle() -> T:
            try:
                return await work
            finally:
                await turns()

        return self.loop.run_until_complete(settle())

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.loop.create_task(work)

    @property
    def total(self) -> int:
        return self.free + len(self.held)

    # --- what the model expects ---

    def expect_next_served(self) -> None:
        """The first in the queue has a connection."""
        self.held.append(self.queue.pop(0).result())

    def expect_growth(self, refusals: int) -> None:
        """For each in the queue there was a connect, as long as there was room; `refusals` of them failed."""
        while self.queue and self.total < self.max_size:
            if refusals:
                refusals -= 1
                assert isinstance(self.queue.pop(0).exception(), sqlite3.OperationalError)
            else:
                self.expect_next_served()

    def expect_returned(self, lease: PooledConnection, *, usable: bool, refusals: int) -> None:
        self.held.remove(lease)
        self.past.append(lease)
        if self.state == "closing":
            if not self.held:
                self.expect_closed()
        elif not usable:
            self.expect_growth(refusals)
        elif self.queue:
            self.expect_next_served()
        else:
            self.free += 1

    def expect_closed(self) -> None:
        assert self.closing is not None
        assert self.closing.done()
        self.closing.result()
        self.closing, self.state = None, "closed"

    # --- opening and closing ---

    @precondition(lambda self: self.state != "closing")
    @rule(times=st.integers(1, 3))
    def open(self, times: int) -> None:
        """Open, also more than once at a time."""
        refused = self.refusals

        async def open_together() -> list[BaseException | None]:
            return await asyncio.gather(*(self.pool.open() for _ in range(times)), return_exceptions=True)

        failures = self.run(open_together())
        if self.state == "open":
            assert failures == [None] * times
            return
        expected = min(refused, times)
        assert sum(isinstance(failure, sqlite3.OperationalError) for failure in failures) == expected
        if expected < times:
            self.state, self.free = "open", self.min_size

    @precondition(lambda self: self.state == "open")
    @rule()
    def close(self) -> None:
        """Begin to close: waiters are turned away, what is borrowed is waited for."""
        self.closing = self.start(self.pool.close(timeout=NEVER))
        self.state, self.free = "closing", 0
        self.run(turns())
        for waiter in self.queue:
            assert isinstance(waiter.exception(), PoolClosed)
        self.queue.clear()
        if not self.held:
            self.expect_closed()

    @precondition(lambda self: self.state == "open")
    @rule()
    def close_at_once(self) -> None:
        """Close without waiting for what is borrowed."""
        self.run(self.pool.close(timeout=0))
        for waiter in self.queue:
            assert isinstance(waiter.exception(), PoolClosed)
        self.past += self.held
        self.held.clear()
        self.queue.clear()
        self.state, self.free = "closed", 0

    @rule()
    def close_when_closed(self) -> None:
        """Closing a closed pool does nothing."""
        if self.state == "closed":
            self.run(self.pool.close())

    @rule(number=st.integers(1, 2))
    def refuse(self, number: int) -> None:
        """The next connects fail."""
        self.refusals = number

    # --- borrowing ---

    @rule(number=st.integers(1, 3))
    def acquire(self, number: int) -> None:
        """Tasks that borrow, or join the queue, at the same time."""
        refusals = self.refusals
        tasks = [self.start(self.pool.acquire()) for _ in range(number)]
        self.run(turns())
        for task in tasks:
            if self.state != "open":
                assert isinstance(task.exception(), PoolClosed)
            elif self.free:
                self.free -= 1
                self.held.append(task.result())
            else:
                self.queue.append(task)
        self.expect_growth(refusals)

    @precondition(lambda self: self.state == "open")
    @rule()
    def acquire_without_waiting(self) -> None:
        """Borrow with no time to wait."""
        refusals, room = self.refusals, self.total < self.max_size
        task = self.start(self.pool.acquire(timeout=0))
        self.run(turns())
        if self.free:
            self.free -= 1
            self.held.append(task.result())
        elif not room:
            assert isinstance(task.exception(), PoolTimeout)
        elif isinstance(task.exception(), PoolTimeout):
            # The connection that was opened for it came too late, and is free.
            self.free += not refusals
        elif refusals:
            assert isinstance(task.exception(), sqlite3.OperationalError)
        else:
            self.held.append(task.result())

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def cancel_a_waiter(self, data: st.DataObject) -> None:
        """A task in the queue gives up."""
        task = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        task.cancel()
        self.run(turns())
        assert task.cancelled()

    # --- returning ---

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Return a connection."""
        lease, refusals = data.draw(st.sampled_from(self.held)), self.refusals
        usable = self.is_usable(lease)
        self.run(self.pool.release(lease))
        self.expect_returned(lease, usable=usable, refusals=refusals)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), after=st.integers(0, 4))
    def release_and_be_cancelled(self, data: st.DataObject, after: int) -> None:
        """Return a connection by a task that is cancelled meanwhile."""
        lease, refusals = data.draw(st.sampled_from(self.held)), self.refusals
        usable = self.is_usable(lease)

        async def scenario() -> None:
            task = asyncio.create_task(self.pool.release(lease))
            await turns(1 + after)
            task.cancel()
            await asyncio.wait((task,))

        self.run(scenario())
        self.expect_returned(lease, usable=usable, refusals=refusals)

    @precondition(lambda self: self.held and self.queue)
    @rule(data=st.data(), after=st.integers(0, 6))
    def release_and_cancel_the_next(self, data: st.DataObject, after: int) -> None:
        """Cancel the first in the queue about when a connection is handed to it."""
        lease, refusals = data.draw(st.sampled_from(self.held)), self.refusals
        usable = self.is_usable(lease)
        first = self.queue[0]

        async def scenario() -> None:
            task = asyncio.create_task(self.pool.release(lease))
            await turns(after)
            first.cancel()
            await task

        self.run(scenario())
        if first.cancelled():
            self.queue.pop(0)
        if usable or not first.cancelled():
            self.expect_returned(lease, usable=usable, refusals=refusals)
            return
        # Connects began for the first, which has left: their outcome went to those behind it, if any.
        self.held.remove(lease)
        self.past.append(lease)
        failed = 0
        while self.queue and self.queue[0].done():
            if self.queue[0].exception():
                assert isinstance(self.queue.pop(0).exception(), sqlite3.OperationalError)
                failed += 1
            else:
                self.expect_next_served()
        assert failed <= refusals - self.refusals
        self.free = self.pool.free

    @precondition(lambda self: self.state == "open" and self.held and self.queue)
    @rule(data=st.data(), closed_after=st.integers(0, 8), cancelled_after=st.none() | st.integers(0, 8))
    def release_and_close(self, data: st.DataObject, closed_after: int, cancelled_after: int | None) -> None:
        """Close, and perhaps cancel the first in the queue, about when a connection is handed to it."""
        lease = data.draw(st.sampled_from(self.held))

        async def scenario() -> None:
            releasing = asyncio.create_task(self.pool.release(lease))
            for turn in range(9):
                if turn == closed_after:
                    self.closing = asyncio.create_task(self.pool.close(timeout=NEVER))
                if turn == cancelled_after:
                    self.queue[0].cancel()
                await turns(1)
            await releasing

        self.run(scenario())
        self.held.remove(lease)
        self.past.append(lease)
        for waiter in self.queue:
            if waiter.cancelled() or isinstance(waiter.exception(), (PoolClosed, sqlite3.OperationalError)):
                continue
            self.held.append(waiter.result())
        self.queue.clear()
        self.state, self.free = "closing", 0
        if not self.held:
            self.expect_closed()

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def release_again(self, data: st.DataObject) -> None:
        """Return what was returned before, or what was closed by the pool."""
        self.run(self.pool.release(data.draw(st.sampled_from(self.past))))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), by_closing=st.booleans())
    def break_one(self, data: st.DataObject, by_closing: bool) -> None:
        """A borrowed connection breaks, or its borrower closes it."""
        lease: Any = data.draw(st.sampled_from(self.held))
        if by_closing:
            self.run(lease.close())
        else:
            lease.broken = True

    @staticmethod
    def is_usable(lease: Any) -> bool:  # noqa: ANN401  (a lease of a make-believe connection)
        return bool(lease.open and not lease.broken)

    # --- what is always true ---

    @invariant()
    def counts_agree(self) -> None:
        """The pool is in the state of the model, and within its limits."""
        pool = self.pool
        assert (pool.free, pool.borrowed, pool.waiting) == (self.free, len(self.held), len(self.queue))
        assert pool.total == pool.free + pool.borrowed <= self.max_size

    @invariant()
    def no_connection_is_lent_twice(self) -> None:
        lent = {id(lease._lent) for lease in self.held}  # type: ignore[attr-defined]
        assert len(lent) == len(self.held)

    @invariant()
    def nothing_is_open_that_the_pool_does_not_count(self) -> None:
        closed_by_borrower = sum(not lease.open for lease in self.held)  # type: ignore[attr-defined]
        assert sum(connection.open for connection in self.connections) == self.total - closed_by_borrower

    @invariant()
    def only_a_full_pool_keeps_waiting(self) -> None:
        """Whoever still waits could not have been served, and those before it were."""
        assert not any(task.done() for task in self.queue)
        if self.queue:
            assert (self.free, self.total) == (0, self.max_size)

    @invariant()
    def nothing_went_wrong_unseen(self) -> None:
        assert self.problems == []

    def teardown(self) -> None:
        for waiter in self.queue:
            waiter.cancel()
        for lease in self.held:
            self.run(self.pool.release(lease))
        self.run(self.pool.close())
        assert self.pool.total == 0
        assert not any(connection.open for connection in self.connections)
        assert self.problems == []
        self.loop.close()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    # Every connection that breaks is logged with its traceback, which takes most of the time.
    caplog.set_level(logging.ERROR, logger="poolkit.sqlite_pool")


TestPool = Pool.TestCase
TestPool.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
