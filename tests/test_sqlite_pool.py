"""`SQLitePool` keeps what it promises; the ids are those of the course's list of behaviours."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sqlite3
import subprocess
import sys
import threading
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import aiosqlite
import pytest
from fastapi import HTTPException

from poolkit.sqlite_pool import (
    PoolClosed,
    PooledConnection,
    PoolError,
    PoolTimeout,
    SQLitePool,
    TooManyWaiters,
)

T = TypeVar("T")

DEADLINE = 20.0  # seconds; only a failing test waits that long
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    before = workers()
    yield
    assert_no_worker_is_left(besides=before)


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "shop.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE items (name TEXT)")
        connection.commit()
    return path


def workers() -> list[threading.Thread]:
    """The threads of open aiosqlite connections."""
    return [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]


def assert_no_worker_is_left(besides: Sequence[threading.Thread] = ()) -> None:
    for thread in set(workers()) - set(besides):
        # A worker that was told to stop may still be on its way out.
        thread.join(DEADLINE)
        assert not thread.is_alive(), "a connection is still open"


def raw(connection: PooledConnection) -> sqlite3.Connection:
    return connection._conn


async def soon(awaitable: Awaitable[T]) -> T:
    """Await what must not take long."""
    async with asyncio.timeout(DEADLINE):
        return await awaitable


async def turns(number: int = 20) -> None:
    """Let every task run as far as it can without waiting for a thread or for time."""
    for _ in range(number):
        await asyncio.sleep(0)


async def one(connection: aiosqlite.Connection, sql: str = "SELECT 1") -> Any:  # noqa: ANN401  (an SQL value)
    """The first value that a query yields."""
    async with connection.execute(sql) as cursor:
        row = await cursor.fetchone()
    assert row is not None
    return row[0]


async def lends_everything(pool: SQLitePool) -> None:
    """Check that the pool can still lend `max_size` working connections."""
    held = [await soon(pool.acquire()) for _ in range(pool.max_size)]
    assert len({id(raw(connection)) for connection in held}) == pool.max_size
    for connection in held:
        assert not connection.in_transaction
        assert await one(connection) == 1
        await pool.release(connection)
    assert (pool.free, pool.total, pool.borrowed, pool.waiting) == (pool.max_size, pool.max_size, 0, 0)


class Watch:
    """A pool's observer that tests can wait on."""

    def __init__(self) -> None:
        self.tasks = 0
        self.joined = 0
        self.returns = 0
        self._changed = asyncio.Event()

    def borrowed(self, connection: aiosqlite.Connection) -> None:
        self._changed.set()

    def returned(self, connection: aiosqlite.Connection) -> None:
        self.returns += 1
        self._changed.set()

    def waiting(self, tasks: int) -> None:
        self.joined += tasks > self.tasks
        self.tasks = tasks
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def queued(self, tasks: int) -> None:
        await self.until(lambda: self.tasks == tasks)

    async def queue_up(self, *work: Coroutine[Any, Any, T]) -> list[asyncio.Task[T]]:
        """Start tasks that each join the queue, one after another."""
        tasks = []
        for place, each in enumerate(work, self.joined + 1):
            tasks.append(asyncio.create_task(each))
            await self.until(lambda: self.joined == place)  # noqa: B023  (awaited before the next turn)
        return tasks


class Connects:
    """Opens connections for a pool; can refuse the k-th one, or hold it until an event."""

    def __init__(self, database: str, *failing: int) -> None:
        self.database = database
        self.failing = failing
        self.calls = 0
        self.made = 0
        self.refused = asyncio.Event()
        self._called = asyncio.Event()
        self._gates: dict[int, asyncio.Event] = {}

    def hold(self, number: int) -> asyncio.Event:
        return self._gates.setdefault(number, asyncio.Event())

    async def until(self, calls: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while self.calls < calls:
                self._called.clear()
                await self._called.wait()

    async def __call__(self) -> aiosqlite.Connection:
        self.calls += 1
        number = self.calls
        self._called.set()
        if number in self._gates:
            await self._gates[number].wait()
        if number in self.failing:
            # The pool deals with the error before anybody who waits for this event can run.
            self.refused.set()
            raise sqlite3.OperationalError(f"connect {number} refused")
        connection = await aiosqlite.connect(self.database)
        self.made += 1
        return connection


# --- opening ---


def test_constructing_opens_nothing(tmp_path: Path) -> None:
    """O1: until `open`, there is no file, no connection and no thread."""
    pool = SQLitePool(str(tmp_path / "shop.db"))
    assert (pool.total, pool.free, workers()) == (0, 0, [])
    assert not (tmp_path / "shop.db").exists()


async def test_open_fills_the_pool(database: str) -> None:
    """O2: after startup free = total = N."""
    async with SQLitePool(database, min_size=3) as pool:
        assert (pool.free, pool.total, len(workers())) == (3, 3, 3)


async def test_not_ready_before_it_is(database: str) -> None:
    """O3: nothing can be borrowed before all N are open."""
    connects = Connects(database)
    gate = connects.hold(2)
    pool = SQLitePool(database, min_size=2, connect=connects)
    opening = asyncio.create_task(pool.open())
    await connects.until(2)
    with pytest.raises(PoolClosed):
        await pool.acquire()
    assert pool.total == 0
    gate.set()
    await soon(opening)
    assert pool.free == 2
    await pool.close()


async def test_opening_twice(database: str) -> None:
    """O4: opening an open pool does nothing."""
    connects = Connects(database)
    async with SQLitePool(database, min_size=2, connect=connects) as pool:
        await pool.open()
        assert (connects.calls, pool.total) == (2, 2)


async def test_opening_concurrently(database: str) -> None:
    """O5: five concurrent `open` make one pool."""
    connects = Connects(database)
    pool = SQLitePool(database, min_size=2, connect=connects)
    await soon(asyncio.gather(*(pool.open() for _ in range(5))))
    assert (connects.calls, pool.total) == (2, 2)
    await pool.close()


async def test_failing_open_fails_the_startup(tmp_path: Path) -> None:
    """O6: what sqlite3 says about a database that cannot be opened is seen."""
    pool = SQLitePool(str(tmp_path / "missing" / "shop.db"))
    with pytest.raises(sqlite3.OperationalError) as refused:
        await pool.open()
    assert refused.value.sqlite_errorname == "SQLITE_CANTOPEN"
    with pytest.raises(PoolClosed):
        await pool.acquire()
    # Now, while the loop still runs: aiosqlite does not wait for the worker of a connect that failed.
    assert_no_worker_is_left()


@pytest.mark.parametrize("failing", [1, 2, 3])
async def test_half_failed_open_closes_what_it_opened(database: str, failing: int) -> None:
    """O7: when the k-th connect fails, the earlier connections are closed; the pool can be opened later."""
    pool = SQLitePool(database, min_size=3, connect=Connects(database, failing))
    with pytest.raises(sqlite3.OperationalError, match=f"connect {failing} refused"):
        await pool.open()
    assert pool.total == 0
    assert_no_worker_is_left()
    await pool.open()
    await lends_everything(pool)
    await pool.close()


async def test_a_later_resource_fails(database: str) -> None:
    """O8: a pool that was entered is closed when a resource after it fails to start."""
    pool = SQLitePool(database)

    async def start() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(pool)
            await stack.enter_async_context(SQLitePool(database, connect=Connects(database, 2)))

    with pytest.raises(sqlite3.OperationalError, match="refused"):
        await start()
    assert pool.total == 0
    assert_no_worker_is_left()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_size": 0}, "min_size must be at least 1, not 0"),
        ({"min_size": 3, "max_size": 2}, r"max_size must be at least min_size \(3\), not 2"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"close_timeout": -1}, "close_timeout not below 0"),
        ({"max_waiting": -1}, "max_waiting must not be below 0"),
    ],
)
def test_bad_sizes_are_refused(settings: dict[str, Any], message: str) -> None:
    """O9: a size or a time that makes no sense is refused at once, with a message that names it."""
    with pytest.raises(ValueError, match=message):
        SQLitePool("shop.db", **settings)


