"""A pool of connections to one SQLite database. `app.py` lets you work it by hand: `uvicorn app:app`."""

import asyncio
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
    """Lends at most `max_size` connections. Those who find none wait in line."""

    # TODO: it is right as long as nobody is cancelled. Go through it await by await, and ask of each: when
    # CancelledError comes out here, who has the connection?

    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if min_size < 1 or max_size < min_size:
            raise ValueError(f"sizes must be 1 <= min_size <= max_size, not {min_size} and {max_size}")
        self._database = database
        self._min_size = min_size
        self._max_size = max_size
        self._timeout = timeout
        self._state = "not open yet"
        self._free: deque[aiosqlite.Connection] = deque()
        self._line: deque[asyncio.Future[aiosqlite.Connection]] = deque()  # those who wait, the first one first
        self._size = 0  # connections that are open or being opened

    async def open(self) -> None:
        """Open `min_size` connections."""
        if self._state == "open":
            return
        if self._state == "closed":
            raise RuntimeError("a closed pool stays closed; make a new one")
        while self._size < self._min_size:
            self._free.append(await aiosqlite.connect(self._database))
            self._size += 1
        self._state = "open"

    async def close(self) -> None:
        """Send those who wait away and close what is free; `release` closes what comes back later."""
        self._state = "closed"
        while self._line:
            self._line.popleft().set_exception(RuntimeError("the pool was closed"))
        while self._free:
            await self._free.popleft().close()

    async def acquire(self) -> aiosqlite.Connection:
        """Lend a connection: a free one, or a new one, or the first that comes back."""
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
        """Take a connection back, clean, and hand it to the first in line."""
        lent = connection
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("this connection is not of this pool")
        if lent.returned:
            return
        lent.returned = True
        connection = lent.connection
        try:
            await connection.rollback()
        except (ValueError, aiosqlite.Error):  # its borrower closed it, or it is broken
            await connection.close()
            self._size -= 1
            if self._state == "closed":
                return
            connection = await self._open_another()
        await self._hand_on(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend a connection for the length of an `async with`."""
        connection = await self.acquire()
        try:
            yield connection
        except Exception:
            await self.release(connection)
            raise
        else:
            await self.release(connection)

    async def _open_another(self) -> aiosqlite.Connection:
        self._size += 1  # before the wait, so that nobody else counts on this place
        try:
            return await aiosqlite.connect(self._database)
        except Exception:
            self._size -= 1
            raise

    async def _wait_in_line(self) -> aiosqlite.Connection:
        waiter: asyncio.Future[aiosqlite.Connection] = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            async with asyncio.timeout(self._timeout):
                return await waiter
        except TimeoutError:
            self._line.remove(waiter)
            raise

    async def _hand_on(self, connection: aiosqlite.Connection) -> None:
        """Give a connection to the first in line, or set it free."""
        if self._state == "closed":
            await connection.close()
        elif self._line:
            self._line.popleft().set_result(connection)
        else:
            self._free.append(connection)
