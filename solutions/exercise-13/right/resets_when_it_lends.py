# right: `release` awaits nothing at all; a connection is reset before it is lent again, with a finally around that
import asyncio
from contextlib import asynccontextmanager, suppress

import aiosqlite


class Turn:
    """A place in the pool, which a borrower has from the moment it may have a connection."""

    def __init__(self, pool):
        self.pool = pool
        self.real = None
        self.over = False

    def __getattr__(self, name):
        return getattr(self.real, name)

    def end(self):
        if not self.over:
            self.over = True
            if self.real is not None:
                self.pool._keep(self.real)
            self.pool._turns.release()


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        if not 0 < min_size <= max_size:
            raise ValueError("0 < min_size <= max_size")
        self._database, self._min_size, self._timeout = database, min_size, timeout
        self._turns = asyncio.Semaphore(max_size)
        self._idle = []
        self._background = set()
        self._ready = False

    async def open(self):
        while not self._ready and len(self._idle) < self._min_size:
            self._idle.append(await aiosqlite.connect(self._database))
        self._ready = True

    async def close(self):
        self._ready = False
        while self._idle:
            await self._idle.pop().close()
        while self._background:
            await asyncio.wait(self._background)

    async def acquire(self):
        if not self._ready:
            raise RuntimeError("open the pool first")
        async with asyncio.timeout(self._timeout):
            await self._turns.acquire()
        turn = Turn(self)
        opening = None
        try:
            while self._idle and turn.real is None:
                turn.real = self._idle.pop(0)
                try:
                    await turn.real.rollback()
                except (ValueError, aiosqlite.Error):  # closed, or broken
                    with suppress(ValueError, aiosqlite.Error):
                        await turn.real.close()
                    turn.real = None
            if turn.real is None:
                opening = self._do(self._fill(turn))
                await asyncio.shield(opening)
            return turn
        except BaseException:
            if opening is None or opening.done():
                turn.end()
            else:
                opening.add_done_callback(lambda _: turn.end())
            raise

    async def release(self, connection):
        if not isinstance(connection, Turn) or connection.pool is not self:
            raise ValueError("not borrowed here")
        connection.end()

    @asynccontextmanager
    async def connection(self):
        turn = await self.acquire()
        try:
            yield turn
        finally:
            turn.end()

    async def _fill(self, turn):
        turn.real = await aiosqlite.connect(self._database)

    def _keep(self, real):
        if self._ready:
            self._idle.append(real)
        else:
            self._do(real.close())

    def _do(self, work):
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
