"""`aiosqlitepool` 1.0 behind the interface of exercises 12, 13 and 15. Nothing is added that it does not do itself."""

from contextlib import asynccontextmanager

import aiosqlite
from aiosqlitepool.pool import Pool as Inner


class Pool:
    def __init__(
        self, database, *, min_size=2, max_size=4, timeout=30.0, max_lifetime=3600.0, max_idle=600.0
    ):  # it has no minimum, and looks at no connection's age
        async def connect():
            return await aiosqlite.connect(database)

        self._inner = Inner(connect, pool_size=max_size, acquisition_timeout=timeout, idle_timeout=max_idle)
        self._lent = {}

    async def open(self):
        """It opens each connection when it is first needed."""

    async def close(self):
        await self._inner.close()

    async def acquire(self):
        lent = await self._inner.acquire()
        self._lent[id(lent.raw_connection)] = lent
        return lent.raw_connection

    async def release(self, connection):
        await self._inner.release(self._lent[id(connection)])

    @asynccontextmanager
    async def connection(self):
        # As its own `SQLiteConnectionPool.connection` does it.
        lent = await self._inner.acquire()
        try:
            yield lent.raw_connection
        finally:
            await self._inner.release(lent)