# --- borrowing and using ---


async def test_borrowing_takes_one(database: str) -> None:
    """B1: a borrow turns N free into N-1, and total stays."""
    async with SQLitePool(database, min_size=3) as pool, pool.connection():
        assert (pool.free, pool.borrowed, pool.total) == (2, 1, 3)


async def test_sequential_borrows_reuse(database: str) -> None:
    """B2: many borrows one after another open no new connection."""
    connects = Connects(database)
    async with SQLitePool(database, min_size=2, max_size=4, connect=connects) as pool:
        for _ in range(10):
            async with pool.connection() as connection:
                assert await one(connection) == 1
        assert connects.calls == 2


async def test_concurrent_tasks_get_distinct_connections(database: str) -> None:
    """B3: no two tasks hold one connection at a time."""
    everybody_holds_one = asyncio.Barrier(4)

    async def borrow(pool: SQLitePool) -> int:
        async with pool.connection() as connection:
            await everybody_holds_one.wait()
            return id(raw(connection))

    async with SQLitePool(database, min_size=4) as pool:
        connections = await soon(asyncio.gather(*(borrow(pool) for _ in range(4))))
    assert len(set(connections)) == 4


async def test_unopened_pool_refuses(database: str) -> None:
    """B5: a pool that was not opened lends nothing and says what to do."""
    with pytest.raises(PoolClosed, match="the pool is closed; open it at startup"):
        await SQLitePool(database).acquire()


async def test_use_after_return_fails(database: str) -> None:
    """U3: neither the connection nor a cursor made of it works after the return."""
    async with SQLitePool(database, min_size=1) as pool:
        async with pool.connection() as connection:
            made = [
                await connection.execute("SELECT 1"),
                await connection.cursor(),
                await connection.executemany("INSERT INTO items VALUES (?)", [("tea",)]),
                await connection.executescript("SELECT 1"),
            ]
        uses: list[Callable[[], Awaitable[object]]] = [
            lambda: connection.execute("SELECT 1"),
            lambda: connection.commit(),
            *(cursor.fetchone for cursor in made),
            *(partial(cursor.execute, "SELECT 1") for cursor in made),
        ]
        for use in uses:
            with pytest.raises(PoolError, match="was returned to its pool; acquire one again"):
                await use()
        with pytest.raises(PoolError, match="was returned"):
            connection.row_factory = sqlite3.Row
        assert "returned" in repr(connection)


async def test_a_borrowed_connection_is_an_aiosqlite_connection(database: str) -> None:
    """U3, the other side: until the return, whatever an aiosqlite connection can do works."""
    async with SQLitePool(database, min_size=1) as pool, pool.connection() as connection:
        connection.row_factory = sqlite3.Row
        async with connection.execute("SELECT 7 AS size") as cursor:
            assert [row["size"] async for row in cursor] == [7]
        cursor = await connection.executemany("INSERT INTO items VALUES (?)", [("tea",), ("mugs",)])
        assert cursor.rowcount == 2
        assert connection.in_transaction
        await connection.commit()
        assert len(list(await connection.execute_fetchall("SELECT name FROM items"))) == 2
        assert "borrowed" in repr(connection)


# --- returning ---


async def test_return_frees_it(database: str) -> None:
    """R1: after the return free is N again."""
    async with SQLitePool(database, min_size=2) as pool:
        connection = await pool.acquire()
        await pool.release(connection)
        assert (pool.free, pool.borrowed, pool.total) == (2, 0, 2)


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("by zero"), HTTPException(404), SystemExit(3)], ids=["R2", "R3", "exit"]
)
async def test_return_on_an_exception(database: str, error: BaseException) -> None:
    """R2, R3: an exception in the block returns the connection, and it is the one that is seen."""

    async def work(pool: SQLitePool) -> None:
        async with pool.connection():
            raise error

    async with SQLitePool(database, min_size=1) as pool:
        with pytest.raises(type(error)) as caught:
            await work(pool)
        assert caught.value is error
        assert pool.free == 1


async def test_double_return_is_harmless(database: str) -> None:
    """R4: a second return does not take the connection from whoever has it by then."""
    async with SQLitePool(database, min_size=1) as pool:
        first = await pool.acquire()
        await asyncio.gather(pool.release(first), pool.release(first))
        async with pool.connection() as second:
            await pool.release(first)
            assert (pool.free, pool.borrowed) == (0, 1)
            assert await one(second) == 1
        await lends_everything(pool)


async def test_foreign_connection_is_refused(database: str) -> None:
    """R5: a connection of another pool, or of none, is refused, and nothing changes."""
    async with SQLitePool(database, min_size=1) as pool, SQLitePool(database, min_size=1) as other:
        async with other.connection() as of_another, aiosqlite.connect(database) as of_none:
            stray: Any
            for stray in (of_another, of_none):
                with pytest.raises(PoolError, match="not of this pool"):
                    await pool.release(stray)
            assert await one(of_another) == 1
        assert (pool.free, other.free) == (1, 1)


