# misconception: lost-at-hand-over
# caught by: out-of-time
"""A pool that survives cancellation."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite


class Lent:
    def __init__(self, pool: "Pool", connection: aiosqlite.Connection) -> None:
        self.pool = pool
        self.connection = connection
        self.returned = False

    def __getattr__(self, name: str):
        return getattr(self.connection, name)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if min_size < 1 or max_size < min_size:
            raise ValueError(f"sizes must be 1 <= min_size <= max_size, not {min_size} and {max_size}")
        self._database = database
        self._min_size = min_size
        self._max_size = max_size
        self._timeout = timeout
        self._state = "not open yet"
        self._free: deque[aiosqlite.Connection] = deque()
        self._line: deque[asyncio.Future] = deque()
        self._size = 0
        self._tasks: set[asyncio.Task] = set()

    def _start(self, work) -> asyncio.Task:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task):
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def open(self) -> None:
        if self._state == "open":
            return
        if self._state == "closed":
            raise RuntimeError("a closed pool stays closed; make a new one")
        while self._size < self._min_size:
            self._free.append(await aiosqlite.connect(self._database))
            self._size += 1
        self._state = "open"

    async def close(self) -> None:
        self._state = "closed"
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_exception(RuntimeError("the pool was closed"))
        await asyncio.shield(self._start(self._close_rest()))

    async def _close_rest(self):
        me = asyncio.current_task()
        while True:
            while self._free:
                await self._free.popleft().close()
                self._size -= 1
            others = [t for t in self._tasks if t is not me]
            if not others:
                return
            await asyncio.wait(others)

    async def acquire(self) -> aiosqlite.Connection:
        if self._state != "open":
            raise RuntimeError(f"the pool is {self._state}")
        if self._free:
            return Lent(self, self._free.popleft())
        waiter = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        if self._size < self._max_size:
            self._size += 1
            self._start(self._open_for_line())
            seconds = None
        else:
            seconds = self._timeout
        try:
            async with asyncio.timeout(seconds):
                connection = await waiter
        except asyncio.CancelledError:
            if waiter in self._line:
                self._line.remove(waiter)
            elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._put(waiter.result())
            raise
        return Lent(self, connection)

    async def _open_for_line(self):
        """The place in _size is taken already."""
        try:
            connection = await aiosqlite.connect(self._database)
        except BaseException as error:
            self._size -= 1
            while self._line:
                waiter = self._line.popleft()
                if not waiter.done():
                    waiter.set_exception(error if isinstance(error, Exception) else RuntimeError("opening failed"))
                    break
            raise
        self._put(connection)

    def _put(self, connection):
        if self._state == "closed":
            self._start(self._throw_away(connection))
            return
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._free.append(connection)

    async def _throw_away(self, connection):
        try:
            await connection.close()
        finally:
            self._size -= 1

    async def release(self, connection: aiosqlite.Connection) -> None:
        lent = connection
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("this connection is not of this pool")
        if lent.returned:
            return
        lent.returned = True
        await asyncio.shield(self._start(self._take_back(lent.connection)))

    async def _take_back(self, connection):
        try:
            await connection.rollback()
        except Exception:
            await self._throw_away(connection)
            if self._state == "open" and self._line:
                self._size += 1
                self._start(self._open_for_line())
            return
        if self._state == "closed":
            await self._throw_away(connection)
        else:
            self._put(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosqlite.Connection]:
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)
