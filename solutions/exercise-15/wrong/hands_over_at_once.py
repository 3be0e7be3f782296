# misconception: hands-on-unchecked
# caught by: hands-on-no-dead-one
# fails too: leaves-the-lent-alone
# mistake: 41
"""A pool of connections to one SQLite database: whoever returns a connection hands it to the first who waits."""

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiosqlite


@dataclass(eq=False)
class Item:
    real: aiosqlite.Connection
    born: float


@dataclass(eq=False)
class Lease:
    owner: "Pool | None"
    item: Item

    def __getattr__(self, name: str) -> Any:
        return getattr(self.item.real, name)


class Pool:
    def __init__(
        self,
        database: str,
        *,
        min_size: int = 2,
        max_size: int = 4,
        timeout: float = 30.0,
        max_lifetime: float = 3600.0,
    ) -> None:
        if min_size < 1 or min_size > max_size:
            raise ValueError(f"min_size={min_size} and max_size={max_size} make no pool")
        self.database, self.timeout, self.max_lifetime = database, timeout, max_lifetime
        self.min_size, self.max_size = min_size, max_size
        self.free: deque[Item] = deque()
        self.waiters: deque[asyncio.Future[Item]] = deque()
        self.places = 0  # open, or about to be
        self.opened = False
        self.closings: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        if self.opened:
            return
        for _ in range(self.min_size):
            self.free.append(await self._connect())
        self.opened = True

    async def close(self) -> None:
        self.opened = False
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_exception(RuntimeError("the pool was closed"))
        while self.free:
            await self._discard(self.free.popleft())

    async def acquire(self) -> Any:
        if not self.opened:
            raise RuntimeError("the pool is closed")
        async with asyncio.timeout(self.timeout):
            while self.free:
                item = self.free.popleft()
                if time.monotonic() - item.born < self.max_lifetime and await self._works(item):
                    return Lease(self, item)
                await self._discard(item)
            if self.places < self.max_size:
                return Lease(self, await self._connect())
            waiter: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            return Lease(self, await waiter)

    async def release(self, connection: Any) -> None:
        if not isinstance(connection, Lease) or connection.owner not in (self, None):
            raise ValueError("not a connection of this pool")
        if connection.owner is None:
            return
        connection.owner = None
        item = connection.item
        try:
            await item.real.rollback()
        except (ValueError, aiosqlite.Error):
            await self._discard(item)
            if not self.waiters:
                return
            item = await self._connect()
        if not self.opened:
            await self._discard(item)
            return
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(item)
                return
        self.free.append(item)

    @asynccontextmanager
    async def connection(self):
        lease = await self.acquire()
        try:
            yield lease
        finally:
            await self.release(lease)

    async def _works(self, item: Item) -> bool:
        try:
            await asyncio.wait_for(item.real.execute("SELECT 1"), 1)
        except (TimeoutError, ValueError, aiosqlite.Error):
            return False
        except BaseException:
            asyncio.create_task(self._discard(item))
            raise
        return True

    async def _connect(self) -> Item:
        self.places += 1
        try:
            return Item(await aiosqlite.connect(self.database), time.monotonic())
        except BaseException:
            self.places -= 1
            raise

    async def _discard(self, item: Item) -> None:
        task = asyncio.create_task(item.real.close())
        self.closings.add(task)
        task.add_done_callback(self.closings.discard)
        try:
            await asyncio.wait((task,), timeout=1)
        finally:
            self.places -= 1
