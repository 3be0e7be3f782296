"""`SQLitePool` where Pythons differ: eager tasks and autocommit, both from Python 3.12 on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest

from poolkit.sqlite_pool import PoolClosed, SQLitePool

DEADLINE = 20.0  # seconds; only a failing test waits that long


async def _live(database: str) -> None:
    """Open, queue, give up while queued, lend to the next, fail to grow, close on somebody who waits."""
    pool = SQLitePool(database, min_size=1, max_size=2, timeout=DEADLINE)
    await pool.open()
    first, second = await pool.acquire(), await pool.acquire()
    assert (pool.total, pool.borrowed) == (2, 2)
    impatient = asyncio.ensure_future(pool.acquire())
    patient = asyncio.ensure_future(pool.acquire())
    while pool.waiting < 2:
        await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait((impatient,))
    await pool.release(first)
    third = await patient
    with pytest.raises(sqlite3.OperationalError):
        await third.execute("nonsense")
    await pool.release(third)
    assert (pool.free, pool.borrowed, pool.waiting) == (1, 1, 0)
    fourth = await pool.acquire()
    refused = asyncio.ensure_future(pool.acquire())
    while pool.waiting < 1:
        await asyncio.sleep(0)
    closing = asyncio.ensure_future(pool.close())
    with pytest.raises(PoolClosed):
        await refused
    for connection in (second, fourth):
        await pool.release(connection)
    await closing
    assert pool.total == 0


async def _fail_to_open() -> None:
    """An opening that raises at once, before it has waited for anything."""

    async def refuse() -> object:
        raise sqlite3.OperationalError("refused")

    pool = SQLitePool("x", min_size=1, connect=refuse)  # type: ignore[arg-type]  # it never returns
    with pytest.raises(sqlite3.OperationalError, match="refused"):
        await pool.open()
    assert pool.total == 0


def _in_time(main: object, *, eager: bool) -> None:
    async def run() -> None:
        async with asyncio.timeout(DEADLINE):
            await main  # type: ignore[misc]  # a coroutine

    with asyncio.Runner() as runner:
        if eager:
            runner.get_loop().set_task_factory(vars(asyncio)["eager_task_factory"])
        runner.run(run())


@pytest.mark.parametrize("eager", [False, True] if sys.version_info >= (3, 12) else [False])
def test_the_pool_keeps_its_promises_with_eager_tasks(tmp_path: Path, eager: bool) -> None:
    """A task that begins at once, and may be over before its maker goes on, changes nothing."""
    _in_time(_live(str(tmp_path / "shop.db")), eager=eager)
    _in_time(_fail_to_open(), eager=eager)


@pytest.mark.parametrize("autocommit", [None, True, False] if sys.version_info >= (3, 12) else [None])
def test_no_transaction_reaches_the_next_borrower(tmp_path: Path, autocommit: bool | None) -> None:
    """Whatever autocommit is: with True, sqlite3's own rollback() does nothing, and the pool's reset all the same."""
    path = str(tmp_path / "shop.db")
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE items (name TEXT)")

    async def lend_twice() -> None:
        options = {} if autocommit is None else {"autocommit": autocommit}
        async with SQLitePool(path, min_size=1, **options) as pool:  # type: ignore[arg-type]  # sqlite3's own
            async with pool.connection() as connection:
                if autocommit is not False:  # where a transaction has begun already
                    await connection.execute("BEGIN")
                await connection.execute("INSERT INTO items VALUES ('left behind')")
            async with pool.connection() as connection:
                rows = await connection.execute_fetchall("SELECT * FROM items")
                assert list(rows) == []
                assert connection.in_transaction is (autocommit is False)
            assert (pool.total, pool.free) == (1, 1)

    _in_time(lend_twice(), eager=False)
