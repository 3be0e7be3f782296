"""`SQLitePool` lends no connection that is too old, idle for too long, or broken."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import aiosqlite
import pytest

from poolkit.sqlite_pool import PoolClosed, PooledConnection, PoolTimeout, SQLitePool

Connector = Callable[[], Awaitable[aiosqlite.Connection]]
Opened = list[aiosqlite.Connection]


class Clock:
    """Moves the running loop's time forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self.offset = 0.0
        monkeypatch.setattr(loop, "time", lambda: self._now() + self.offset)


@pytest.fixture
def opened() -> Opened:
    """Every connection that a pool of the test has opened."""
    return []


@pytest.fixture
def connect(opened: Opened) -> Connector:
    """Open a connection and keep count."""

    async def connect() -> aiosqlite.Connection:
        opened.append(await aiosqlite.connect(":memory:"))
        return opened[-1]

    return connect


async def number(opened: Opened, lent: PooledConnection) -> int:
    """Return which of the connections, from 0, somebody was lent."""
    marker: Any = lent
    return opened.index(marker._lent)


async def test_an_old_connection_is_replaced(
    monkeypatch: pytest.MonkeyPatch, connect: Connector, opened: Opened
) -> None:
    """H2: it is closed, another is opened in its place, and the size stays; a young one is lent again."""
    clock = Clock(monkeypatch)
    async with SQLitePool("", min_size=1, max_lifetime=60, connect=connect) as pool:
        for offset, wanted in ((0, 0), (59, 0), (61, 1), (100, 1), (200, 2)):
            clock.offset = offset
            async with pool.connection() as lent:
                assert await number(opened, lent) == wanted
                assert pool.total == 1


async def test_an_idle_connection_is_replaced(
    monkeypatch: pytest.MonkeyPatch, connect: Connector, opened: Opened
) -> None:
    """H3: the time counts from its return, not from its opening."""
    clock = Clock(monkeypatch)
    async with SQLitePool("", min_size=1, max_idle=60, connect=connect) as pool:
        for offset, wanted in ((50, 0), (100, 0), (150, 0), (220, 1)):
            clock.offset = offset
            async with pool.connection() as lent:
                assert await number(opened, lent) == wanted


async def test_a_broken_connection_is_replaced(connect: Connector, opened: Opened) -> None:
    """H1: all of them broken at once, the pool recovers, and every borrower gets one that works."""
    async with SQLitePool("", min_size=3, check=SQLitePool.check_connection, connect=connect) as pool:
        for each in opened:
            driver: Any = each
            await driver._execute(driver._conn.close)  # as when the database restarts: the pool is not told
        lent = [await asyncio.wait_for(pool.acquire(), 5) for _ in range(3)]
        assert {await number(opened, each) for each in lent} == {3, 4, 5}
        assert pool.total == 3
        for each in lent:
            await each.execute("SELECT 1")
            await pool.release(each)


async def test_who_got_a_broken_one_keeps_the_turn(connect: Connector, opened: Opened) -> None:
    """W3: of those who wait, the first is served first, also when the connection that came back is broken."""
    served: list[int] = []
    async with SQLitePool("", min_size=1, check=SQLitePool.check_connection, connect=connect) as pool:
        held = await pool.acquire()

        async def wait(who: int) -> None:
            async with pool.connection():
                served.append(who)

        waiting = [asyncio.create_task(wait(who)) for who in range(3)]
        while pool.waiting < 3:
            await asyncio.sleep(0)
        fail = itertools.chain([True], itertools.repeat(False))

        async def check(_: object) -> None:
            if next(fail):
                raise RuntimeError("broken")

        pool._check = check
        await pool.release(held)
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert served == [0, 1, 2]
    assert len(opened) == 2


async def test_a_check_that_hangs_is_bounded(connect: Connector) -> None:
    """H4: the borrower gets PoolTimeout in time; when the check works again, so does the pool."""
    hanging = asyncio.Event()

    async def check(_: object) -> None:
        await hanging.wait()

    async with SQLitePool("", min_size=1, timeout=0.05, check=check, connect=connect) as pool:
        with pytest.raises(PoolTimeout):
            await pool.acquire()
        hanging.set()
        async with asyncio.timeout(5), pool.connection(timeout=5):
            assert pool.total == 1


async def test_a_cancelled_check_costs_no_connection(connect: Connector, opened: Opened) -> None:
    """C1: the connection comes back, and no other was opened."""
    checking, go_on = asyncio.Event(), asyncio.Event()

    async def check(_: object) -> None:
        checking.set()
        await go_on.wait()

    async with SQLitePool("", min_size=1, check=check, connect=connect) as pool:
        task = asyncio.create_task(pool.acquire())
        await checking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        async with asyncio.timeout(5), pool.connection():
            assert len(opened) == 1


async def test_closing_ends_a_borrower_whose_connection_failed_the_check(connect: Connector) -> None:
    """D4: they get PoolClosed, and wait for no connection that nobody opens any more."""
    checking = asyncio.Event()
    fail = asyncio.Event()

    async def check(_: object) -> None:
        checking.set()
        await fail.wait()
        raise RuntimeError("broken")

    pool = SQLitePool("", min_size=1, check=check, connect=connect)
    await pool.open()
    task = asyncio.create_task(pool.acquire())
    await checking.wait()
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0)
    fail.set()
    with pytest.raises(PoolClosed):
        await asyncio.wait_for(task, 5)
    await asyncio.wait_for(closing, 5)
    assert pool.total == 0


@pytest.mark.parametrize("limit", ["max_lifetime", "max_idle"])
@pytest.mark.parametrize("seconds", [0, -1])
def test_a_limit_without_sense_is_refused(limit: str, seconds: float) -> None:
    """O9: when the pool is made."""
    settings: dict[str, Any] = {limit: seconds}
    with pytest.raises(ValueError, match="must be above 0 seconds"):
        SQLitePool("", **settings)