async def test_closed_connection_is_replaced(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """R6: a connection that its borrower closed is not lent again; another takes its place."""
    async with SQLitePool(database, min_size=2) as pool:
        async with pool.connection() as connection:
            await connection.close()
        assert (pool.free, pool.total) == (1, 1)
        await lends_everything(pool)
    assert "could not be reset and is replaced" in caplog.text


async def test_broken_connection_is_replaced_for_a_waiter(database: str) -> None:
    """R6: a task that waits gets the replacement of a connection that came back closed."""
    watch = Watch()
    async with SQLitePool(database, min_size=1, observer=watch) as pool:
        connection = await pool.acquire()
        (waiter,) = await watch.queue_up(pool.acquire())
        await connection.close()
        await pool.release(connection)
        assert await one(await soon(waiter)) == 1
        await pool.release(waiter.result())
        await lends_everything(pool)


async def test_abandoned_iterator_releases(database: str) -> None:
    """R7: an async generator that holds a connection returns it when it is dropped half-way."""
    watch = Watch()

    async def rows(pool: SQLitePool) -> AsyncIterator[int]:
        async with pool.connection() as connection, connection.execute("VALUES (1), (2), (3)") as cursor:
            async for row in cursor:
                yield row[0]

    async with SQLitePool(database, min_size=1, observer=watch) as pool:
        async for row in rows(pool):
            assert row == 1
            break
        gc.collect()
        await watch.until(lambda: watch.returns == 1)
        await lends_everything(pool)


# --- waiting ---


async def test_one_too_many_waits(database: str) -> None:
    """W1: the N+1st waits, and total never exceeds the maximum."""
    watch = Watch()
    connects = Connects(database)
    async with SQLitePool(database, min_size=1, max_size=2, connect=connects, observer=watch) as pool:
        held = [await pool.acquire(), await pool.acquire()]
        waiters = await watch.queue_up(pool.acquire(), pool.acquire())
        assert (pool.total, pool.waiting, connects.calls) == (2, 2, 2)
        assert not any(task.done() for task in waiters)
        for connection in held:
            await pool.release(connection)
        for connection in await soon(asyncio.gather(*waiters)):
            await pool.release(connection)
        assert (pool.total, connects.calls) == (2, 2)


@pytest.mark.parametrize(("of_pool", "of_call"), [(0.01, None), (30.0, 0.01), (30.0, 0)])
async def test_the_wait_is_bounded(database: str, of_pool: float, of_call: float | None) -> None:
    """W2: a wait ends with PoolTimeout after the pool's time or, when given, the call's."""
    async with SQLitePool(database, min_size=1, timeout=of_pool) as pool, pool.connection():
        with pytest.raises(PoolTimeout, match=r"within 0(\.01)? s: all 1 are borrowed and 0 other tasks wait"):
            await soon(pool.acquire(of_call))


async def test_first_come_first_served(database: str) -> None:
    """W3: waiters are served in their order, and a newcomer does not overtake them."""
    watch = Watch()
    served: list[str] = []

    async def borrow(name: str) -> None:
        async with pool.connection():
            served.append(name)

    async with SQLitePool(database, min_size=1, observer=watch) as pool:
        held = await pool.acquire()
        waiters = await watch.queue_up(borrow("first"), borrow("second"), borrow("third"))
        releasing = asyncio.create_task(pool.release(held))
        await watch.queued(2)
        await soon(asyncio.gather(borrow("newcomer"), releasing, *waiters))
    assert served == ["first", "second", "third", "newcomer"]


async def test_a_timed_out_waiter_consumes_nothing(database: str) -> None:
    """W4: what comes back after a wait has timed out goes to the next in the queue, or becomes free."""
    watch = Watch()
    async with SQLitePool(database, min_size=1, observer=watch) as pool:
        held = await pool.acquire()
        gone, patient = await watch.queue_up(pool.acquire(0.01), pool.acquire())
        with pytest.raises(PoolTimeout):
            await soon(gone)
        await pool.release(held)
        await pool.release(await soon(patient))
        assert (pool.free, pool.waiting) == (1, 0)
        await lends_everything(pool)


async def test_a_return_wakes_a_waiter(database: str) -> None:
    """W5: a task that waits gets the very connection that comes back."""
    watch = Watch()
    async with SQLitePool(database, min_size=1, observer=watch) as pool:
        held = await pool.acquire()
        returned = raw(held)
        (waiter,) = await watch.queue_up(pool.acquire())
        await pool.release(held)
        assert raw(await soon(waiter)) is returned
        await pool.release(waiter.result())


@pytest.mark.parametrize("cap", [0, 2])
async def test_a_cap_on_waiters(database: str, cap: int) -> None:
    """W6: a task beyond `max_waiting` is refused at once; growing the pool is not queueing."""
    watch = Watch()
    async with SQLitePool(database, min_size=1, max_size=2, max_waiting=cap, observer=watch) as pool:
        held = [await pool.acquire(), await soon(pool.acquire())]
        waiters = await watch.queue_up(*(pool.acquire() for _ in range(cap)))
        with pytest.raises(TooManyWaiters, match=f"{cap} tasks already wait"):
            await pool.acquire()
        for connection in held:
            await pool.release(connection)
        for connection in await soon(asyncio.gather(*waiters)):
            await pool.release(connection)
        await lends_everything(pool)


async def test_works_with_one_connection(database: str) -> None:
    """W8: with N=1 twenty tasks all get their turn, and holding one while asking for another ends in time."""

    async def add(name: int) -> None:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO items VALUES (?)", (name,))
            await connection.commit()

    async with SQLitePool(database, min_size=1) as pool:
        await soon(asyncio.gather(*(add(name) for name in range(20))))
        async with pool.connection() as connection:
            assert await one(connection, "SELECT count(DISTINCT name) FROM items") == 20
            with pytest.raises(PoolTimeout):
                await pool.acquire(timeout=0.01)
        await lends_everything(pool)


# --- growing ---


async def test_grows_to_max(database: str) -> None:
    """S1: borrowers beyond `min_size` get new connections, up to `max_size`, which are kept and reused."""
    connects = Connects(database)
    async with SQLitePool(database, min_size=1, max_size=4, connect=connects) as pool:
        held = await soon(asyncio.gather(*(pool.acquire() for _ in range(4))))
        assert (pool.total, pool.free, connects.calls) == (4, 0, 4)
        with pytest.raises(PoolTimeout):
            await pool.acquire(timeout=0.01)
        for connection in held:
            await pool.release(connection)
        await lends_everything(pool)
        assert connects.calls == 4


async def test_a_failed_connect_frees_its_slot(database: str) -> None:
    """E3: a connect that fails for one borrower costs the pool nothing."""
    connects = Connects(database, 2, 3)
    async with SQLitePool(database, min_size=1, max_size=2, connect=connects) as pool, pool.connection():
        for number in (2, 3):
            with pytest.raises(sqlite3.OperationalError, match=f"connect {number} refused"):
                await soon(pool.acquire())
            assert (pool.total, pool.waiting) == (1, 0)
        async with pool.connection() as connection:
            assert await one(connection) == 1


async def test_a_connect_that_fails_after_its_waiter_left(database: str) -> None:
    """E3, W4: a connect that fails when nobody waits any more frees its slot too."""
    connects = Connects(database, 2)
    gate = connects.hold(2)
    async with SQLitePool(database, min_size=1, max_size=2, connect=connects) as pool, pool.connection():
        with pytest.raises(PoolTimeout):
            await pool.acquire(timeout=0.01)
        gate.set()
        await soon(connects.refused.wait())
        async with asyncio.timeout(DEADLINE), pool.connection() as connection:
            assert await one(connection) == 1
        assert pool.total == 2


async def test_a_failed_connect_makes_room_for_the_next(database: str) -> None:
    """E3, W5: when a connect fails, the next waiter, for whom there was no room, gets one of its own."""
    watch = Watch()
    connects = Connects(database, 2)
    gate = connects.hold(2)
    pool = SQLitePool(database, min_size=1, max_size=2, connect=connects, observer=watch)
    async with pool, pool.connection():
        first, second = await watch.queue_up(pool.acquire(), pool.acquire())
        gate.set()
        with pytest.raises(sqlite3.OperationalError, match="connect 2 refused"):
            await soon(first)
        await pool.release(await soon(second))


async def test_a_failed_connect_strands_nobody(database: str) -> None:
    """E3, W5: a waiter whose connection went to one before it hears of the connect that failed instead."""
    watch = Watch()
    connects = Connects(database, 2)
    gate = connects.hold(2)
    pool = SQLitePool(database, min_size=1, max_size=3, connect=connects, observer=watch)
    async with pool, pool.connection():
        first, second = await watch.queue_up(pool.acquire(), pool.acquire())
        lent = await soon(first)  # by connect 3, which was begun for the second
        gate.set()
        with pytest.raises(sqlite3.OperationalError, match="connect 2 refused"):
            await soon(second)
        await pool.release(lent)


async def test_a_failed_connect_is_told_to_nobody_who_has_another_coming(database: str) -> None:
    """E3, W5: as long as enough connects are under way for all who wait, none hears of one that failed."""
    watch = Watch()
    connects = Connects(database, 2)
    gates = connects.hold(2), connects.hold(3)
    pool = SQLitePool(database, min_size=1, max_size=3, connect=connects, observer=watch)
    async with pool, pool.connection():
        first, second = await watch.queue_up(pool.acquire(), pool.acquire())
        first.cancel()
        await watch.queued(1)
        gates[0].set()
        await soon(connects.refused.wait())
        assert not second.done()
        gates[1].set()
        await pool.release(await soon(second))


async def test_a_connect_that_nobody_needs_any_more(database: str) -> None:
    """S1, W4: a connection whose waiter left while it was being opened is free for the next."""
    connects = Connects(database)
    gate = connects.hold(2)
    async with SQLitePool(database, min_size=1, max_size=2, connect=connects) as pool, pool.connection():
        with pytest.raises(PoolTimeout):
            await pool.acquire(timeout=0.01)
        gate.set()
        async with asyncio.timeout(DEADLINE), pool.connection() as connection:
            assert await one(connection) == 1
        assert (connects.calls, pool.total) == (2, 2)


# --- errors ---


async def test_an_sql_error_leaves_the_connection_usable(database: str) -> None:
    """E1: after a statement that fails, the same connection works on, and is lent again."""
    async with SQLitePool(database, min_size=1) as pool:
        async with pool.connection() as connection:
            first = raw(connection)
            with pytest.raises(sqlite3.OperationalError) as refused:
                await connection.execute("SELECT * FROM nowhere")
            assert refused.value.sqlite_errorname == "SQLITE_ERROR"
            assert await one(connection) == 1
        async with pool.connection() as connection:
            assert raw(connection) is first


class NoRollback(sqlite3.Connection):
    """A connection that cannot be reset."""

    def rollback(self) -> None:
        raise sqlite3.OperationalError("disk I/O error")


class NoClose(sqlite3.Connection):
    """A connection that raises when it is closed."""

    def close(self) -> None:
        super().close()
        raise sqlite3.OperationalError("close failed")


class NeitherOfThem(NoRollback, NoClose):
    """A connection that can neither be reset nor closed."""


@pytest.mark.parametrize("factory", [NoRollback, NeitherOfThem])
async def test_a_failing_reset_retires_the_connection(
    database: str, factory: type[sqlite3.Connection], caplog: pytest.LogCaptureFixture
) -> None:
    """E2: a connection that cannot be reset is closed, not lent again, and its slot is free."""
    connects = itertools.chain([factory], itertools.repeat(sqlite3.Connection))
    pool = SQLitePool(database, min_size=1, connect=lambda: aiosqlite.connect(database, factory=next(connects)))
    async with pool:
        async with pool.connection() as connection:
            broken = raw(connection)
        assert pool.total == 0
        with pytest.raises(sqlite3.ProgrammingError):  # it is closed
            broken.interrupt()
        await lends_everything(pool)
    assert "disk I/O error" in caplog.text


class Objector(Watch):
    """An observer that raises when a connection is borrowed, or when it is returned."""

    def __init__(self, to: Literal["borrowed", "returned"]) -> None:
        super().__init__()
        self.to: str | None = to

    def borrowed(self, connection: aiosqlite.Connection) -> None:
        self._object("borrowed")

    def returned(self, connection: aiosqlite.Connection) -> None:
        self._object("returned")

    def _object(self, to: str) -> None:
        if to == self.to:
            self.to = None
            raise ZeroDivisionError("an observer failed")


async def test_an_observer_that_raises(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """E2, E4: an observer's error costs no connection; the borrower sees the one at the borrow."""
    async with SQLitePool(database, min_size=2, observer=Objector("borrowed")) as pool:
        with pytest.raises(ZeroDivisionError):
            await pool.acquire()
        await lends_everything(pool)
    async with SQLitePool(database, min_size=2, observer=Objector("returned")) as pool:
        async with pool.connection():
            pass
        assert pool.total == 1
        await lends_everything(pool)
    assert "an observer failed" in caplog.text


async def test_errors_are_not_swallowed(database: str) -> None:
    """E4: an error from the block, from a statement and from a connect is seen as it was raised."""
    connects = Connects(database, 2)

    async def misuse(pool: SQLitePool, sql: str) -> None:
        async with pool.connection() as connection:
            await connection.execute(sql)

    async with SQLitePool(database, min_size=1, max_size=2, connect=connects) as pool:
        with pytest.raises(sqlite3.OperationalError) as refused:
            await misuse(pool, "SELEKT")
        assert refused.value.sqlite_errorname == "SQLITE_ERROR"
        async with pool.connection():
            with pytest.raises(sqlite3.OperationalError, match="connect 2 refused"):
                await misuse(pool, "SELECT 1")


# --- transactions ---


async def test_no_transaction_is_open_after_the_return(database: str) -> None:
    """T3: what was not committed is rolled back, and the next borrower starts afresh."""
    async with SQLitePool(database, min_size=1) as pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO items VALUES ('tea')")
            assert connection.in_transaction
            connection.row_factory = sqlite3.Row
            connection.text_factory = bytes
        async with pool.connection() as connection:
            assert not connection.in_transaction
            assert (connection.row_factory, connection.text_factory) == (None, str)
            assert await one(connection, "SELECT count(*) FROM items") == 0


async def test_unread_rows_keep_no_lock(database: str) -> None:
    """T3: a query whose rows were not all read holds no lock once its connection is returned."""
    async with SQLitePool(database, min_size=1) as pool:
        async with pool.connection() as connection:
            await connection.executemany("INSERT INTO items VALUES (?)", [("tea",)] * 5000)
            await connection.commit()
        async with pool.connection() as connection:
            unread = await connection.execute("SELECT name FROM items")
            assert await unread.fetchone() == ("tea",)
        with contextlib.closing(sqlite3.connect(database, timeout=0)) as other:
            other.execute("DELETE FROM items")
            other.commit()
        del unread


async def test_a_cancelled_statement_is_over_before_the_next_borrow(database: str) -> None:
    """T3, C2: what a cancelled task's statement still does in the background is rolled back too."""
    started, go_on = threading.Event(), threading.Event()
    watch = Watch()

    def pause() -> str:
        started.set()
        assert go_on.wait(DEADLINE)
        return "tea"

    async def insert() -> None:
        async with pool.connection() as connection:
            await connection.create_function("pause", 0, pause)
            await connection.execute("INSERT INTO items VALUES (pause())")

    async with SQLitePool(database, min_size=1, observer=watch) as pool:
        inserting = asyncio.create_task(insert())
        assert await asyncio.to_thread(started.wait, DEADLINE)
        (waiter,) = await watch.queue_up(pool.acquire())
        inserting.cancel()
        await turns()
        assert not waiter.done()
        go_on.set()
        connection = await soon(waiter)
        assert not connection.in_transaction
        assert await one(connection, "SELECT count(*) FROM items") == 0
        await pool.release(connection)
        with pytest.raises(asyncio.CancelledError):
            await soon(inserting)


# --- cancellation ---

Moment = Literal["while it waits", "as it wakes"]
Runner = Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]]
Scenario = Callable[[Runner], Awaitable[asyncio.Task[Any]]]


