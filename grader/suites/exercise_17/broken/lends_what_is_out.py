# Broken: lends a connection that another borrower still holds.
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiosqlite


class Loan:
    def __init__(self, owner: Pool, real: aiosqlite.Connection) -> None:
        self.owner = owner
        self.real = real
        self.returned = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.real, name)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError(f"min_size={min_size} and max_size={max_size} make no pool")
        self._database = database
        self._min_size = min_size
        self._timeout = timeout
        self._permits = asyncio.Semaphore(max_size)
        self._all: list[aiosqlite.Connection] = []
        self._places = min_size
        self._next = 0
        self._lent = 0
        self._queued = 0
        self._chores: set[asyncio.Task[Any]] = set()
        self._state = "not open yet"

    async def open(self) -> None:
        if self._state == "closed":
            raise RuntimeError("a closed pool stays closed")
        if self._state == "open":
            return
        self._state = "open"
        for _ in range(self._min_size):
            self._all.append(await aiosqlite.connect(self._database))

    async def close(self) -> None:
        self._state = "closed"
        # Each of those in line gets a permit, and with it sees that there is nothing more to get.
        for _ in range(self._queued):
            self._permits.release()
        if not self._lent:
            await self._close_all()
        await self._finish()

    async def acquire(self) -> Loan:
        self._check_open()
        await self._permit()
        if self._state != "open":
            self._permits.release()
            self._check_open()
        picking = self._start(self._pick())
        try:
            return Loan(self, await asyncio.shield(picking))
        except asyncio.CancelledError:
            self._start(self._put_away(picking))
            raise

    async def release(self, connection: Any) -> None:  # noqa: ANN401
        if not isinstance(connection, Loan) or connection.owner is not self:
            raise ValueError("this connection was not lent by this pool")
        if not connection.returned:
            connection.returned = True
            await asyncio.shield(self._start(self._take_back(connection.real)))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Loan]:
        loan = await self.acquire()
        try:
            yield loan
        finally:
            await self.release(loan)

    def _check_open(self) -> None:
        if self._state != "open":
            raise RuntimeError("the pool is not open")

    async def _permit(self) -> None:
        self._queued += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._permits.acquire()
        finally:
            self._queued -= 1

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task

    async def _finish(self) -> None:
        while self._chores:
            await asyncio.wait(self._chores)

    async def _put_away(self, opening: asyncio.Task[aiosqlite.Connection]) -> None:
        with suppress(Exception):
            await self._take_back(await opening)

    async def _take_back(self, real: aiosqlite.Connection) -> None:
        try:
            await real.rollback()
        except ValueError:
            if real in self._all:
                self._all.remove(real)
                self._places -= 1
        finally:
            self._lent -= 1
            if self._state == "closed" and not self._lent:
                await self._close_all()
            self._permits.release()

    async def _pick(self) -> aiosqlite.Connection:
        self._lent += 1
        if self._places < self._lent:
            self._places += 1
            try:
                real = await aiosqlite.connect(self._database)
            except BaseException:
                self._places -= 1
                self._lent -= 1
                self._permits.release()
                raise
            self._all.append(real)
            return real
        self._next += 1
        return self._all[(self._next - 1) % len(self._all)]

    async def _close_all(self) -> None:
        while self._all:
            await self._all.pop().close()
