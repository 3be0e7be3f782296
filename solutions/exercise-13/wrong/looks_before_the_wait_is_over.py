# misconception: lost-at-hand-over
# caught by: handed-over-then-cancelled
# fails too: out-of-time
# mistake: 33
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
        self._line: deque[asyncio.Future[aiosqlite.Connection]] = deque()
        self._size = 0
        self._tasks: set[asyncio.Task] = set()

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
        while self._free:
            await self._free.popleft().close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def acquire(self) -> aiosqlite.Connection:
        if self._state != "open":
            raise RuntimeError(f"the pool is {self._state}")
        if self._free:
            connection = self._free.popleft()
        elif self._size < self._max_size:
            connection = await self._open_another()
        else:
            connection = await self._wait_in_line()
        return Lent(self, connection)

    async def release(self, connection: aiosqlite.Connection) -> None:
        lent = connection
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("this connection is not of this pool")
        if lent.returned:
            return
        lent.returned = True
        connection = lent.connection
        try:
            await connection.rollback()
        except (ValueError, aiosqlite.Error):
            self._size -= 1
            await connection.close()
            if self._state == "closed":
                return
            connection = await self._open_another()
        except BaseException:
            # The rollback goes on in the connection's thread, and what the next borrower runs queues behind it.
            self._hand_on(connection)
            raise
        self._hand_on(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosqlite.Connection]:
        connection = await self.acquire()
        try:
            yield connection
        except BaseException:
            await self.release(connection)
            raise
        await self.release(connection)

    async def _open_another(self) -> aiosqlite.Connection:
        self._size += 1
        opening = self._start(self._connect())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._opened_for_nobody)
            raise
        except BaseException:
            self._size -= 1
            raise

    async def _connect(self) -> aiosqlite.Connection:
        return await aiosqlite.connect(self._database)

    def _opened_for_nobody(self, opening: asyncio.Task) -> None:
        if opening.cancelled() or opening.exception():
            self._size -= 1
        else:
            self._hand_on(opening.result())

    async def _wait_in_line(self) -> aiosqlite.Connection:
        waiter: asyncio.Future[aiosqlite.Connection] = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            async with asyncio.timeout(self._timeout):
                return await waiter
        except BaseException:
            # Whoever hands on skips a waiter that is cancelled.
            waiter.cancel()
            raise

    def _hand_on(self, connection: aiosqlite.Connection) -> None:
        while self._line and self._line[0].done():
            self._line.popleft()
        if self._state == "closed":
            self._start(connection.close())
        elif self._line:
            self._line.popleft().set_result(connection)
        else:
            self._free.append(connection)

    def _start(self, work) -> asyncio.Task:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
