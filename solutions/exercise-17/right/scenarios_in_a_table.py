# right: scenarios, each a function that is given a pool, in a table that one test goes through
import asyncio

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio

ANY_ERROR = Exception  # README.md leaves open which


def pool_with(low=1, high=1, timeout=15.0):
    return Pool("shop.db", min_size=low, max_size=high, timeout=timeout)


async def has_one(pool):
    """The pool can lend, within a second, what it has."""
    await pool.release(await asyncio.wait_for(pool.acquire(), 1))


async def has_none(pool):
    """The pool itself ends the wait of a borrower."""
    begin = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.acquire(), 2)
    assert asyncio.get_running_loop().time() - begin < 1.5


async def opens(pool, connections):
    assert connections.open == 2


async def reuses(pool, connections):
    for _ in range(6):
        await has_one(pool)
    assert connections.opened == 2


async def stops_at_the_most(pool, connections):
    held = [await pool.acquire() for _ in range(2)]
    await has_none(pool)
    for each in held:
        await pool.release(each)
    await has_one(pool)


async def serves_a_crowd(pool, connections):
    await asyncio.gather(*(has_one(pool) for _ in range(5)))
    assert connections.opened <= 3


async def tells_borrowers_apart(pool, connections):
    held = [await pool.acquire() for _ in range(2)]
    await pool.release(held.pop())
    held.append(await pool.acquire())
    for number, each in enumerate(held):
        await each.execute("CREATE TEMP TABLE mine AS SELECT ? AS number", (number,))
    for each in held:
        await each.execute("DROP TABLE mine")
        await pool.release(each)


async def keeps_the_order(pool, connections):
    held = await pool.acquire()
    line = []
    for _ in range(3):
        line.append(asyncio.create_task(pool.acquire()))
        await asyncio.sleep(0)
    await pool.release(held)
    while line:
        done, _ = await asyncio.wait(line, timeout=2, return_when=asyncio.FIRST_COMPLETED)
        assert done == {line[0]}
        await pool.release(line.pop(0).result())


async def forgets_who_gave_up(pool, connections):
    held = await pool.acquire()
    await has_none(pool)
    await pool.release(held)
    await has_one(pool)


async def forgets_who_was_cancelled(pool, connections):
    for moment in ("waiting", "served"):
        held = await pool.acquire()
        waiter = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        if moment == "served":
            await pool.release(held)
        waiter.cancel()
        (result,) = await asyncio.gather(waiter, return_exceptions=True)
        if not isinstance(result, BaseException):
            await pool.release(result)
        await pool.release(held)
        await has_one(pool)


async def survives_an_error(pool, connections):
    try:
        async with pool.connection():
            raise OSError("the visitor's own")
    except OSError:
        pass
    await has_one(pool)


async def counts_a_return_once(pool, connections):
    past = await pool.acquire()
    await pool.release(past)
    await pool.release(past)
    present = await pool.acquire()
    await has_none(pool)
    await pool.release(past)
    await has_none(pool)
    await pool.release(present)


async def knows_its_own(pool, connections):
    other = pool_with()
    await other.open()
    stranger = await other.acquire()
    with pytest.raises(ANY_ERROR):
        await pool.release(stranger)
    await other.release(stranger)
    await other.close()


async def cleans_up(pool, connections):
    held = await pool.acquire()
    await held.execute("DELETE FROM items")
    await pool.release(held)
    held = await pool.acquire()
    assert not held.in_transaction
    rows = list(await held.execute_fetchall("SELECT count(*) FROM items"))
    assert rows[0][0] == 4
    await held.close()
    await pool.release(held)
    async with pool.connection() as held:
        await held.execute_fetchall("SELECT 1")


async def closes_everything(pool, connections):
    for each in [await pool.acquire() for _ in range(4)]:
        await pool.release(each)
    await pool.close()
    assert connections.open == 0
    with pytest.raises(ANY_ERROR):
        await has_one(pool)


async def sends_home_who_waits(pool, connections):
    held = await pool.acquire()
    waiter = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    done, _ = await asyncio.wait({waiter}, timeout=1)
    await pool.release(held)
    await closing
    assert done
    assert waiter.exception()


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [
        (opens, {"low": 2, "high": 3}),
        (reuses, {"low": 2, "high": 3}),
        (stops_at_the_most, {"high": 2, "timeout": 0.03}),
        (serves_a_crowd, {"high": 3}),
        (tells_borrowers_apart, {"low": 2, "high": 2}),
        (keeps_the_order, {}),
        (forgets_who_gave_up, {"timeout": 0.03}),
        (forgets_who_was_cancelled, {}),
        (survives_an_error, {}),
        (counts_a_return_once, {"timeout": 0.03}),
        (knows_its_own, {}),
        (cleans_up, {}),
        (closes_everything, {"high": 4}),
        (sends_home_who_waits, {}),
    ],
)
async def test_scenario(scenario, settings, connections):
    pool = pool_with(**settings)
    await pool.open()
    await scenario(pool, connections)
    await asyncio.wait_for(pool.close(), 2)
