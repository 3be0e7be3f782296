# misconception: free-for-all
# caught by: a-waiter-gets-the-replacement
"""A pool of connections to one SQLite database."""

import asyncio
from collections import deque
from contextlib import asynccontextmanager

import aiosqlite


class Lent:
    def __init__(self, pool, connection: aiosqlite.Connection) -> None:
        self.pool = pool
        self.connection = connection
        self.returned = False

    def __getattr__(self, name: str):
        return getattr(self.connection, name)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError("sizes")
        self._database = database
        self._min = min_size
        self._max = max_size
        self._timeout = timeout
        self._is_open = False
        self._was_closed = False
        self._free = deque()
        self._waiting = deque()
        self._count = 0

    async def open(self) -> None:
        if self._is_open:
            return
        if self._was_closed:
            raise RuntimeError("the pool was closed")
        self._is_open = True
        while self._count < self._min:
            self._count += 1
            try:
                self._give(await aiosqlite.connect(self._database))
            except BaseException:
                self._count -= 1
                raise

    async def close(self) -> None:
        self._is_open = False
        self._was_closed = True
        for future in self._waiting:
            if not future.done():
                future.set_exception(RuntimeError("the pool was closed"))
        self._waiting.clear()
        while self._free:
            await self._free.popleft().close()
            self._count -= 1

    def _give(self, connection):
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return
        self._free.append(connection)

    async def _connect(self):
        self._count += 1
        try:
            return await aiosqlite.connect(self._database)
        except BaseException:
            self._count -= 1
            raise

    async def acquire(self):
        if not self._is_open:
            raise RuntimeError("the pool is not open")
        if self._free:
            return Lent(self, self._free.popleft())
        if self._count < self._max:
            return Lent(self, await self._connect())
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(self._timeout):
                connection = await future
                if connection is None:
                    return await self.acquire()
        except TimeoutError:
            if future in self._waiting:
                self._waiting.remove(future)
            raise
        return Lent(self, connection)

    async def release(self, lent) -> None:
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("not of this pool")
        if lent.returned:
            return
        lent.returned = True
        connection = lent.connection
        try:
            await connection.rollback()
        except ValueError:
            self._count -= 1
            for f in list(self._waiting)[:1]:
                self._waiting.popleft()
                if not f.done():
                    f.set_result(None)
            return
        if self._is_open:
            self._give(connection)
        else:
            await connection.close()
            self._count -= 1

    @asynccontextmanager
    async def connection(self):
        lent = await self.acquire()
        try:
            yield lent
        finally:
            await self.release(lent)
