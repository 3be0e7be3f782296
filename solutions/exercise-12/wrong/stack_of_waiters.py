# misconception: newest-first
# caught by: first-come-first-served
import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiosqlite


@dataclass(eq=False)
class Lease:
    owner: "Pool | None"
    real: aiosqlite.Connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if min_size < 1 or min_size > max_size:
            raise ValueError(f"min_size={min_size} and max_size={max_size} make no pool")
        self.database, self.timeout = database, timeout
        self.min_size, self.max_size = min_size, max_size
        self.free: deque[aiosqlite.Connection] = deque()
        self.waiters: list[asyncio.Future[aiosqlite.Connection]] = []
        self.places = 0  # open, or about to be
        self.opened = False

    async def open(self) -> None:
        if self.opened:
            return
        self.places += self.min_size
        fresh = await asyncio.gather(*(self._connect() for _ in range(self.min_size)))
        self.free.extend(fresh)
        self.opened = True

    async def close(self) -> None:
        self.opened = False
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(RuntimeError("the pool was closed"))
        self.waiters.clear()
        going = list(self.free)
        self.free.clear()
        for connection in going:
            await self._discard(connection)

    async def acquire(self) -> Any:
        if not self.opened:
            raise RuntimeError("the pool is closed")
        if self.free:
            return Lease(self, self.free.popleft())
        if self.places < self.max_size:
            self.places += 1
            try:
                return Lease(self, await self._connect())
            except BaseException:
                self.places -= 1
                raise
        waiter: asyncio.Future[aiosqlite.Connection] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return Lease(self, await asyncio.wait_for(waiter, self.timeout))

    async def release(self, connection: Any) -> None:
        if not isinstance(connection, Lease):
            raise TypeError("not a connection of a pool")
        if connection.owner is None:
            return
        if connection.owner is not self:
            raise ValueError("a connection of another pool")
        connection.owner = None
        real = connection.real
        try:
            await real.rollback()
        except ValueError:  # aiosqlite says so of a closed one
            self.places -= 1
            if not self.waiters or not self.opened:
                return
            self.places += 1
            real = await self._connect()
        if not self.opened:
            await self._discard(real)
        else:
            self._give(real)

    def _give(self, real: aiosqlite.Connection) -> None:
        while self.waiters:
            waiter = self.waiters.pop()
            if not waiter.done():
                waiter.set_result(real)
                return
        self.free.append(real)

    async def _connect(self) -> aiosqlite.Connection:
        return await aiosqlite.connect(self.database)

    async def _discard(self, real: aiosqlite.Connection) -> None:
        self.places -= 1
        await real.close()

    @asynccontextmanager
    async def connection(self):
        lease = await self.acquire()
        try:
            yield lease
        finally:
            await self.release(lease)
