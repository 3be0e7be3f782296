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
        # TODO: nobody looks at max_lifetime yet.
        self._max_lifetime = max_lifetime
        self._permits = asyncio.Semaphore(max_size)  # one for each borrower; those without one wait in line
        self._free: deque[aiosqlite.Connection] = deque()
        self._state = "not open yet"

    async def open(self) -> None:
        """Open `min_size` connections."""
        if self._state == "open":
            return
        if self._state == "closed":
            raise RuntimeError("a closed pool stays closed; make a new one")
        self._free.extend([await aiosqlite.connect(self._database) for _ in range(self._min_size)])
        self._state = "open"

    async def close(self) -> None:
        """Close what is free; `release` closes what comes back later."""
        self._state = "closed"
        while self._free:
            await self._free.popleft().close()

    async def acquire(self) -> aiosqlite.Connection:
        """Lend a connection: a free one, or a new one, or the first that comes back."""
        self._check_open()
        async with asyncio.timeout(self._timeout):
            await self._permits.acquire()
        try:
            self._check_open()  # it may have been closed during the wait
            # TODO: a free connection may be dead, or too old. Whoever borrows it finds out today.
            # With a permit in hand and nothing free, fewer than max_size are open.
            connection = self._free.popleft() if self._free else await aiosqlite.connect(self._database)
        except BaseException:
            self._permits.release()
            raise
        return Lent(self, connection)

    async def release(self, connection: aiosqlite.Connection) -> None:
        """Take a connection back, clean, and let the next borrower have it."""
        lent = connection
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("this connection is not of this pool")
        if lent.returned:
            return
        lent.returned = True
        try:
            # TODO: this may fail, and not only because the borrower closed the connection.
            await lent.rollback()
        except ValueError:
            await lent.close()  # closed by its borrower; whoever comes next opens another
        else:
            if self._state == "open":
                self._free.append(lent.connection)
            else:
                await lent.close()
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
