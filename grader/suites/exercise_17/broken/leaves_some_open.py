# Broken: leaves connections open at `close` that it has opened after `open`.
from __future__ import annotations

import asyncio
from collections import deque
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
        self._idle: deque[aiosqlite.Connection] = deque()
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
            self._idle.append(await aiosqlite.connect(self._database))

    async def close(self) -> None:
        self._state = "closed"
        # Each of those in line gets a permit, and with it sees that there is nothing more to get.
        for _ in range(self._queued):
            self._permits.release()
        for _ in range(min(self._min_size, len(self._idle))):
            await self._idle.popleft().close()
        await self._finish()

    async def acquire(self) -> Loan:
        self._check_open()
        await self._permit()
        if self._state != "open":
            self._permits.release()
            self._check_open()
        if self._idle:
            return Loan(self, self._idle.popleft())
        opening = self._start(self._open_one())
        try:
            return Loan(self, await asyncio.shield(opening))
        except asyncio.CancelledError:
            self._start(self._put_away(opening))
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

    async def _open_one(self) -> aiosqlite.Connection:
        try:
            return await aiosqlite.connect(self._database)
        except BaseException:
            self._permits.release()
            raise

    async def _put_away(self, opening: asyncio.Task[aiosqlite.Connection]) -> None:
        with suppress(Exception):
            await self._take_back(await opening)

    async def _take_back(self, real: aiosqlite.Connection) -> None:
        try:
            await real.rollback()
            if self._state == "open":
                self._idle.append(real)
            else:
                await real.close()
        except ValueError:
            pass  # closed by its borrower; somebody will find nothing idle, and open another
        finally:
            self._permits.release()
