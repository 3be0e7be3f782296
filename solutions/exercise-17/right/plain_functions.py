# right: plain functions that each run an event loop, and a count of their own of what is opened
import asyncio
from contextlib import AsyncExitStack

import aiosqlite
import pytest
from pool import Pool

ANY_ERROR = Exception  # README.md leaves open which


def pool_of(low, high, timeout=20):
    return Pool("shop.db", min_size=low, max_size=high, timeout=timeout)


def run(work):
    asyncio.run(asyncio.wait_for(work, 3))


@pytest.fixture
def made(monkeypatch):
    everything, real = [], aiosqlite.connect
    monkeypatch.setattr(aiosqlite, "connect", lambda *a, **k: everything.append(real(*a, **k)) or everything[-1])
    return everything


def is_open(connection):
    try:
        _ = connection.in_transaction
    except ValueError:
        return False
    return True


async def outcome(pool):
    """What a borrower gets who is alone in line: "connection", or the exception's type."""
    try:
        await pool.release(await pool.acquire())
    except Exception as error:
        return type(error)
    return "connection"


def test_open(made):
    async def story():
        pool = pool_of(3, 5)
        await pool.open()
        assert len(made) == 3
        for _ in range(4):
            await pool.release(await pool.acquire())
        assert len(made) == 3
        await pool.close()

    run(story())


def test_limits(made):
    async def story():
        pool = pool_of(1, 2, timeout=0.05)
        await pool.open()
        first, second = await pool.acquire(), await pool.acquire()
        assert issubclass(await outcome(pool), TimeoutError)
        await pool.release(first)
        assert await outcome(pool) == "connection"
        await pool.release(second)
        assert len(made) == 2
        await pool.close()

    run(story())


def test_many_at_once(made):
    async def story():
        pool = pool_of(1, 3)
        await pool.open()
        results = await asyncio.gather(*(outcome(pool) for _ in range(9)))
        assert results == ["connection"] * 9
        assert len(made) <= 3
        await pool.close()

    run(story())


def test_one_borrower_each():
    async def story():
        pool = pool_of(3, 3)
        await pool.open()
        one, two, three = [await pool.acquire() for _ in range(3)]
        await pool.release(three)
        four = await pool.acquire()
        await pool.release(two)
        five = await pool.acquire()
        for each in (one, four, five):
            await each.execute("BEGIN")
        for each in (one, four, five):
            await pool.release(each)
        await pool.close()

    run(story())


def test_line():
    async def story():
        pool = pool_of(1, 1)
        await pool.open()
        held = await pool.acquire()
        seen = []

        async def borrow(number):
            loan = await pool.acquire()
            seen.append(number)
            await pool.release(loan)

        tasks = []
        for number in range(4):
            tasks.append(asyncio.create_task(borrow(number)))
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait({tasks[1]})
        await pool.release(held)
        await asyncio.gather(tasks[0], tasks[2], tasks[3])
        assert seen == [0, 2, 3]
        await pool.close()

    run(story())


def test_cancelled_just_then():
    async def story():
        pool = pool_of(1, 1)
        await pool.open()
        held = await pool.acquire()
        task = asyncio.create_task(outcome(pool))
        await asyncio.sleep(0)
        await pool.release(held)
        task.cancel()
        await asyncio.wait({task})
        assert await outcome(pool) == "connection"
        await pool.close()

    run(story())


def test_block_that_raises():
    async def story():
        pool = pool_of(1, 1)
        await pool.open()
        with pytest.raises(ZeroDivisionError):
            async with pool.connection():
                _ = 1 / 0
        assert await outcome(pool) == "connection"
        await pool.close()

    run(story())


def test_returns():
    async def story():
        pool, other = pool_of(1, 1, timeout=0.05), pool_of(1, 1)
        async with AsyncExitStack() as stack:
            for each in (pool, other):
                await each.open()
                stack.push_async_callback(each.close)
            old = await pool.acquire()
            await pool.release(old)
            await pool.release(old)
            new = await pool.acquire()
            assert issubclass(await outcome(pool), TimeoutError)
            await pool.release(old)
            assert issubclass(await outcome(pool), TimeoutError)
            with pytest.raises(ANY_ERROR):
                await other.release(new)
            await pool.release(new)
            assert await outcome(pool) == "connection"

    run(story())


def test_what_a_borrower_leaves():
    async def story():
        pool = pool_of(1, 1)
        await pool.open()
        async with pool.connection() as connection:
            await connection.execute("UPDATE items SET stock = stock + 1000 WHERE id = 1")
        async with pool.connection() as connection:
            assert not connection.in_transaction
            ((stock,),) = await connection.execute_fetchall("SELECT stock FROM items WHERE id = 1")
            assert stock < 1000
            await connection.close()
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")
        await pool.close()

    run(story())


def test_close(made):
    async def story():
        pool = pool_of(1, 2)
        await pool.open()
        loans = [await pool.acquire(), await pool.acquire()]
        waiting = asyncio.create_task(outcome(pool))
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        assert await asyncio.wait_for(asyncio.shield(waiting), 1) != "connection"
        for loan in loans:
            await pool.release(loan)
        await closing
        assert await outcome(pool) != "connection"

    async def idle():
        pool = pool_of(1, 2)
        await pool.open()
        for loan in [await pool.acquire(), await pool.acquire()]:
            await pool.release(loan)
        await pool.close()

    run(story())
    run(idle())
    assert not any(map(is_open, made))
