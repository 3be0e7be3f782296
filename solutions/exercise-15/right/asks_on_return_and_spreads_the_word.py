# right: asks each connection when it comes back; one that is dead makes the pool replace all that were opened before
import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiosqlite


@dataclass(eq=False)
class Member:
    real: aiosqlite.Connection
    generation: int
    opened: float


@dataclass(eq=False)
class Lease:
    owner: "Pool | None"
    member: Member

    def __getattr__(self, name: str) -> Any:
        return getattr(self.member.real, name)


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
        if not 1 <= min_size <= max_size:
            raise ValueError("sizes")
        self.database = database
        self.min_size = min_size
        self.timeout = timeout
        self.max_lifetime = max_lifetime
        self.room = asyncio.BoundedSemaphore(max_size)
        self.idle: list[Member] = []
        self.generation = 0
        self.opened = False
        self.going: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        if not self.opened:
            self.idle = [await self._new() for _ in range(self.min_size)]
            self.opened = True

    async def close(self) -> None:
        self.opened = False
        while self.idle:
            await self._dismiss(self.idle.pop())

    async def acquire(self) -> Any:
        if not self.opened:
            raise RuntimeError("closed")
        async with asyncio.timeout(self.timeout):
            await self.room.acquire()
            try:
                while self.idle:
                    member = self.idle.pop(0)
                    if member.generation == self.generation and time.monotonic() - member.opened < self.max_lifetime:
                        return Lease(self, member)
                    await self._dismiss(member)
                return Lease(self, await self._new())
            except BaseException:
                self.room.release()
                raise

    async def release(self, lease: Any) -> None:
        if not isinstance(lease, Lease) or lease.owner not in (self, None):
            raise ValueError("of another pool")
        if lease.owner is None:
            return
        lease.owner = None
        member = lease.member
        try:
            async with asyncio.timeout(1):
                await member.real.rollback()
                await member.real.execute_fetchall("SELECT 1")
        except (ValueError, aiosqlite.Error, TimeoutError):
            # If this one is gone, the others are as well, or soon will be.
            if member.generation == self.generation:
                self.generation += 1
            await self._dismiss(member)
        else:
            if self.opened:
                self.idle.append(member)
            else:
                await self._dismiss(member)
        finally:
            self.room.release()

    @asynccontextmanager
    async def connection(self):
        lease = await self.acquire()
        try:
            yield lease
        finally:
            await self.release(lease)

    async def _new(self) -> Member:
        return Member(await aiosqlite.connect(self.database), self.generation, time.monotonic())

    async def _dismiss(self, member: Member) -> None:
        async def close() -> None:
            with suppress(ValueError, aiosqlite.Error):
                await member.real.close()

        task = asyncio.create_task(close())
        self.going.add(task)
        task.add_done_callback(self.going.discard)
        await asyncio.wait([task], timeout=1)
