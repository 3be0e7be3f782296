# misconception: opened-for-nobody
# caught by: cancelled-in-opening
import asyncio
from contextlib import asynccontextmanager

import aiosqlite


class Handle:
    """One borrow."""

    def __init__(self, pool, connection):
        self._pool = pool
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        if min_size < 1 or min_size > max_size:
            raise ValueError(f"no pool has min_size={min_size} and max_size={max_size}")
        self._database = database
        self._min_size = min_size
        self._timeout = timeout
        self._turns = asyncio.Semaphore(max_size)
        self._shelf = []
        self._open = False
        self._returned = set()
        self._work = set()

    async def open(self):
        if not self._open:
            for _ in range(self._min_size):
                self._shelf.append(await aiosqlite.connect(self._database))
            self._open = True

    async def close(self):
        self._open = False
        while self._shelf or self._work:
            if self._shelf:
                await self._shelf.pop().close()
            else:
                await asyncio.wait(self._work)

    async def acquire(self):
        if not self._open:
            raise RuntimeError("the pool is not open")
        async with asyncio.timeout(self._timeout):
            await self._turns.acquire()
        try:
            if not self._open:
                raise RuntimeError("the pool was closed")
            return Handle(self, self._shelf.pop(0) if self._shelf else await aiosqlite.connect(self._database))
        except BaseException:
            self._turns.release()
            raise

    async def release(self, connection):
        if not isinstance(connection, Handle) or connection._pool is not self:
            raise TypeError("that is not from here")
        if connection in self._returned:
            return
        self._returned.add(connection)
        usable = True
        try:
            await connection.rollback()
        except (ValueError, aiosqlite.Error):
            usable = False
            await connection._connection.close()
        finally:
            if usable:
                self._put(connection._connection)
            self._turns.release()

    @asynccontextmanager
    async def connection(self):
        handle = await self.acquire()
        try:
            yield handle
        finally:
            await self.release(handle)

    def _put(self, connection):
        if self._open:
            self._shelf.append(connection)
        else:
            self._begin(connection.close())

    def _begin(self, coroutine):
        task = asyncio.create_task(coroutine)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task
