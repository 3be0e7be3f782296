"""`databases.Database` on a pool: URLs like `sqlite+pool:///shop.db?min_size=4`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import pytest
from databases import Database

from poolkit.sqlite_pool import PoolBackend, PoolClosed, PoolError, PoolTimeout, SQLitePool

T = TypeVar("T")

DEADLINE = 20.0  # seconds; only a failing test waits that long


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    before = workers()
    yield
    assert_no_worker_is_left(before)


def workers() -> list[threading.Thread]:
    """The threads of open aiosqlite connections."""
    return [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]


def assert_no_worker_is_left(besides: Sequence[threading.Thread] = ()) -> None:
    for thread in set(workers()) - set(besides):
        # A worker that was told to stop may still be on its way out.
        thread.join(DEADLINE)
        assert not thread.is_alive(), "a connection is still open"


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "shop.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE items (name TEXT)")
        connection.commit()
    return path


@pytest.fixture
def url(path: str) -> str:
    return f"sqlite+pool:///{path}"


def pool_of(database: Database) -> SQLitePool:
    backend = database._backend
    assert isinstance(backend, PoolBackend)
    return backend._pool


async def soon(awaitable: Awaitable[T]) -> T:
    """Await what must not take long."""
    async with asyncio.timeout(DEADLINE):
        return await awaitable


def raw(database: Database) -> sqlite3.Connection:
    """What this task has borrowed."""
    connection: aiosqlite.Connection = database.connection().raw_connection
    return connection._conn


async def count(database: Database) -> Any:  # noqa: ANN401  (an SQL value)
    return await database.fetch_val("SELECT count(*) FROM items")


class Returns:
    """A pool's observer that tells of the next return."""

    def __init__(self) -> None:
        self.one = asyncio.Event()

    def borrowed(self, connection: aiosqlite.Connection) -> None: ...

    def returned(self, connection: aiosqlite.Connection) -> None:
        self.one.set()

    def waiting(self, tasks: int) -> None: ...


# --- options ---


def test_options_in_the_url(url: str) -> None:
    """O9: sizes and times in the URL are those of the pool, and no part of the file's name."""
    database = Database(f"{url}?min_size=2&max_size=3&max_waiting=5&timeout=1.5&close_timeout=0")
    pool = pool_of(database)
    assert (pool.min_size, pool.max_size, pool.max_waiting) == (2, 3, 5)
    assert (pool.timeout, pool.close_timeout) == (1.5, 0.0)
    assert f"sqlite+pool:///{pool.database}" == url


def test_options_as_keywords(url: str) -> None:
    """O9: keywords do the same, and win over the URL."""
    pool = pool_of(Database(f"{url}?min_size=2&timeout=1.5", min_size=3, max_size=7))
    assert (pool.min_size, pool.max_size, pool.timeout) == (3, 7, 1.5)


def test_defaults(url: str) -> None:
    """O9: without options a pool has four connections, waits half a minute and closes in five seconds."""
    pool = pool_of(Database(url))
    assert (pool.min_size, pool.max_size, pool.max_waiting) == (4, 4, None)
    assert (pool.timeout, pool.close_timeout) == (30.0, 5.0)


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        ("?pool_size=4", {}, r"URL: unknown option 'pool_size'; it takes min_size, max_size, max_waiting"),
        ("?min_size=four", {}, r"URL: min_size must be a number, not 'four'"),
        ("?min_size=0", {}, r"min_size must be at least 1, not 0"),
        ("", {"pool_size": 4}, r"Database\(sqlite\+pool\): unknown option 'pool_size'; it takes min_size"),
        ("", {"isolation_level": None}, r"unknown option 'isolation_level'"),
        ("?max_size=2", {"min_size": 3}, r"max_size must be at least min_size \(3\), not 2"),
    ],
)
def test_bad_options_are_refused(url: str, query: str, options: dict[str, Any], message: str) -> None:
    """O9: an option that is unknown or makes no sense is refused at once, with a message that names it."""
    with pytest.raises(ValueError, match=message):
        Database(url + query, **options)


