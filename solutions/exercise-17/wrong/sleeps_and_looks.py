# misconception: sleeps-and-hopes
# caught by: accepts-a-slow-database
"""What README.md promises of a pool, a test for each promise."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio

ANY_ERROR = Exception  # README.md leaves open which

SOON = 2.0
"""Seconds for what must happen: far more than it takes, so that a slow database is no failure."""

BRIEF = 0.05
"""A pool's timeout, for borrowers who are to get nothing."""


@asynccontextmanager
async def opened(min_size: int, max_size: int, timeout: float = 30.0) -> AsyncIterator[Pool]:
    """An open pool, closed at the end of a test that went well."""
    pool = Pool("shop.db", min_size=min_size, max_size=max_size, timeout=timeout)
    await pool.open()
    yield pool
    await soon(pool.close())


async def soon(work: Awaitable[Any]) -> Any:
    """Wait for what must happen."""
    return await asyncio.wait_for(work, SOON)


async def gives_up(pool: Pool) -> None:
    """Expect that the pool itself ends a borrower's wait."""
    attempt = asyncio.create_task(pool.acquire())
    await asyncio.wait({attempt}, timeout=SOON)
    assert attempt.done(), "still waiting, long after the pool's timeout"
    assert isinstance(attempt.exception(), TimeoutError)


async def in_line(pool: Pool) -> asyncio.Task:
    """A borrower who waits."""
    task = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)  # README: then it stands in line
    return task


# --- opening, lending ---


async def test_open_opens_min_size(connections) -> None:
    async with opened(2, 4):
        assert connections.open == 2


async def test_borrowers_one_after_another_share_what_is_open(connections) -> None:
    async with opened(2, 4) as pool:
        for _ in range(5):
            async with pool.connection() as connection:
                await connection.execute_fetchall("SELECT 1")
        assert connections.opened == 2


async def test_grows_to_max_size_and_then_gives_up(connections) -> None:
    async with opened(1, 3, timeout=BRIEF) as pool:
        loans = [await pool.acquire() for _ in range(3)]
        await gives_up(pool)
        assert connections.opened == 3
        for loan in loans:
            await pool.release(loan)


async def test_a_crowd_opens_no_more_than_max_size(connections) -> None:
    async def visit(pool: Pool) -> None:
        async with pool.connection() as connection:
            await connection.execute_fetchall("SELECT 1")

    async with opened(1, 2) as pool:
        await soon(asyncio.gather(*(visit(pool) for _ in range(6))))
        assert connections.opened <= 2


async def test_nobody_gets_what_somebody_holds() -> None:
    async with opened(2, 2) as pool:
        first, second = await pool.acquire(), await pool.acquire()
        await pool.release(second)
        third = await soon(pool.acquire())
        await first.execute("BEGIN")
        await third.execute("BEGIN")  # on a connection that has begun already, SQLite refuses it
        await pool.release(first)
        await pool.release(third)


# --- waiting ---


async def test_a_return_wakes_who_waits() -> None:
    async with opened(1, 1) as pool:
        held = await pool.acquire()
        waiter = await in_line(pool)
        await pool.release(held)
        await asyncio.sleep(0.1)
        assert waiter.done()
        await pool.release(waiter.result())


async def test_first_come_first_served() -> None:
    served = []

    async def borrow(pool: Pool, name: str) -> None:
        async with pool.connection():
            served.append(name)

    async with opened(1, 1) as pool:
        held = await pool.acquire()
        tasks = []
        for name in ("ann", "ben", "cleo"):
            tasks.append(asyncio.create_task(borrow(pool, name)))
            await asyncio.sleep(0)
        await pool.release(held)
        await soon(asyncio.gather(*tasks))
    assert served == ["ann", "ben", "cleo"]


async def test_who_gave_up_gets_nothing() -> None:
    async with opened(1, 1, timeout=BRIEF) as pool:
        held = await pool.acquire()
        await gives_up(pool)
        await pool.release(held)
        await pool.release(await pool.acquire())


async def test_who_was_cancelled_gets_nothing() -> None:
    async with opened(1, 1) as pool:
        held = await pool.acquire()
        waiter = await in_line(pool)
        waiter.cancel()
        await asyncio.wait({waiter})
        await pool.release(held)
        await pool.release(await soon(pool.acquire()))


async def test_cancelled_as_it_becomes_theirs() -> None:
    async with opened(1, 1) as pool:
        held = await pool.acquire()
        waiter = await in_line(pool)
        await pool.release(held)
        waiter.cancel()
        await asyncio.wait({waiter}, timeout=SOON)
        if not waiter.cancelled():
            await pool.release(waiter.result())
        await pool.release(await soon(pool.acquire()))


# --- returning ---


async def test_comes_back_when_the_block_raises() -> None:
    async with opened(1, 1) as pool:
        with pytest.raises(KeyError):
            async with pool.connection():
                raise KeyError("no such item")
        await pool.release(await soon(pool.acquire()))


async def test_a_second_return_does_nothing() -> None:
    async with opened(1, 1, timeout=BRIEF) as pool:
        loan = await pool.acquire()
        await pool.release(loan)
        await pool.release(loan)
        only = await pool.acquire()
        await gives_up(pool)
        await pool.release(only)


async def test_a_late_second_return_does_nothing_either() -> None:
    async with opened(1, 1, timeout=BRIEF) as pool:
        old = await pool.acquire()
        await pool.release(old)
        new = await pool.acquire()
        await pool.release(old)
        await gives_up(pool)
        await pool.release(new)


async def test_refuses_what_another_pool_lent() -> None:
    async with opened(1, 1) as pool, opened(1, 1) as other:
        loan = await pool.acquire()
        with pytest.raises(ANY_ERROR):
            await other.release(loan)
        await pool.release(loan)


async def test_rolls_back_what_was_not_committed() -> None:
    text = f"a note of {uuid4()}"
    async with opened(1, 1) as pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO notes (text) VALUES (?)", (text,))
        async with pool.connection() as connection:
            assert not connection.in_transaction
            assert list(await connection.execute_fetchall("SELECT id FROM notes WHERE text = ?", (text,))) == []


async def test_replaces_what_its_borrower_closed() -> None:
    async with opened(1, 1) as pool:
        async with pool.connection() as connection:
            await connection.close()
        async with pool.connection() as connection:
            assert list(await connection.execute_fetchall("SELECT 1")) == [(1,)]


# --- closing ---


async def test_close_closes_all(connections) -> None:
    async with opened(1, 3) as pool:
        loans = [await pool.acquire() for _ in range(3)]
        for loan in loans:
            await pool.release(loan)
    assert connections.open == 0


async def test_lends_nothing_after_close() -> None:
    async with opened(1, 2) as pool:
        pass
    with pytest.raises(ANY_ERROR):
        await soon(pool.acquire())


async def test_close_ends_the_wait() -> None:
    pool = Pool("shop.db", min_size=1, max_size=1)
    await pool.open()
    held = await pool.acquire()
    waiter = await in_line(pool)
    closing = asyncio.create_task(pool.close())  # it may wait for `held`
    await asyncio.wait({waiter}, timeout=SOON)
    assert waiter.done(), "still waiting for a pool that was closed"
    assert waiter.exception() is not None
    await pool.release(held)
    await soon(closing)
