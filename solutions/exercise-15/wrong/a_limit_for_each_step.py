# misconception: limits-add-up
# caught by: bounds-the-check
"""A pool of connections to one SQLite database that outlives a restart of the database."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite


class Lent:
    """One borrow of a connection. What is asked of it, it passes on to the connection."""

    def __init__(self, pool: "Pool", connection: aiosqlite.Connection) -> None:
        self.pool = pool
        self.connection = connection
        self.returned = False

    def __getattr__(self, name: str):
        return getattr(self.connection, name)


class Pool:
    """Lends at most `max_size` connections, and keeps those that come back."""

    def __init__(
        self,
        database: str,
        *,
        min_size: int = 2,
        max_size: int = 4,
        timeout: float = 30.0,
        max_lifetime: float = 3600.0,
    ) -> None:
        if min_size < 1 or max_size < min_size:
            raise ValueError(f"sizes must be 1 <= min_size <= max_size, not {min_size} and {max_size}")
        self._database = database
        self._min_size = min_size
        self._timeout = timeout
        self._max_lifetime = max_lifetime
        self._permits = asyncio.Semaphore(max_size)  # one for each borrower; those without one wait in line
        self._free: deque[aiosqlite.Connection] = deque()
        self._born: dict[aiosqlite.Connection, float] = {}
        self._tasks: set[asyncio.Task] = set()
        self._state = "not open yet"

    async def open(self) -> None:
        """Open `min_size` connections."""
        if self._state == "open":
            return
        if self._state == "closed":
            raise RuntimeError("a closed pool stays closed; make a new one")
        while len(self._free) < self._min_size:
            self._free.append(await self._connect())
        self._state = "open"

    async def close(self) -> None:
        """Close what is free; `release` closes what comes back later."""
        self._state = "closed"
        while self._free:
            await self._throw_away(self._free.popleft())
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=self._timeout)

    async def acquire(self) -> aiosqlite.Connection:
        """Lend a connection: a free one, or a new one, or the first that comes back."""
        self._check_open()
        async with asyncio.timeout(self._timeout):
            await self._permits.acquire()
        try:
            self._check_open()  # it may have been closed during the wait
            async with asyncio.timeout(self._timeout):
                connection = await self._find()
        except BaseException:
            self._permits.release()
            raise
        return Lent(self, connection)

    async def _find(self) -> aiosqlite.Connection:
        while self._free:
            connection = self._free.popleft()
            try:
                if await self._is_well(connection):
                    return connection
            except BaseException:
                self._aside(connection)
                raise
            await self._throw_away(connection)
        return await self._connect()

    async def _is_well(self, connection) -> bool:
        if time.monotonic() - self._born[connection] > self._max_lifetime:
            return False
        try:
            await connection.execute_fetchall("SELECT 1")
        except Exception:
            return False
        return True

    async def _connect(self) -> aiosqlite.Connection:
        task = self._keep(self._really_connect())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._nobody_wants)
            raise

    async def _really_connect(self):
        connection = await aiosqlite.connect(self._database)
        self._born[connection] = time.monotonic()
        return connection

    def _nobody_wants(self, task) -> None:
        if not task.cancelled() and task.exception() is None:
            self._aside(task.result())

    def _keep(self, work) -> asyncio.Task:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _aside(self, connection) -> asyncio.Task:
        self._born.pop(connection, None)
        return self._keep(self._close(connection))

    async def _close(self, connection):
        try:
            await connection.close()
        except Exception:
            pass

    async def _throw_away(self, connection) -> None:
        await asyncio.wait({self._aside(connection)}, timeout=1)

    async def release(self, connection: aiosqlite.Connection) -> None:
        """Take a connection back, clean, and let the next borrower have it."""
        lent = connection
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("this connection is not of this pool")
        if lent.returned:
            return
        lent.returned = True
        try:
            await lent.rollback()
        except Exception:
            await self._throw_away(lent.connection)
        else:
            if self._state == "open":
                self._free.append(lent.connection)
            else:
                await self._throw_away(lent.connection)
        finally:
            self._permits.release()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend a connection for the length of an `async with`."""
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    def _check_open(self) -> None:
        if self._state != "open":
            raise RuntimeError(f"the pool is {self._state}")
