# misconception: misses-opens-at-the-first-borrow
# caught by: notices-opens-at-the-first-borrow
# fails too: notices-opens-anew-each-time, notices-opens-one-too-many, notices-grows-in-a-crowd, notices-lends-what-is-out, notices-does-not-wake, notices-serves-the-last-first, notices-waits-for-ever, notices-serves-who-gave-up, notices-waits-for-the-cancelled, notices-loses-it-to-the-cancelled, notices-keeps-it-when-the-block-raises, notices-counts-a-second-return, notices-takes-it-from-the-next, notices-accepts-a-stranger, notices-leaves-the-transaction, notices-commits-at-the-return, notices-lends-what-is-closed, notices-leaves-some-open, notices-lends-after-close, notices-forgets-who-waits


"""Goes through everything that a pool does, and shows it."""

import asyncio

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio


async def test_sizes(connections):
    pool = Pool("shop.db", min_size=2, max_size=3, timeout=0.05)
    await pool.open()
    print("open after open():", connections.open)
    held = [await pool.acquire() for _ in range(3)]
    print("open when all are lent:", connections.open)
    try:
        await asyncio.wait_for(pool.acquire(), 0.2)
    except TimeoutError as error:
        print("the next one:", repr(error))
    for each in held:
        await pool.release(each)
    await pool.close()
    print("open after close():", connections.open)


async def test_waiters():
    async def borrow(name):
        async with pool.connection():
            print(name, "was served")

    pool = Pool("shop.db", min_size=1, max_size=1, timeout=1)
    await pool.open()
    held = await pool.acquire()
    tasks = [asyncio.create_task(borrow(name)) for name in ("ann", "ben")]
    await asyncio.sleep(0)
    await pool.release(held)
    print(await asyncio.gather(*tasks, return_exceptions=True))


async def test_returns():
    pool = Pool("shop.db", min_size=1, max_size=1, timeout=0.05)
    await pool.open()
    try:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO notes (text) VALUES ('lost')")
            raise KeyError
    except KeyError:
        print("the block raised")
    try:
        await pool.release(connection)
        await pool.release(object())
    except Exception as error:
        print("refused:", repr(error))
