# misconception: check-without-a-bound
# caught by: bounds-the-opening
"""A pool of connections to one SQLite database that outlives a restart of the database."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiosqlite

MOMENT = 1.0  # seconds that a connection has to answer a check, and to close


@dataclass(frozen=True)
class Kept:
    """A connection, and when it was opened."""

    connection: aiosqlite.Connection
    opened_at: float


class Lent:
    """One borrow of a connection. What is asked of it, it passes on to the connection."""

    def __init__(self, pool: "Pool", kept: Kept) -> None:
        self.pool = pool
        self.kept = kept
        self.returned = False

    def __getattr__(self, name: str):
        return getattr(self.kept.connection, name)


class Pool:
    """Lends at most `max_size` connections, none that is dead and none that is older than `max_lifetime`."""

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
        self._free: deque[Kept] = deque()
        self._closings: set[asyncio.Task[None]] = set()
        self._state = "not open yet"

    async def open(self) -> None:
        """Open `min_size` connections."""
        if self._state == "open":
            return
        if self._state == "closed":
            raise RuntimeError("a closed pool stays closed; make a new one")
        self._free.extend([await self._connect() for _ in range(self._min_size)])
        self._state = "open"

    async def close(self) -> None:
        """Close what is free; `release` closes what comes back later."""
        self._state = "closed"
        while self._free:
            self._close_soon(self._free.popleft())
        if self._closings:
            await asyncio.wait(self._closings, timeout=self._timeout)

    async def acquire(self) -> aiosqlite.Connection:
        """Lend a connection that works: a free one, or a new one, or the first that comes back."""
        self._check_open()
        async with asyncio.timeout(self._timeout):  # around the checks too
            await self._permits.acquire()
            try:
                self._check_open()  # it may have been closed during the wait
                kept = await self._sound_one()
            except BaseException:
                self._permits.release()
                raise
        if kept is None:
            try:
                kept = await self._connect()  # outside, since a connect that is cut off leaves its connection open
            except BaseException:
                self._permits.release()
                raise
        return Lent(self, kept)

    async def release(self, connection: aiosqlite.Connection) -> None:
        """Take a connection back, clean, and let the next borrower have it."""
        lent = connection
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("this connection is not of this pool")
        if lent.returned:
            return
        lent.returned = True
        try:
            await self._take_back(lent.kept)
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

    async def _connect(self) -> Kept:
        return Kept(await aiosqlite.connect(self._database), time.monotonic())

    async def _take_back(self, kept: Kept) -> None:
        try:
            await kept.connection.rollback()
        except (ValueError, aiosqlite.Error):
            await self._retire(kept)  # closed by its borrower, dead, or broken; whoever comes next opens another
            return
        except BaseException:
            self._close_soon(kept)
            raise
        if self._state == "open":
            self._free.append(kept)
        else:
            await self._retire(kept)

    async def _sound_one(self) -> Kept | None:
        """Return a free connection that is young and answers, if there is one; close those that fail."""
        while self._free:
            kept = self._free.popleft()
            try:
                if self._is_young(kept) and await self._answers(kept):
                    return kept
            except BaseException:
                self._close_soon(kept)  # the time was over in the middle of the check
                raise
            await self._retire(kept)
        return None

    def _is_young(self, kept: Kept) -> bool:
        return time.monotonic() - kept.opened_at < self._max_lifetime

    async def _answers(self, kept: Kept) -> bool:
        try:
            async with asyncio.timeout(MOMENT), kept.connection.execute("SELECT 1") as cursor:
                return await cursor.fetchone() is not None
        except (TimeoutError, ValueError, aiosqlite.Error):
            return False

    async def _retire(self, kept: Kept) -> None:
        """Close a connection before another takes its place, but do not wait long for one that hangs."""
        await asyncio.wait((self._close_soon(kept),), timeout=MOMENT)

    def _close_soon(self, kept: Kept) -> asyncio.Task[None]:
        """Close a connection in a task of its own: the close of one that hangs ends when it answers at last."""
        closing = asyncio.create_task(self._close(kept))
        self._closings.add(closing)  # asyncio itself may forget a task that nobody has
        closing.add_done_callback(self._closings.discard)
        return closing

    async def _close(self, kept: Kept) -> None:
        try:
            await kept.connection.close()
        except (ValueError, aiosqlite.Error):
            pass  # it was as closed as it can be
