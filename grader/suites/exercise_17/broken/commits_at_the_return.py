# Broken: commits at the return what its borrower did not.
from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiosqlite


class Loan:
    def __init__(self, real: aiosqlite.Connection) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.real, name)


class Block:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def __aenter__(self) -> Loan:
        self.loan = await self.pool.acquire()
        return self.loan

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pool.release(self.loan)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError(f"min_size={min_size} and max_size={max_size} make no pool")
        self._where = database
        self._least = min_size
        self._most = max_size
        self._limit = timeout
        self._running = False
        self._changed = asyncio.Event()
        self._tickets: list[object] = []
        self._shelf: list[aiosqlite.Connection] = []
        self._lent = 0
        self._out: set[Loan] = set()
        self._past: set[Loan] = set()
        self._chores: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        if not self._running:
            self._running = True
            self._shelf += await asyncio.gather(*(aiosqlite.connect(self._where) for _ in range(self._least)))

    async def close(self) -> None:
        self._running = False
        self._tell()
        while self._shelf:
            await self._shelf.pop().close()
        while self._lent > 0:
            await self._changed.wait()

    async def acquire(self) -> Loan:
        ticket = object()
        self._tickets.append(ticket)
        try:
            async with asyncio.timeout(self._limit):
                while self._running and not self._turn(ticket):
                    await self._changed.wait()
            if not self._running:
                raise RuntimeError("the pool is not open")
            self._lent += 1
            real = self._shelf.pop() if self._shelf else None
        finally:
            self._tickets.remove(ticket)
            self._tell()
        loan = Loan(real or await self._connect())
        self._out.add(loan)
        return loan

    async def release(self, connection: Any) -> None:  # noqa: ANN401
        if connection in self._past:
            return
        if connection not in self._out:
            raise ValueError("this pool has not lent that")
        self._out.remove(connection)
        self._past.add(connection)
        await asyncio.shield(self._start(self._take_back(connection.real)))

    def connection(self) -> Block:
        return Block(self)

    def _turn(self, ticket: object) -> bool:
        return self._tickets[0] is ticket and (bool(self._shelf) or self._lent < self._most)

    def _tell(self) -> None:
        told, self._changed = self._changed, asyncio.Event()
        told.set()

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task

    async def _connect(self) -> aiosqlite.Connection:
        opening: asyncio.Task[aiosqlite.Connection] = self._start(self._open_one())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._start(self._put_away(opening))
            raise

    async def _put_away(self, opening: asyncio.Task[aiosqlite.Connection]) -> None:
        with suppress(Exception):
            await self._take_back(await opening)

    async def _open_one(self) -> aiosqlite.Connection:
        try:
            return await aiosqlite.connect(self._where)
        except BaseException:
            self._lent -= 1
            self._tell()
            raise

    async def _take_back(self, real: aiosqlite.Connection) -> None:
        usable = True
        try:
            await real.commit()
        except ValueError:
            usable = False
        if usable and self._running:
            self._shelf.append(real)
        elif usable:
            await real.close()
        self._lent -= 1
        self._tell()
