# misconception: lost-at-hand-over
# caught by: handed-over-then-cancelled
# fails too: cancelled-in-opening
# mistake: 33
"""A pool of connections to one SQLite database."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

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
        self._size = 0  # connections that are open, being opened or being closed
        self._opening = 0  # of these, how many are on their way to those who wait
        self._chores: set[asyncio.Task[None]] = set()

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
        """Send those who wait away, close what is free, and wait for what the pool is still doing by itself."""
        self._state = "closed"
        while self._line:
            self._refuse_first(RuntimeError("the pool was closed"))
        while self._free:
            await self._discard(self._free.popleft())
        while self._chores:
            await asyncio.wait(self._chores)

    async def acquire(self) -> aiosqlite.Connection:
        """Lend a connection: a free one, or a new one, or the first that comes back."""
        if self._state != "open":
            raise RuntimeError(f"the pool is {self._state}")
        if self._free:
            return Lent(self, self._free.popleft())
        waiter: asyncio.Future[aiosqlite.Connection] = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        self._grow()
        try:
            async with asyncio.timeout(self._timeout):
                return Lent(self, await waiter)
        except BaseException:  # cancelled, out of time, or refused
            self._leave(waiter)
            raise

    async def release(self, connection: aiosqlite.Connection) -> None:
        """Take a connection back, clean, and hand it to the first in line; goes on when the caller is cancelled."""
        lent = connection
        if not isinstance(lent, Lent) or lent.pool is not self:
            raise ValueError("this connection is not of this pool")
        if lent.returned:
            return
        lent.returned = True
        await asyncio.shield(self._start(self._take_back(lent.connection)))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend a connection for the length of an `async with`."""
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    # --- between two awaits nothing else runs: each of these is done at once ---

    def _leave(self, waiter: asyncio.Future[aiosqlite.Connection]) -> None:
        """Leave the line."""
        if waiter in self._line:
            self._line.remove(waiter)

    def _hand_on(self, connection: aiosqlite.Connection) -> None:
        """Give a connection to the first in line, or set it free."""
        if self._state == "closed":
            self._start(self._discard(connection))
            return
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():  # one that was cancelled a moment ago is still to leave
                waiter.set_result(connection)
                return
        self._free.append(connection)

    def _refuse_first(self, error: Exception) -> None:
        waiter = self._line.popleft()
        if not waiter.done():
            waiter.set_exception(error)

    def _grow(self) -> None:
        """Open a connection for each in line who has none coming, as far as `max_size` allows."""
        while self._opening < len(self._line) and self._size < self._max_size and self._state == "open":
            self._opening += 1
            self._size += 1
            self._start(self._open_another())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that goes on, whoever is cancelled; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task

    # --- run as chores ---

    async def _open_another(self) -> None:
        try:
            connection = await aiosqlite.connect(self._database)
        except Exception as error:  # whoever is first in line is told
            self._size -= 1
            if self._line:
                self._refuse_first(error)
        else:
            self._hand_on(connection)
        finally:
            self._opening -= 1

    async def _take_back(self, connection: aiosqlite.Connection) -> None:
        try:
            # Always, for a statement of a cancelled borrower may be running still, and this queues behind it.
            await connection.rollback()
        except (ValueError, aiosqlite.Error):  # its borrower closed it, or it is broken
            await self._discard(connection)
        else:
            self._hand_on(connection)

    async def _discard(self, connection: aiosqlite.Connection) -> None:
        try:
            await connection.close()
        finally:
            self._size -= 1
            self._grow()