async def test_options_of_the_driver(url: str) -> None:
    """O9: options of aiosqlite reach the connections."""

    class Marked(sqlite3.Connection):
        pass

    async with Database(url, min_size=1, factory=Marked) as database, database.connection():
        assert isinstance(raw(database), Marked)


# --- the life of a database ---


async def test_connected_while_the_pool_is_open(url: str) -> None:
    """O2, D1, N1: `connect` fills the pool, `disconnect` empties it, and both can be done again."""
    database = Database(f"{url}?min_size=2&max_size=3")
    pool = pool_of(database)
    for _ in range(2):
        assert (database.is_connected, pool.total) == (False, 0)
        await database.connect()
        await database.connect()
        assert (database.is_connected, pool.free, pool.total) == (True, 2, 2)
        assert await count(database) == 0
        await database.disconnect()
        await database.disconnect()
    assert (database.is_connected, pool.total) == (False, 0)


async def test_failing_connect(tmp_path: Path) -> None:
    """O6: a database that cannot be opened fails the startup, and is not connected."""
    database = Database(f"sqlite+pool:///{tmp_path}/missing/shop.db")
    with pytest.raises(sqlite3.OperationalError) as refused:
        await database.connect()
    assert refused.value.sqlite_errorname == "SQLITE_CANTOPEN"
    assert not database.is_connected
    # Now, while the loop still runs: aiosqlite does not wait for the worker of a connect that failed.
    assert_no_worker_is_left()


async def test_not_connected(url: str) -> None:
    """B5, D6: before `connect` and after `disconnect` a query is refused."""
    database = Database(url)
    with pytest.raises(PoolClosed, match="open it at startup"):
        await count(database)
    async with database:
        assert await count(database) == 0
    with pytest.raises(PoolClosed):
        await count(database)


# --- borrowing ---


async def test_nested_borrows_share_one_connection(url: str) -> None:
    """B4, W8: however deep one task nests, it holds one connection; N=1 is enough."""
    async with Database(url, min_size=1, timeout=DEADLINE) as database:
        pool = pool_of(database)
        async with database.connection():
            outer = raw(database)
            async with database.connection(), database.transaction():
                assert await count(database) == 0
                assert raw(database) is outer
                assert (pool.free, pool.borrowed) == (0, 1)
            assert pool.borrowed == 1
        assert (pool.free, pool.borrowed) == (1, 0)


async def test_tasks_get_distinct_connections(url: str) -> None:
    """B3: each task has a connection of its own."""
    everybody_holds_one = asyncio.Barrier(3)

    async def borrow() -> int:
        async with database.connection():
            await everybody_holds_one.wait()
            return id(raw(database))

    async with Database(url, min_size=3) as database:
        assert len(set(await soon(asyncio.gather(*(borrow() for _ in range(3)))))) == 3
        assert pool_of(database).free == 3


async def test_queries_reuse_connections(url: str) -> None:
    """B2, R1: every kind of query borrows, works and returns."""
    async with Database(url, min_size=1) as database:
        pool = pool_of(database)
        async with database.connection():
            first = raw(database)
        await database.execute("INSERT INTO items VALUES (:name)", {"name": "tea"})
        await database.execute_many("INSERT INTO items VALUES (:name)", [{"name": "mugs"}, {"name": "jam"}])
        assert [row["name"] for row in await database.fetch_all("SELECT name FROM items")] == [
            "tea",
            "mugs",
            "jam",
        ]
        row = await database.fetch_one("SELECT name FROM items ORDER BY name")
        assert row is not None
        assert row["name"] == "jam"
        assert [row["name"] async for row in database.iterate("SELECT name FROM items")][0] == "tea"
        assert (pool.free, pool.total) == (1, 1)
        async with database.connection():
            assert raw(database) is first


async def test_waiting_has_an_end(url: str) -> None:
    """W2: with all connections held by other tasks a query ends in PoolTimeout."""

    async def query() -> None:
        await count(database)

    async with Database(f"{url}?min_size=1&timeout=0.01") as database, database.connection():
        with pytest.raises(PoolTimeout):
            await soon(asyncio.create_task(query()))


