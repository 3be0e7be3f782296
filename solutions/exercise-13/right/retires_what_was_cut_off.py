# right: a connection whose return was cut off is closed, and another is opened in its place
import asyncio
from collections import deque
from contextlib import asynccontextmanager

import aiosqlite


class Lease:
    owner = None

    def __init__(self, owner, real):
        self.owner = owner
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        if min_size < 1 or max_size < min_size:
            raise ValueError("sizes")
        self.database, self.timeout = database, timeout
        self.min_size, self.max_size = min_size, max_size
        self.free, self.waiters = deque(), deque()
        self.places = 0
        self.opened = False
        self.jobs = set()

    async def open(self):
        if self.opened:
            return
        for _ in range(self.min_size):
            self.free.append(await aiosqlite.connect(self.database))
            self.places += 1
        self.opened = True

    async def close(self):
        self.opened = False
        for waiter in list(self.waiters):
            if not waiter.done():
                waiter.set_exception(RuntimeError("the pool was closed"))
        for real in list(self.free):
            self.free.remove(real)
            await self._retire(real)
        while self.jobs:
            await asyncio.wait(self.jobs)

    async def acquire(self):
        if not self.opened:
            raise RuntimeError("the pool is closed")
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        self._serve()
        real = None
        try:
            async with asyncio.timeout(self.timeout):
                real = await waiter
        finally:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            if real is None and waiter.done() and not waiter.cancelled() and not waiter.exception():
                self.free.append(waiter.result())
                self._serve()
        return Lease(self, real)

    async def release(self, connection):
        if not isinstance(connection, Lease):
            raise TypeError("not a connection of a pool")
        if connection.owner is None:
            return
        if connection.owner is not self:
            raise ValueError("a connection of another pool")
        connection.owner = None
        clean = False
        try:
            await connection.real.rollback()
            clean = True
        except (ValueError, aiosqlite.Error):
            pass
        finally:
            if clean and self.opened:
                self.free.append(connection.real)
                self._serve()
            else:
                self._job(self._retire(connection.real))

    def connection(self):
        return self._block()

    @asynccontextmanager
    async def _block(self):
        lease = await self.acquire()
        try:
            yield lease
        finally:
            await self.release(lease)

    def _serve(self):
        """Give what is free to those who wait, and open what may be opened for the others."""
        waiting = [waiter for waiter in self.waiters if not waiter.done()]
        while self.free and waiting:
            waiter = waiting.pop(0)
            self.waiters.remove(waiter)
            waiter.set_result(self.free.popleft())
        for _ in waiting:
            if self.opened and self.places < self.max_size:
                self.places += 1
                self._job(self._open_one())

    async def _open_one(self):
        try:
            self.free.append(await aiosqlite.connect(self.database))
        except Exception:
            self.places -= 1
            raise
        if not self.opened:
            await self._retire(self.free.pop())
        self._serve()

    async def _retire(self, real):
        try:
            await real.close()
        finally:
            self.places -= 1
            if self.opened:
                self._serve()

    def _job(self, work):
        job = asyncio.get_running_loop().create_task(work)
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)