@types.coroutine
def _stepwise(work: Coroutine[Any, Any, T], turn: int, moment: Moment) -> Generator[Any, Any, T]:
    step: Callable[[], Any] = partial(work.send, None)
    for suspension in itertools.count(1):
        try:
            awaited = step()
        except StopIteration as stopped:
            result: T = stopped.value
            return result
        if suspension == turn and moment == "while it waits":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            yield awaited
        except BaseException as error:
            step = partial(work.throw, error)
        else:
            step = partial(work.send, None)
            if suspension == turn and moment == "as it wakes":
                step = partial(work.throw, asyncio.CancelledError())
    raise AssertionError


async def cancelled_at(work: Coroutine[Any, Any, T], *, turn: int, moment: Moment) -> T:
    """Run `work` and cancel its task at its `turn`-th suspension.

    Either while it waits there, or when what it waited for has come and it is about to run on.
    """
    return await _stepwise(work, turn, moment)


async def sweep(scenario: Scenario) -> None:
    """Play a scenario, with its work cancelled at each of its suspensions in turn, until none is left.

    A scenario runs its work by the function that it gets, as a task, and returns that task.
    """
    moments: tuple[Moment, ...] = ("while it waits", "as it wakes")
    for moment in moments:
        for turn in itertools.count(1):
            task = await soon(scenario(partial(cancelled_at, turn=turn, moment=moment)))
            assert_no_worker_is_left()
            if not task.cancelled():
                task.result()
                break
        assert turn > 1, "nothing was cancelled"


