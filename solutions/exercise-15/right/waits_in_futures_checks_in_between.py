# right: futures in a line; a clerk task fetches a connection for each borrower, and checks it on the way
import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager

import aiosqlite


class Pass:
    def __init__(self, pool, real, born):
        self.pool, self.real, self.born, self.done = pool, real, born, False

    def __getattr__(self, name):
        return getattr(self.real, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0, max_lifetime=3600.0):
        if min_size < 1:
            raise ValueError("min_size")
        if max_size < min_size:
            raise ValueError("max_size")
        self.database, self.min_size, self.max_size = database, min_size, max_size
        self.timeout, self.max_lifetime = timeout, max_lifetime
        self.stock = deque()  # (connection, when it was opened)
        self.line = deque()
        self.out = 0  # lent, or being made ready for somebody
        self.running = False
        self.tasks = set()

    async def open(self):
        if self.running:
            return
        for _ in range(self.min_size):
            self.stock.append((await aiosqlite.connect(self.database), time.monotonic()))
        self.running = True

    async def close(self):
        self.running = False
        while self.line:
            waiter = self.line.popleft()
            if not waiter.done():
                waiter.set_exception(RuntimeError("the pool was closed"))
        while self.stock:
            self._spawn(self._close(self.stock.popleft()[0]))
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=3)

    async def acquire(self):
        if not self.running:
            raise RuntimeError("the pool is closed")
        waiter = asyncio.get_running_loop().create_future()
        self.line.append(waiter)
        self._serve()
        try:
            await asyncio.wait_for(asyncio.shield(waiter), self.timeout)
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                await self.release(waiter.result())
            waiter.cancel()
            raise
        return waiter.result()

    async def release(self, connection):
        if not isinstance(connection, Pass) or connection.pool is not self:
            raise ValueError("not mine")
        if connection.done:
            return
        connection.done = True
        try:
            await connection.real.rollback()
        except (ValueError, aiosqlite.Error):
            await asyncio.wait((self._spawn(self._close(connection.real)),), timeout=1)
        else:
            if self.running:
                self.stock.append((connection.real, connection.born))
            else:
                await self._close(connection.real)
        self.out -= 1
        self._serve()

    @asynccontextmanager
    async def connection(self):
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    def _serve(self):
        """Set a clerk to work for everybody in line for whom there is room."""
        while self.line and self.out < self.max_size:
            waiter = self.line.popleft()
            if not waiter.done():
                self.out += 1
                self._spawn(self._fetch(waiter))

    async def _fetch(self, waiter):
        try:
            real, born = await self._good_one()
        except Exception as error:
            self.out -= 1
            if not waiter.done():
                waiter.set_exception(error)
            self._serve()
            return
        if waiter.done():  # they left meanwhile
            self.out -= 1
            self.stock.append((real, born))
            self._serve()
        else:
            waiter.set_result(Pass(self, real, born))

    async def _good_one(self):
        while self.stock:
            real, born = self.stock.popleft()
            if time.monotonic() < born + self.max_lifetime:
                try:
                    await asyncio.wait_for(real.execute("SELECT 1"), min(5, self.timeout / 2))
                    return real, born
                except (ValueError, TimeoutError, aiosqlite.Error):
                    pass
            await asyncio.wait((self._spawn(self._close(real)),), timeout=1)
        return await aiosqlite.connect(self.database), time.monotonic()

    async def _close(self, real):
        try:
            await real.close()
        except (ValueError, aiosqlite.Error):
            pass

    def _spawn(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
