# misconception: finds-no-tests
# caught by: accepts-permits
# fails too: accepts-line, accepts-tickets, accepts-inspected
import asyncio
from contextlib import suppress

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio

ANY_ERROR = Exception  # README.md leaves open which


@pytest.fixture
async def make_pool():
    pools = []

    async def make(**settings) -> Pool:
        pools.append(Pool("shop.db", **{"min_size": 1, "max_size": 1, "timeout": 10, **settings}))
        await pools[-1].open()
        return pools[-1]

    yield make
    for pool in pools:
        async with asyncio.timeout(2):
            await pool.close()


async def ask(connection, sql="SELECT count(*) FROM items"):
    return list(await connection.execute_fetchall(sql))[0][0]


class SizeTests:
    async def test_starts_with_the_least(self, make_pool, connections):
        await make_pool(min_size=3, max_size=4)
        assert (connections.opened, connections.open) == (3, 3)

    async def test_keeps_what_it_has(self, make_pool, connections):
        pool = await make_pool()
        for _ in range(3):
            async with pool.connection() as connection:
                assert await ask(connection) > 0
        assert connections.opened == 1

    async def test_ends_with_the_most(self, make_pool, connections):
        pool = await make_pool(max_size=2, timeout=0.02)
        async with pool.connection(), pool.connection():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2) as limit, pool.connection():
                    pass
            assert not limit.expired()
        assert connections.opened == 2

    async def test_a_rush(self, make_pool, connections):
        async def visit():
            async with pool.connection() as connection:
                await ask(connection)

        pool = await make_pool(max_size=2)
        async with asyncio.timeout(2), asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(visit())
        assert connections.opened <= 2


class BorrowerTests:
    async def test_do_not_share(self, make_pool):
        pool = await make_pool(min_size=2, max_size=2)
        keeper, leaver = await pool.acquire(), await pool.acquire()
        for _ in range(3):
            await pool.release(leaver)
            leaver = await pool.acquire()
            await keeper.execute("BEGIN")
            assert not leaver.in_transaction
            await keeper.rollback()
        await pool.release(keeper)
        await pool.release(leaver)

    async def test_queue(self, make_pool):
        order = asyncio.Queue()

        async def visit(name):
            async with pool.connection():
                await order.put(name)

        pool = await make_pool()
        async with asyncio.timeout(2), asyncio.TaskGroup() as group:
            async with pool.connection():
                for name in "abc":
                    group.create_task(visit(name))
                    await asyncio.sleep(0)
        assert [order.get_nowait() for _ in "abc"] == list("abc")

    async def test_give_up(self, make_pool):
        pool = await make_pool(timeout=0.02)
        loan = await pool.acquire()
        for _ in range(2):
            attempt = asyncio.create_task(pool.acquire())
            done, _ = await asyncio.wait({attempt}, timeout=2)
            assert done
            assert isinstance(attempt.exception(), TimeoutError)
        await pool.release(loan)
        async with asyncio.timeout(2):
            await pool.release(await pool.acquire())

    @pytest.mark.parametrize("returned_first", [False, True])
    async def test_go_away(self, make_pool, returned_first):
        pool = await make_pool()
        loan = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        if returned_first:
            await pool.release(loan)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await pool.release(await waiting)
        await pool.release(loan)
        async with asyncio.timeout(2):
            await pool.release(await pool.acquire())


class ReturnTests:
    async def test_after_an_error(self, make_pool):
        pool = await make_pool()
        with pytest.raises(LookupError):
            async with pool.connection():
                raise LookupError
        async with asyncio.timeout(2), pool.connection():
            pass

    async def test_count_once(self, make_pool):
        pool = await make_pool(timeout=0.02)
        before = await pool.acquire()
        await pool.release(before)
        await pool.release(before)
        async with pool.connection():
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await pool.acquire()
                await pool.release(before)

    async def test_only_of_its_own(self, make_pool):
        pool, other = await make_pool(), await make_pool()
        loan = await pool.acquire()
        try:
            await other.release(loan)
        except Exception:
            refused = True
        else:
            refused = False
        await pool.release(loan)
        assert refused

    async def test_leave_nothing_behind(self, make_pool):
        pool = await make_pool()
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO notes (id, text) VALUES (77, 'unfinished')")
        async with pool.connection() as connection:
            assert await ask(connection, "SELECT count(*) FROM notes WHERE id = 77") == 0
            await connection.execute("BEGIN")  # refused where a transaction is open

    async def test_a_dead_one_is_replaced(self, make_pool):
        pool = await make_pool()
        async with pool.connection() as connection:
            await connection.close()
        async with asyncio.timeout(2), pool.connection() as connection:
            assert await ask(connection) > 0


class ClosingTests:
    async def test_leaves_nothing_open(self, make_pool, connections):
        pool = await make_pool(max_size=2)
        async with pool.connection(), pool.connection():
            pass
        await pool.close()
        assert connections.open == 0

    async def test_ends_lending(self, make_pool):
        pool = await make_pool()
        await pool.close()
        with pytest.raises(ANY_ERROR) as caught:
            await pool.acquire()
        assert not isinstance(caught.value, TimeoutError)

    async def test_ends_waiting(self, make_pool):
        pool = await make_pool()
        loan = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        with pytest.raises(ANY_ERROR):
            async with asyncio.timeout(2) as limit:
                await waiting
        assert not limit.expired()
        await pool.release(loan)
        await closing