async def test_use_after_return_fails(url: str) -> None:
    """U3: the raw connection of a block that has ended does not work any more."""
    async with Database(url, min_size=1) as database:
        async with database.connection() as connection:
            kept: aiosqlite.Connection = connection.raw_connection
        with pytest.raises(PoolError, match="was returned to its pool"):
            await kept.execute("SELECT 1")


async def test_abandoned_iteration(url: str) -> None:
    """R7: rows that are not read to their end cost no connection."""
    database = Database(url, min_size=1)
    returns = Returns()
    pool_of(database)._observer = returns

    async def first_row() -> Any:  # noqa: ANN401  (an SQL value)
        async for row in database.iterate("VALUES (1), (2)"):
            return row[0]

    async with database:
        assert await first_row() == 1
        gc.collect()
        await soon(returns.one.wait())
        assert await soon(asyncio.create_task(count(database))) == 0


# --- transactions ---


async def test_a_transaction_commits(url: str, path: str) -> None:
    """T1: what a block wrote is in the file when the block has ended."""
    async with Database(url) as database:
        async with database.transaction():
            await database.execute("INSERT INTO items VALUES ('tea')")
            async with database.transaction():
                await database.execute("INSERT INTO items VALUES ('mugs')")
        with contextlib.closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT count(*) FROM items").fetchone() == (2,)


async def test_a_transaction_rolls_back(url: str) -> None:
    """T2, R2: an exception undoes the block, is seen, and the connection comes back."""

    async def fail() -> None:
        async with database.transaction():
            await database.execute("INSERT INTO items VALUES ('tea')")
            raise ZeroDivisionError

    async with Database(url) as database:
        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await count(database) == 0
        assert pool_of(database).free == 4


async def test_a_transaction_left_open_is_rolled_back(url: str) -> None:
    """T3: a BEGIN without an end does not reach the next borrower."""
    async with Database(url, min_size=1) as database:
        async with database.connection() as connection:
            await connection.execute("BEGIN")
            await connection.execute("INSERT INTO items VALUES ('tea')")
        async with database.connection():
            assert not raw(database).in_transaction
            assert await count(database) == 0


async def test_tasks_are_isolated(url: str) -> None:
    """T4: one task does not see what another has not committed."""

    async def look() -> int:
        return int(await count(database))

    async with Database(url) as database, database.transaction():
        await database.execute("INSERT INTO items VALUES ('tea')")
        assert await soon(asyncio.create_task(look())) == 0


# --- cancellation ---


async def test_a_cancelled_release(url: str) -> None:
    """C3: after a release was cancelled the same task can borrow again, as the stock backend cannot."""
    async with Database(url, min_size=1) as database:
        pool = pool_of(database)
        connection = database.connection()
        await connection.__aenter__()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # takes effect at the next wait, which is in the release
        with pytest.raises(asyncio.CancelledError):
            await connection.__aexit__()
        task.uncancel()
        async with asyncio.timeout(DEADLINE), database.connection():
            assert await count(database) == 0
        assert (pool.free, pool.borrowed) == (1, 0)


async def test_a_cancelled_query(url: str) -> None:
    """C2: a task that is cancelled while a statement runs returns its connection."""
    started, go_on = threading.Event(), threading.Event()

    def pause() -> int:
        started.set()
        assert go_on.wait(DEADLINE)
        return 1

    async def query() -> None:
        async with database.connection() as connection:
            await connection.raw_connection.create_function("pause", 0, pause)
            await connection.execute("SELECT pause()")

    async def stream() -> AsyncIterator[int]:
        async for row in database.iterate("VALUES (1), (2)"):
            yield row[0]

    async with Database(url, min_size=1) as database:
        task = asyncio.create_task(query())
        assert await asyncio.to_thread(started.wait, DEADLINE)
        task.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await soon(task)
        assert [number async for number in stream()] == [1, 2]
        assert pool_of(database).free == 1
