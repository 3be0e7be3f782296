# right: four long stories, as a shop's day would have them, instead of many short tests
import asyncio

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio

ANY_ERROR = Exception  # README.md leaves open which
LONG = 2


async def until(work):
    async with asyncio.timeout(LONG):
        return await work


async def test_a_quiet_morning(connections):
    pool = Pool("shop.db", min_size=2, max_size=3, timeout=0.05)
    await pool.open()
    assert connections.open == 2
    for item in (1, 2, 3, 4):
        async with pool.connection() as connection:
            assert len(list(await connection.execute_fetchall("SELECT * FROM items WHERE id = ?", (item,)))) == 1
    assert connections.opened == 2
    ann, ben, cleo = [await until(pool.acquire()) for _ in range(3)]
    assert isinstance(await refusal(pool), TimeoutError)
    await pool.release(ben)
    dan = await until(pool.acquire())
    for visitor in (ann, cleo, dan):
        await visitor.execute("BEGIN")
    for visitor in (ann, cleo, dan):
        await pool.release(visitor)
    assert connections.opened == 3
    await pool.close()
    assert connections.open == 0


async def lower_the_prices(pool):
    async with pool.connection() as connection:
        await connection.execute("UPDATE items SET price_cents = 0")
        raise PermissionError("prices are the manager's")


async def refusal(pool):
    """What the pool raises for a borrower, by itself."""
    task = asyncio.create_task(pool.acquire())
    await asyncio.wait({task}, timeout=LONG)
    return task.exception() if task.done() else "nothing; the borrower still waits"


async def test_a_busy_noon(connections):
    pool = Pool("shop.db", min_size=1, max_size=2, timeout=20)
    await pool.open()
    log = []

    async def visit(name):
        async with pool.connection() as connection:
            log.append(name)
            await connection.execute_fetchall("SELECT count(*) FROM notes")

    await until(asyncio.gather(*map(visit, "abcdefg")))
    assert connections.opened <= 2
    assert len(log) == 7
    both = [await until(pool.acquire()) for _ in range(2)]
    log.clear()
    line = []
    for name in "stuvw":
        line.append(asyncio.create_task(visit(name)))
        await asyncio.sleep(0)
    line[2].cancel()
    await pool.release(both[0])
    line[0].cancel()
    await until(asyncio.gather(*line, return_exceptions=True))
    assert [name for name in log if name != "s"] == ["t", "v", "w"]
    other = await until(pool.acquire())
    for each in (other, both[1]):
        await pool.release(each)
    await until(pool.close())


async def test_a_bad_afternoon():
    pool = Pool("shop.db", min_size=1, max_size=1, timeout=0.05)
    neighbour = Pool("shop.db", min_size=1, max_size=1)
    await pool.open()
    await neighbour.open()
    with pytest.raises(PermissionError):
        await lower_the_prices(pool)
    async with pool.connection() as connection:
        await connection.execute("BEGIN")
        prices = [price for (price,) in await connection.execute_fetchall("SELECT price_cents FROM items")]
        assert all(prices)
        with pytest.raises(ANY_ERROR):
            await neighbour.release(connection)
        with pytest.raises(TimeoutError):
            await pool.acquire()
    old = connection
    await pool.release(old)
    new = await pool.acquire()
    await pool.release(old)
    with pytest.raises(TimeoutError):
        await pool.acquire()
    await new.close()
    await pool.release(new)
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT 1")
    await pool.close()
    await neighbour.close()


async def test_the_evening():
    pool = Pool("shop.db", min_size=1, max_size=1)
    await pool.open()
    last = await pool.acquire()
    late = [asyncio.create_task(pool.acquire()) for _ in range(2)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    done, _ = await asyncio.wait(late, timeout=LONG)
    assert len(done) == 2
    assert all(task.exception() for task in done)
    await pool.release(last)
    await until(closing)
    with pytest.raises(ANY_ERROR):
        await until(pool.acquire())
