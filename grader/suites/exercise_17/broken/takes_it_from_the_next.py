# Broken: takes a connection away from its new borrower when the old one returns it again.
from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiosqlite


class PoolTimeout(TimeoutError):
    pass


class PoolClosed(Exception):
    pass


@dataclass(eq=False)
class Loan:
    pool: Pool
    real: aiosqlite.Connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.real, name)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError(f"min_size={min_size} and max_size={max_size} make no pool")
        self.database = database
        self.sizes = (min_size, max_size)
        self.patience = timeout
        self.lending = False
        self.size = 0
        self.spare: deque[aiosqlite.Connection] = deque()
        self.out: set[aiosqlite.Connection] = set()
        self.line: deque[asyncio.Future[aiosqlite.Connection | None]] = deque()
        self.chores: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        if not self.lending:
            self.lending = True
            self.size += self.sizes[0]
            for _ in range(self.sizes[0]):
                self.spare.append(await aiosqlite.connect(self.database))

    async def close(self) -> None:
        self.lending = False
        while self.line:
            waiter = self.line.popleft()
            if not waiter.done():
                waiter.set_exception(PoolClosed("the pool was closed"))
        while self.spare:
            self.size -= 1
            await self.spare.popleft().close()
        while self.chores:
            await asyncio.wait(self.chores)

    async def acquire(self) -> Loan:
        if not self.lending:
            raise PoolClosed("the pool is not open")
        if self.spare:
            return self.lend(self.spare.popleft())
        if self.size < self.sizes[1]:
            self.size += 1
            return self.lend(await self.another())
        return self.lend(await self.wait() or await self.another())

    async def release(self, connection: Any) -> None:  # noqa: ANN401
        if not isinstance(connection, Loan):
            raise TypeError("this is no connection of a pool")
        if connection.pool is not self:
            raise LookupError("this connection is of another pool")
        real = connection.real
        if real in self.out:
            self.out.remove(real)
            await asyncio.shield(self.start(self.take_back(real)))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Loan]:
        loan = await self.acquire()
        try:
            yield loan
        finally:
            await self.release(loan)

    def lend(self, real: aiosqlite.Connection) -> Loan:
        self.out.add(real)
        return Loan(self, real)

    async def wait(self) -> aiosqlite.Connection | None:
        waiter: asyncio.Future[aiosqlite.Connection | None] = asyncio.get_running_loop().create_future()
        self.line.append(waiter)
        try:
            await asyncio.wait((waiter,), timeout=self.patience)
        except asyncio.CancelledError:
            if not waiter.done():
                self.line.remove(waiter)
            elif waiter.exception() is None:
                self.give(waiter.result())
            raise
        if not waiter.done():
            self.line.remove(waiter)
            raise PoolTimeout(f"nothing came back within {self.patience} s")
        return waiter.result()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.chores.add(task)
        task.add_done_callback(self.chores.discard)
        return task

    async def another(self) -> aiosqlite.Connection:
        opening: asyncio.Task[aiosqlite.Connection] = self.start(self.open_one())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self.start(self.put_away(opening))
            raise

    async def put_away(self, opening: asyncio.Task[aiosqlite.Connection]) -> None:
        with suppress(Exception):
            await self.take_back(await opening)

    async def open_one(self) -> aiosqlite.Connection:
        try:
            return await aiosqlite.connect(self.database)
        except BaseException:
            self.give(None)
            raise

    async def take_back(self, real: aiosqlite.Connection) -> None:
        left: aiosqlite.Connection | None = real
        try:
            await real.rollback()
        except ValueError:
            left = None
        if left is not None and not self.lending:
            await left.close()
            left = None
        self.give(left)

    def give(self, real: aiosqlite.Connection | None) -> None:
        if self.line:
            self.line.popleft().set_result(real)
        elif real is None:
            self.size -= 1
        else:
            self.spare.append(real)
