# right: `release` waits for nothing: a task that the pool keeps resets the connection and puts it into a queue
import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import aiosqlite


class Loan:
    def __init__(self, pool, connection):
        self.pool = pool
        self.real = connection

    def __getattr__(self, name):
        return getattr(self.real, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        for name, size, least in (("min_size", min_size, 1), ("max_size", max_size, min_size)):
            if size < least:
                raise ValueError(f"{name} is at least {least}")
        self._database, self._timeout = database, timeout
        self._min_size, self._max_size = min_size, max_size
        self._items = asyncio.Queue()  # connections; None stands for one that may be opened
        self._tasks = set()
        self._is_open = False

    async def open(self):
        if self._is_open:
            return
        for _ in range(self._min_size):
            self._items.put_nowait(await aiosqlite.connect(self._database))
        for _ in range(self._max_size - self._min_size):
            self._items.put_nowait(None)
        self._is_open = True

    async def close(self):
        self._is_open = False
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._items.empty():
            connection = self._items.get_nowait()
            if connection is not None:
                await connection.close()

    async def acquire(self):
        if not self._is_open:
            raise RuntimeError("not open")
        async with asyncio.timeout(self._timeout):
            connection = await self._items.get()
        if connection is None:
            opening = self._in_background(self._connect())
            try:
                connection = await asyncio.shield(opening)
            except asyncio.CancelledError:
                opening.add_done_callback(
                    lambda task: self._items.put_nowait(None if task.exception() else task.result())
                )
                raise
            except BaseException:
                self._items.put_nowait(None)
                raise
        return Loan(self, connection)

    async def release(self, connection):
        if not isinstance(connection, Loan) or connection.pool not in (self, None):
            raise ValueError("this is another pool's")
        if connection.pool is None:
            return
        connection.pool = None
        self._in_background(self._reset(connection.real))

    @asynccontextmanager
    async def connection(self):
        async with AsyncExitStack() as stack:
            loan = await self.acquire()
            stack.push_async_callback(self.release, loan)
            yield loan

    async def _connect(self):
        return await aiosqlite.connect(self._database)

    async def _reset(self, connection):
        item = None
        try:
            await connection.rollback()
            item = connection
        except Exception:
            await connection.close()
        finally:
            if self._is_open or item is None:
                self._items.put_nowait(item)
            else:
                await item.close()

    def _in_background(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
