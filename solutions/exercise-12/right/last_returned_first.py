# right: an asyncio.LifoQueue lends what came back last; None in it is a place where a connection may be opened
import asyncio
from contextlib import asynccontextmanager

import aiosqlite


class Rented:
    """Only what a borrower needs of a connection, written out."""

    def __init__(self, renter, connection):
        self.renter = renter
        self.real = connection
        self.back = False

    def execute(self, sql, parameters=None):
        return self.real.execute(sql, parameters)

    def executemany(self, sql, parameters):
        return self.real.executemany(sql, parameters)

    async def commit(self):
        await self.real.commit()

    async def rollback(self):
        await self.real.rollback()

    async def close(self):
        await self.real.close()


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        if min_size <= 0:
            raise ValueError("min_size must be positive")
        if max_size < min_size:
            raise ValueError("max_size must not be below min_size")
        self._database = database
        self._min_size = min_size
        self._max_size = max_size
        self._timeout = timeout
        self._shelf = None
        self._closed = False

    async def open(self):
        if self._closed:
            raise RuntimeError("this pool was closed and is not opened again")
        if self._shelf is None:
            shelf = asyncio.LifoQueue()
            for _ in range(self._max_size - self._min_size):
                shelf.put_nowait(None)
            for _ in range(self._min_size):
                shelf.put_nowait(await aiosqlite.connect(self._database))
            self._shelf = shelf

    async def close(self):
        """Wait until everything is back on the shelf, but not for ever, and close it all."""
        if self._closed or self._shelf is None:
            return
        self._closed = True
        async with asyncio.timeout(self._timeout):
            for _ in range(self._max_size):
                connection = await self._shelf.get()
                if connection is not None:
                    await connection.close()

    async def acquire(self):
        if self._shelf is None or self._closed:
            raise RuntimeError("the pool is not open")
        # Whoever was woken a moment ago takes theirs first.
        await asyncio.sleep(0)
        connection = await asyncio.wait_for(self._shelf.get(), timeout=self._timeout)
        if connection is None:
            try:
                connection = await aiosqlite.connect(self._database)
            except BaseException:
                self._shelf.put_nowait(None)
                raise
        return Rented(self, connection)

    async def release(self, connection):
        if getattr(connection, "renter", None) is not self:
            raise ValueError("this was not rented here")
        if connection.back:
            return
        connection.back = True
        try:
            if connection.real.in_transaction:
                await connection.real.rollback()
        except Exception:
            # A closed connection has no `in_transaction`. Its place stays.
            await connection.real.close()
            self._shelf.put_nowait(None)
        else:
            self._shelf.put_nowait(connection.real)

    @asynccontextmanager
    async def connection(self):
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)