async def test_cancelled_in_the_queue(database: str) -> None:
    """C1, C4, C5: a task cancelled while it queues, or when it was handed a connection, costs none."""

    async def scenario(run: Runner) -> asyncio.Task[Any]:
        watch = Watch()
        async with SQLitePool(database, min_size=1, observer=watch) as pool:
            held = await pool.acquire()
            task, behind = await watch.queue_up(run(pool.acquire()), pool.acquire())
            await pool.release(held)
            await asyncio.wait((task,))
            if not task.cancelled():
                await pool.release(task.result())
            await pool.release(await behind)
            await lends_everything(pool)
        return task

    await sweep(scenario)


async def test_cancelled_while_the_pool_grows(database: str) -> None:
    """C1, C4, C5: a task cancelled while a connection is opened for it leaves that connection to others."""

    async def scenario(run: Runner) -> asyncio.Task[Any]:
        async with SQLitePool(database, min_size=1, max_size=2) as pool:
            async with pool.connection():
                task = asyncio.create_task(run(pool.acquire()))
                await asyncio.wait((task,))
                if not task.cancelled():
                    await pool.release(task.result())
            await lends_everything(pool)
        return task

    await sweep(scenario)


async def test_handed_over_then_cancelled(database: str) -> None:
    """C4: a task that is cancelled after it was given a connection, and before it runs, passes it on."""
    watch = Watch()
    async with SQLitePool(database, min_size=1, observer=watch) as pool:
        held = await pool.acquire()
        first, second = await watch.queue_up(pool.acquire(), pool.acquire())
        releasing = asyncio.create_task(pool.release(held))
        await watch.queued(1)
        assert not first.done()
        first.cancel()
        await pool.release(await soon(second))
        await soon(releasing)
        assert first.cancelled()
        await lends_everything(pool)


