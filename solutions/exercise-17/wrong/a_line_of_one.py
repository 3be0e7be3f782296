# misconception: misses-serves-the-last-first
# caught by: notices-serves-the-last-first
import asyncio
from dataclasses import dataclass, field

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio

ANY_ERROR = Exception  # README.md leaves open which


@dataclass
class Visitor:
    """Somebody with a task of their own, who borrows, keeps, and returns when they are asked to."""

    pool: Pool
    diary: list = field(default_factory=list)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def come(self):
        self.task = asyncio.create_task(self._live())
        return self

    async def _live(self):
        try:
            async with self.pool.connection() as self.connection:
                self.write("has one")
                await self.leave.wait()
        except (Exception, asyncio.CancelledError) as error:
            self.write(type(error))
        else:
            self.write("left")

    def write(self, line):
        self.diary.append(line)
        self.changed.set()

    async def until(self, line):
        async with asyncio.timeout(2):
            while not self.diary:
                self.changed.clear()
                await self.changed.wait()
        assert self.diary[0] == line or isinstance(line, type) and issubclass(self.diary[0], line), self.diary
        return self

    async def go(self):
        self.leave.set()
        await asyncio.wait({self.task}, timeout=2)
        return self.diary


async def shop(low, high, timeout=20.0):
    pool = Pool("shop.db", min_size=low, max_size=high, timeout=timeout)
    await pool.open()
    return pool


async def come_in_turn(pool, number):
    visitors = []
    for _ in range(number):
        visitors.append(Visitor(pool).come())
        await asyncio.sleep(0)
    return visitors


async def test_sizes(connections):
    pool = await shop(2, 3, timeout=0.05)
    assert connections.open == 2
    for _ in range(3):
        assert await (await Visitor(pool).come().until("has one")).go() == ["has one", "left"]
    assert connections.opened == 2
    inside = [await Visitor(pool).come().until("has one") for _ in range(3)]
    assert connections.opened == 3
    await Visitor(pool).come().until(TimeoutError)
    for visitor in inside:
        await visitor.go()
    await (await Visitor(pool).come().until("has one")).go()
    await pool.close()
    assert connections.open == 0
    diary = (await Visitor(pool).come().until(Exception)).diary
    assert diary != ["has one"]


async def test_all_at_once(connections):
    pool = await shop(1, 2)
    visitors = [Visitor(pool).come() for _ in range(6)]
    for visitor in visitors:
        visitor.leave.set()
    for visitor in visitors:
        await visitor.until("has one")
    await asyncio.gather(*(visitor.task for visitor in visitors))
    assert connections.opened <= 2
    await pool.close()


async def test_two_hold_two():
    pool = await shop(2, 2)
    ann, ben = [await Visitor(pool).come().until("has one") for _ in range(2)]
    await ben.go()
    cleo = await Visitor(pool).come().until("has one")
    await ann.connection.execute("BEGIN")
    assert not cleo.connection.in_transaction
    await ann.go()
    await cleo.go()
    await pool.close()


async def test_turns():
    pool = await shop(1, 1)
    inside = await Visitor(pool).come().until("has one")
    (first,) = await come_in_turn(pool, 1)
    await inside.go()
    await first.until("has one")
    await first.go()
    inside = await Visitor(pool).come().until("has one")
    (cancelled,) = await come_in_turn(pool, 1)
    cancelled.task.cancel()
    await cancelled.until(asyncio.CancelledError)
    await inside.go()
    await (await Visitor(pool).come().until("has one")).go()
    await pool.close()


async def test_cancelled_at_the_door():
    pool = await shop(1, 1)
    inside = await Visitor(pool).come().until("has one")
    (unlucky,) = await come_in_turn(pool, 1)
    await inside.go()
    unlucky.task.cancel()
    await unlucky.go()
    await (await Visitor(pool).come().until("has one")).go()
    await pool.close()


async def change_their_mind(pool):
    async with pool.connection() as connection:
        await connection.execute("INSERT INTO notes (id, text) VALUES (4711, 'never said')")
        raise RuntimeError("changed their mind")


async def test_bad_manners():
    pool, other = await shop(1, 1, timeout=0.05), await shop(1, 1)
    with pytest.raises(RuntimeError):
        await change_their_mind(pool)
    rude = await pool.acquire()
    assert not rude.in_transaction
    assert not list(await rude.execute_fetchall("SELECT * FROM notes WHERE id = 4711"))
    with pytest.raises(ANY_ERROR):
        await other.release(rude)
    await pool.release(rude)
    await pool.release(rude)
    polite = await Visitor(pool).come().until("has one")
    await Visitor(pool).come().until(TimeoutError)
    await pool.release(rude)
    await Visitor(pool).come().until(TimeoutError)
    await polite.connection.close()
    await polite.go()
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT 1")
    await pool.close()
    await other.close()


async def test_sent_home():
    pool = await shop(1, 1)
    inside = await Visitor(pool).come().until("has one")
    waiting = await come_in_turn(pool, 2)
    closing = asyncio.create_task(pool.close())
    for visitor in waiting:
        await visitor.until(Exception)
    await inside.go()
    await asyncio.wait_for(closing, 2)
