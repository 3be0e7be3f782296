# misconception: nobody-behind-who-gave-up
# caught by: passes-over-who-gave-up
import asyncio
from collections import deque
from contextlib import asynccontextmanager

import aiosqlite


class Lent:
    def __init__(self, pool, connection):
        self.pool, self.connection, self.returned = pool, connection, False

    def __getattr__(self, name):
        return getattr(self.connection, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        if not 1 <= min_size <= max_size:
            raise ValueError("1 <= min_size <= max_size")
        self._database, self._min, self._max, self._timeout = database, min_size, max_size, timeout
        self._free, self._line, self._size, self._state = deque(), deque(), 0, "new"

    async def open(self):
        if self._state == "open":
            return
        if self._state == "closed":
            raise RuntimeError("a closed pool stays closed")
        while len(self._free) < self._min:
            self._size += 1
            self._free.append(await aiosqlite.connect(self._database))
        self._state = "open"

    async def close(self):
        if self._state == "closed":
            return
        self._state = "closed"
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_exception(RuntimeError("closed"))
        while self._free:
            self._size -= 1
            await self._free.popleft().close()

    async def acquire(self):
        if self._state != "open":
            raise RuntimeError(f"the pool is {self._state}")
        if self._free:
            return Lent(self, self._free.popleft())
        if self._size < self._max:
            self._size += 1
            return Lent(self, await aiosqlite.connect(self._database))
        waiter = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        async with asyncio.timeout(self._timeout):
            connection = await waiter
        return Lent(self, connection)

    async def release(self, connection):
        if not isinstance(connection, Lent) or connection.pool is not self:
            raise ValueError("not of this pool")
        if connection.returned:
            return
        connection.returned = True
        raw = connection.connection
        try:
            await raw.rollback()
        except ValueError:
            if self._state == "closed":
                self._size -= 1
                return
            raw = await aiosqlite.connect(self._database)
        if self._state == "closed":
            self._size -= 1
            await raw.close()
            return
        self._hand_on(raw)

    def _hand_on(self, raw):
        waiter = self._line.popleft() if self._line else None
        if waiter is not None and not waiter.done():
            waiter.set_result(raw)
        else:
            self._free.append(raw)

    @asynccontextmanager
    async def connection(self):
        lent = await self.acquire()
        try:
            yield lent
        finally:
            await self.release(lent)