async def test_cancelled_while_holding(database: str) -> None:
    """C2, C5: a task cancelled at any point of its work returns its connection, reset."""

    async def work(pool: SQLitePool) -> None:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO items VALUES ('tea')")
            await connection.commit()
            await one(connection, "SELECT count(*) FROM items")

    async def scenario(run: Runner) -> asyncio.Task[Any]:
        async with SQLitePool(database, min_size=2) as pool:
            task = asyncio.create_task(run(work(pool)))
            await asyncio.wait((task,))
            await lends_everything(pool)
        return task

    await sweep(scenario)


async def test_cancelled_during_the_return(database: str) -> None:
    """C3, C5: a return whose caller is cancelled still completes, and the caller is told."""

    async def scenario(run: Runner) -> asyncio.Task[Any]:
        async with SQLitePool(database, min_size=2) as pool:
            held = await pool.acquire()
            task = asyncio.create_task(run(pool.release(held)))
            await asyncio.wait((task,))
            await lends_everything(pool)
        return task

    await sweep(scenario)


async def test_cancelled_while_opening(database: str) -> None:
    """O7, C5: a cancelled `open` leaves nothing open, and the pool can be opened later."""

    async def scenario(run: Runner) -> asyncio.Task[Any]:
        pool = SQLitePool(database, min_size=2)
        task = asyncio.create_task(run(pool.open()))
        await asyncio.wait((task,))
        if task.cancelled():
            assert pool.total == 0
            assert_no_worker_is_left()
        async with pool:
            await lends_everything(pool)
        return task

    await sweep(scenario)


async def test_cancelled_while_closing(database: str) -> None:
    """D9, C5: a cancelled `close` goes on, and the pool can be opened again."""

    async def scenario(run: Runner) -> asyncio.Task[Any]:
        pool = SQLitePool(database, min_size=2)
        await pool.open()
        task = asyncio.create_task(run(pool.close()))
        await asyncio.wait((task,))
        await pool.close()
        assert_no_worker_is_left()
        async with pool:
            await lends_everything(pool)
        return task

    await sweep(scenario)


async def test_cancelled_twice_while_opening(database: str) -> None:
    """O7: an `open` cancelled again while it cleans up ends at once, and the cleaning goes on."""
    connects = Connects(database)
    gate = connects.hold(2)
    pool = SQLitePool(database, min_size=2, connect=connects)
    others = asyncio.all_tasks()
    opening = asyncio.create_task(pool.open())
    await connects.until(2)
    opening.cancel()
    await turns()
    assert not opening.done()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(opening)
    gate.set()
    await soon(asyncio.wait(asyncio.all_tasks() - others))
    assert connects.made == 2, "a connect was cancelled halfway"
    assert_no_worker_is_left()


async def test_a_disconnect_in_mid_stream(database: str) -> None:
    """C6: a stream whose consumer is cancelled, at any point, returns its connection."""

    async def stream(pool: SQLitePool) -> AsyncIterator[int]:
        async with pool.connection() as connection, connection.execute("VALUES (1), (2)") as cursor:
            async for row in cursor:
                yield row[0]

    async def respond(pool: SQLitePool) -> None:
        async for _ in stream(pool):
            await asyncio.to_thread(bytes)  # the client takes its time

    async def scenario(run: Runner) -> asyncio.Task[Any]:
        async with SQLitePool(database, min_size=1) as pool:
            task = asyncio.create_task(run(respond(pool)))
            await asyncio.wait((task,))
            await lends_everything(pool)
        return task

    await sweep(scenario)


# --- shutting down ---


async def test_close_empties_the_pool(database: str) -> None:
    """D1: after `close` free = total = 0 and every connection is closed."""
    pool = SQLitePool(database, min_size=1, max_size=3)
    async with pool:
        held = [await soon(pool.acquire()) for _ in range(3)]
        for connection in held:
            await pool.release(connection)
    assert (pool.free, pool.borrowed, pool.total) == (0, 0, 0)
    assert_no_worker_is_left()


async def test_close_waits_for_what_is_borrowed(database: str) -> None:
    """D2: a request in flight can finish its work while the pool closes."""
    pool = SQLitePool(database, min_size=2, close_timeout=DEADLINE)
    await pool.open()
    held = await pool.acquire()
    closing = asyncio.create_task(pool.close())
    assert await one(held) == 1
    assert not closing.done()
    assert (pool.free, pool.borrowed) == (0, 1)
    await pool.release(held)
    await soon(closing)
    assert pool.total == 0


