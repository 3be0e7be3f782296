# misconception: loses-the-place
# caught by: a-refused-connect-frees-its-place
# fails too: waits-for-a-database-that-is-down, bounds-the-opening
"""A pool of connections to one SQLite database: a condition guards a list and a counter."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress

import aiosqlite


class Loan:
    """One borrow."""

    def __init__(self, pool, real, opened):
        self.pool = pool
        self.real = real
        self.opened = opened
        self.over = False

    def __getattr__(self, name):
        return getattr(self.real, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0, max_lifetime=3600.0):
        if min_size < 1:
            raise ValueError("min_size is at least 1")
        if max_size < min_size:
            raise ValueError("max_size is at least min_size")
        self._database = database
        self._min_size = min_size
        self._max_size = max_size
        self._timeout = timeout
        self._max_lifetime = max_lifetime
        self._changed = asyncio.Condition()
        self._free = []
        self._count = 0
        self._running = False
        self._leaving = set()

    async def open(self):
        if not self._running:
            for _ in range(self._min_size):
                self._free.append(await self._open_one())
            self._running = True

    async def close(self):
        self._running = False
        while self._free:
            await self._drop(self._free.pop()[0])
        async with self._changed:
            self._changed.notify_all()

    async def acquire(self):
        async with asyncio.timeout(self._timeout):
            async with self._changed:
                await self._changed.wait_for(lambda: not self._running or self._free or self._count < self._max_size)
                if not self._running:
                    raise RuntimeError("the pool is not open")
                found = self._free.pop(0) if self._free else None
                if found is None:
                    self._count += 1  # at once, so that nobody else takes the place
            if found is not None and not await self._fit(*found):
                await self._drop(found[0])
                self._count += 1
                found = None
            if found is None:
                found = await aiosqlite.connect(self._database), time.monotonic()
        return Loan(self, *found)

    async def release(self, connection):
        if not isinstance(connection, Loan) or connection.pool is not self:
            raise ValueError("that connection was not lent by this pool")
        if connection.over:
            return
        connection.over = True
        try:
            await connection.real.rollback()
            usable = self._running
        except (ValueError, aiosqlite.Error):
            usable = False
        if usable:
            self._free.append((connection.real, connection.opened))
        else:
            await self._drop(connection.real)
        async with self._changed:
            self._changed.notify()

    @asynccontextmanager
    async def connection(self):
        loan = await self.acquire()
        try:
            yield loan
        finally:
            await self.release(loan)

    async def _open_one(self):
        self._count += 1
        return await aiosqlite.connect(self._database), time.monotonic()

    async def _fit(self, real, opened):
        if time.monotonic() - opened >= self._max_lifetime:
            return False
        try:
            async with asyncio.timeout(1):
                await real.execute("SELECT 1")
        except (TimeoutError, ValueError, aiosqlite.Error):
            return False
        return True

    async def _drop(self, real):
        task = asyncio.create_task(real.close())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        await asyncio.wait((task,), timeout=1)
        self._count -= 1
