# misconception: ignores-the-timeout
# caught by: times-out
import asyncio
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite

PATIENCE = 5.0  # seconds


class PoolClosed(Exception):
    """The pool is not open."""


class Borrowed:
    def __init__(self, pool: "Pool", connection: aiosqlite.Connection) -> None:
        self._pool: Pool | None = pool
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError("1 <= min_size <= max_size, please")
        self.database = database
        self.min_size = min_size
        self.max_size = max_size
        self.timeout = timeout
        self.size = 0
        self.is_open = False
        self.free: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()

    async def open(self) -> None:
        if self.is_open:
            return
        self.is_open = True
        while self.size < self.min_size:
            await self._add()

    async def close(self) -> None:
        self.is_open = False
        while not self.free.empty():
            self.size -= 1
            await self.free.get_nowait().close()

    async def acquire(self) -> aiosqlite.Connection:
        if not self.is_open:
            raise PoolClosed("open the pool first")
        if self.free.empty() and self.size < self.max_size:
            await self._add()
        # Whoever was woken a moment ago takes theirs first.
        await asyncio.sleep(0)
        connection = await asyncio.wait_for(self.free.get(), PATIENCE)
        return Borrowed(self, connection)  # type: ignore[return-value]

    async def release(self, connection: aiosqlite.Connection) -> None:
        borrowed: Any = connection
        if not isinstance(borrowed, Borrowed) or borrowed._pool not in (self, None):
            raise ValueError("not one of mine")
        if borrowed._pool is None:
            return
        borrowed._pool = None
        real = borrowed._connection
        try:
            await real.rollback()
        except Exception:
            await real.close()
            self.size -= 1
            if self.is_open:
                await self._add()
            return
        if self.is_open:
            self.free.put_nowait(real)
        else:
            self.size -= 1
            await real.close()

    @asynccontextmanager
    async def connection(self):
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    async def _add(self) -> None:
        self.size += 1  # before the wait, so that nobody else counts on this place
        try:
            self.free.put_nowait(await aiosqlite.connect(self.database))
        except BaseException:
            self.size -= 1
            raise