@pytest.mark.parametrize(("of_pool", "of_call"), [(0.01, None), (DEADLINE * 2, 0.01), (DEADLINE * 2, 0)])
async def test_the_drain_is_bounded(
    database: str, of_pool: float, of_call: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    """D3: a connection that does not come back is closed under its borrower, its statement interrupted."""
    holding = asyncio.Event()

    async def hold() -> None:
        async with pool.connection() as connection:
            holding.set()
            await connection.execute(ENDLESS)

    pool = SQLitePool(database, min_size=2, close_timeout=of_pool)
    await pool.open()
    holder = asyncio.create_task(hold())
    await soon(holding.wait())
    await soon(pool.close(of_call))
    assert pool.total == 0
    with pytest.raises(sqlite3.OperationalError) as interrupted:
        await soon(holder)
    assert interrupted.value.sqlite_errorname == "SQLITE_INTERRUPT"
    assert "1 connections were not returned in time" in caplog.text


async def test_waiters_fail_at_once(database: str) -> None:
    """D4: a task that waits when the pool closes gets PoolClosed, not a timeout."""
    watch = Watch()
    pool = SQLitePool(database, min_size=1, observer=watch)
    await pool.open()
    held = await pool.acquire()
    waiters = await watch.queue_up(pool.acquire(), pool.acquire())
    closing = asyncio.create_task(pool.close())
    for waiter in waiters:
        with pytest.raises(PoolClosed, match="closed while this task waited"):
            await soon(waiter)
    await pool.release(held)
    await soon(closing)


class ClosesWithTheQueue(Watch):
    """An observer that closes its pool when the last in the queue is about to get a connection."""

    pool: SQLitePool
    closing: asyncio.Task[None]

    def waiting(self, tasks: int) -> None:
        super().waiting(tasks)
        if tasks == 0:
            self.closing = asyncio.create_task(self.pool.close())


@pytest.mark.parametrize("cancelled_after", [None, 0, 1, 2])
async def test_handed_over_while_closing(database: str, cancelled_after: int | None) -> None:
    """D2, D4: a task handed a connection just before the close may finish; cancelled, it delays nothing."""
    watch = ClosesWithTheQueue()
    watch.pool = SQLitePool(database, min_size=1, observer=watch, close_timeout=DEADLINE * 2)
    await watch.pool.open()
    held = await watch.pool.acquire()
    (waiter,) = await watch.queue_up(watch.pool.acquire())
    releasing = asyncio.create_task(watch.pool.release(held))
    await watch.queued(0)
    if cancelled_after is not None:
        await turns(cancelled_after)
        waiter.cancel()
    await asyncio.wait((waiter,))
    if not waiter.cancelled():
        assert await one(waiter.result()) == 1
        await watch.pool.release(waiter.result())
    await soon(asyncio.gather(releasing, watch.closing))
    assert_no_worker_is_left()


async def test_a_late_return(database: str) -> None:
    """D5: what comes back after the close is closed, and does not enter the pool when it is open again."""
    pool = SQLitePool(database, min_size=1)
    await pool.open()
    first, held = await pool.acquire(), None
    await pool.close(timeout=0)
    await pool.release(first)
    assert pool.total == 0
    await pool.open()
    held = await pool.acquire()
    await pool.close(timeout=0)
    await pool.open()
    await pool.release(held)
    assert (pool.free, pool.total) == (1, 1)
    with pytest.raises(PoolError):
        await held.execute("SELECT 1")
    await lends_everything(pool)
    await pool.close()


async def test_borrowing_is_refused_from_then_on(database: str) -> None:
    """D6: nothing can be borrowed while the pool closes, nor after."""
    watch = Watch()
    pool = SQLitePool(database, min_size=1, observer=watch)
    await pool.open()
    held = await pool.acquire()
    (waiter,) = await watch.queue_up(pool.acquire())
    closing = asyncio.create_task(pool.close())
    with pytest.raises(PoolClosed):
        await soon(waiter)
    with pytest.raises(PoolClosed, match="the pool is closing"):
        await pool.acquire()
    await pool.release(held)
    await soon(closing)
    with pytest.raises(PoolClosed, match="the pool is closed"):
        await pool.acquire()


async def test_closing_twice(database: str) -> None:
    """D7: closing again, at the same time or later, or before any opening, does nothing."""
    pool = SQLitePool(database, min_size=2)
    await pool.close()
    await pool.open()
    await soon(asyncio.gather(pool.close(), pool.close()))
    await pool.close()
    assert pool.total == 0


async def test_closing_while_opening(database: str) -> None:
    """D7, O3: a close that comes while the pool opens waits for that, and then closes it."""
    connects = Connects(database)
    gate = connects.hold(2)
    pool = SQLitePool(database, min_size=2, connect=connects)
    opening = asyncio.create_task(pool.open())
    await connects.until(2)
    closing = asyncio.create_task(pool.close())
    gate.set()
    await soon(asyncio.gather(opening, closing))
    assert pool.total == 0
    assert_no_worker_is_left()


@pytest.mark.parametrize("failing", [1, 3])
async def test_a_close_that_raises(database: str, failing: int, caplog: pytest.LogCaptureFixture) -> None:
    """D8: one connection that fails to close does not keep the others open, and the error is seen."""
    factories = itertools.chain([NoClose] * failing, itertools.repeat(sqlite3.Connection))
    pool = SQLitePool(database, min_size=3, connect=lambda: aiosqlite.connect(database, factory=next(factories)))
    await pool.open()
    with pytest.raises(sqlite3.OperationalError, match="close failed"):
        await pool.close()
    assert pool.total == 0
    assert_no_worker_is_left()
    assert caplog.text.count("another connection failed to close") == failing - 1
    async with pool:
        await lends_everything(pool)


async def test_closes_when_the_lifespan_is_cancelled(database: str) -> None:
    """D9: cancelling the task that entered the pool closes it, also when it is cancelled over again."""
    pool = SQLitePool(database, min_size=2, close_timeout=DEADLINE * 2)
    entered = asyncio.Event()
    others = asyncio.all_tasks()

    async def lifespan() -> None:
        async with pool:
            entered.set()
            await asyncio.Event().wait()

    for times in (1, 2):
        entered.clear()
        task = asyncio.create_task(lifespan())
        await soon(entered.wait())
        held = await pool.acquire()
        task.cancel()
        await turns()
        assert not task.done(), "it waits for what is borrowed"
        if times == 2:
            task.cancel()
            await asyncio.wait((task,))
        assert await one(held) == 1
        await pool.release(held)
        with pytest.raises(asyncio.CancelledError):
            await soon(task)
        await pool.close()
        assert pool.total == 0
        assert_no_worker_is_left()
    assert asyncio.all_tasks() == others


async def test_closing_while_it_grows(database: str) -> None:
    """D1, D3: a connection that is still being opened when the pool closes is closed when it comes."""
    connects = Connects(database)
    gate = connects.hold(2)
    watch = Watch()
    pool = SQLitePool(database, min_size=1, max_size=2, connect=connects, observer=watch)
    await pool.open()
    held = await pool.acquire()
    (waiter,) = await watch.queue_up(pool.acquire())
    closing = asyncio.create_task(pool.close())
    with pytest.raises(PoolClosed):
        await soon(waiter)
    gate.set()
    await pool.release(held)
    await soon(closing)
    assert_no_worker_is_left()


async def test_a_connect_that_outlives_the_pool(database: str) -> None:
    """D3, N1: a connect that hangs holds up no close, and what it opens at last enters no later opening."""
    connects = Connects(database)
    gate = connects.hold(2)
    watch = Watch()
    pool = SQLitePool(database, min_size=1, max_size=2, connect=connects, observer=watch)
    others = asyncio.all_tasks()
    await pool.open()
    held = await pool.acquire()
    (waiter,) = await watch.queue_up(pool.acquire())
    await soon(pool.close(timeout=0))
    with pytest.raises(PoolClosed):
        await soon(waiter)
    await pool.release(held)
    await pool.open()
    stragglers = asyncio.all_tasks() - others
    assert len(stragglers) == 1
    gate.set()
    await soon(asyncio.wait(stragglers))
    assert (pool.free, pool.total) == (1, 1)
    await lends_everything(pool)
    await pool.close()
    assert connects.calls == 4


async def test_closing_while_a_broken_connection_is_thrown_away(database: str) -> None:
    """D1, N1: `close` waits for a broken connection that is being closed, and a reopened pool is whole."""
    entered, go_on = threading.Event(), threading.Event()

    class SlowToClose(NoRollback):
        def close(self) -> None:
            entered.set()
            assert go_on.wait(DEADLINE)
            super().close()

    factories = itertools.chain([SlowToClose], itertools.repeat(sqlite3.Connection))
    pool = SQLitePool(database, min_size=1, connect=lambda: aiosqlite.connect(database, factory=next(factories)))
    await pool.open()
    releasing = asyncio.create_task(pool.release(await pool.acquire()))
    assert await asyncio.to_thread(entered.wait, DEADLINE)
    closing = asyncio.create_task(pool.close())
    await turns()
    assert not closing.done()
    go_on.set()
    await soon(closing)
    assert_no_worker_is_left()
    await soon(releasing)
    async with pool:
        await lends_everything(pool)


PROLOGUE = """
import asyncio, sys
from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool(sys.argv[1], min_size=2)

async def turns():
    for _ in range(20):
        await asyncio.sleep(0)
"""

ENDINGS = {
    "in order": """
async def main():
    async with pool, pool.connection() as connection:
        await connection.execute("SELECT 1")
""",
    "while a connection is borrowed": """
async def main():
    async def lifespan():
        async with pool, pool.connection():
            entered.set()
            await asyncio.Event().wait()

    entered = asyncio.Event()
    task = asyncio.create_task(lifespan())
    await entered.wait()
""",
    "while it closes": """
async def main():
    await pool.open()
    await pool.acquire()
    closing = asyncio.create_task(pool.close(3600))
    await turns()
    assert not closing.done()
    closing.cancel()
""",
    "while it closes what is free": """
import itertools, sqlite3, threading
import aiosqlite

entered, go_on = threading.Event(), threading.Event()

class SlowToClose(sqlite3.Connection):
    def close(self):
        entered.set()
        assert go_on.wait(60)
        super().close()

async def wait_for_the_end():
    try:
        await asyncio.Event().wait()
    finally:
        go_on.set()

async def main():
    factories = itertools.chain([SlowToClose], itertools.repeat(sqlite3.Connection))
    pool = SQLitePool("", connect=lambda: aiosqlite.connect(sys.argv[1], factory=next(factories)))
    await pool.open()
    others = [asyncio.create_task(pool.close()), asyncio.create_task(wait_for_the_end())]
    assert await asyncio.to_thread(entered.wait, 60)
""",
    "while it opens": """
import aiosqlite

class Connects:
    calls = 0

    async def __call__(self):
        self.calls += 1
        if self.calls == 2:
            reached.set()
            await asyncio.Event().wait()
        return await aiosqlite.connect(sys.argv[1])

async def main():
    global reached
    reached = asyncio.Event()
    opening = asyncio.create_task(SQLitePool(sys.argv[1], connect=Connects()).open())
    await reached.wait()
    opening.cancel()
    await turns()
    opening.cancel()
""",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_the_process_exits(database: str, ending: str) -> None:
    """D10: no connection keeps the process alive, however its event loop ends."""
    script = f"{PROLOGUE}{ending}\nasyncio.run(main())\nprint('over')\n"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, database], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, "over\n"), ended.stderr
    assert ended.stderr in ("", "1 connections were not returned in time and are closed\n")


# --- opening again, and event loops ---


async def test_reopening(database: str) -> None:
    """N1: a pool that was closed can be opened again and has N connections."""
    connects = Connects(database)
    pool = SQLitePool(database, min_size=2, max_size=3, connect=connects)
    for times in (1, 2, 3):
        async with pool:
            assert (pool.free, pool.total, connects.calls) == (2, 2, 3 * times - 1)
            await lends_everything(pool)


def test_reopening_on_another_loop(database: str) -> None:
    """N1, K1: a pool that was closed can be opened on another event loop."""
    pool = SQLitePool(database, min_size=2)

    async def session() -> None:
        await asyncio.gather(pool.open(), pool.open())
        await lends_everything(pool)
        await asyncio.gather(pool.close(), pool.close())

    asyncio.run(session())
    asyncio.run(session())


def test_wrong_loop_is_a_clear_error(database: str) -> None:
    """K1: a pool that is open on one event loop says so on another, and is not harmed."""
    pool = SQLitePool(database, min_size=2)
    home = asyncio.new_event_loop()
    try:
        home.run_until_complete(pool.open())
        held = home.run_until_complete(pool.acquire())

        async def abroad() -> None:
            for attempt in (pool.open(), pool.acquire(), pool.release(held), pool.close()):
                with pytest.raises(PoolError, match="opened on another event loop; open one pool for each loop"):
                    await attempt

        asyncio.run(abroad())
        home.run_until_complete(pool.release(held))
        home.run_until_complete(lends_everything(pool))
        home.run_until_complete(pool.close())
    finally:
        home.close()


def test_the_pool_of_a_loop_that_is_gone(database: str) -> None:
    """K1, D10: a pool whose event loop has ended lends nothing, but can be closed, without a drain."""
    pool = SQLitePool(database, min_size=2, close_timeout=DEADLINE * 2)

    async def leave_open() -> PooledConnection:
        await pool.open()
        return await pool.acquire()

    async def shutdown() -> None:
        for attempt in (pool.open(), pool.acquire(), pool.release(held)):
            with pytest.raises(PoolError, match="another event loop"):
                await attempt
        await soon(pool.close())

    held = asyncio.run(leave_open())
    asyncio.run(shutdown())
    assert pool.total == 0
    assert_no_worker_is_left()
