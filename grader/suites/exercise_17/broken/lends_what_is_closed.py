# Broken: lends a connection that its last borrower has closed.
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiosqlite


class Loan:
    def __init__(self, home: Pool, inner: aiosqlite.Connection) -> None:
        self._home: Pool | None = home
        self._of = home
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)


class Pool:
    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError(f"min_size={min_size} and max_size={max_size} make no pool")
        self.__path = database
        self.__first = min_size
        self.__seconds = timeout
        self.__permits = asyncio.BoundedSemaphore(max_size)
        self.__stack: list[aiosqlite.Connection] = []
        self.__over: asyncio.Future[None] | None = None
        self.__chores: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        if self.__over is None:
            self.__over = asyncio.get_running_loop().create_future()
            for _ in range(self.__first):
                self.__stack.append(await aiosqlite.connect(self.__path))
        elif self.__over.done():
            raise RuntimeError("a closed pool stays closed")

    async def close(self) -> None:
        if self.__over is not None and not self.__over.done():
            self.__over.set_result(None)
        while self.__stack:
            await self.__stack.pop().close()
        while self.__chores:
            await asyncio.wait(self.__chores)

    async def acquire(self) -> Loan:
        if not self.__is_open():
            raise RuntimeError("the pool is not open")
        await self.__permit()
        fitting = self.__start(self.__fit())
        try:
            return Loan(self, await asyncio.shield(fitting))
        except asyncio.CancelledError:
            self.__start(self.__put_away(fitting))
            raise

    async def release(self, connection: Any) -> None:  # noqa: ANN401
        if getattr(connection, "_of", None) is not self:
            raise ValueError("this connection belongs elsewhere")
        home, connection._home = connection._home, None
        if home is not None:
            await asyncio.shield(self.__start(self.__take_back(connection._inner)))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Loan]:
        loan = await self.acquire()
        try:
            yield loan
        finally:
            await self.release(loan)

    def __is_open(self) -> bool:
        return self.__over is not None and not self.__over.done()

    async def __permit(self) -> bool:
        assert self.__over is not None
        if not self.__permits.locked():
            await self.__permits.acquire()
            return False
        turn = asyncio.create_task(self.__permits.acquire())
        try:
            await asyncio.wait((turn, self.__over), timeout=self.__seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.__leave(turn)
            raise
        if self.__over.done():
            self.__leave(turn)
            raise RuntimeError("the pool was closed")
        if not turn.done():
            self.__leave(turn)
            raise TimeoutError("no connection came free")
        return True

    def __leave(self, turn: asyncio.Task[Any]) -> None:
        if turn.done():
            self.__permits.release()
        else:
            turn.cancel()

    def __start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.__chores.add(task)
        task.add_done_callback(self.__chores.discard)
        return task

    async def __put_away(self, fitting: asyncio.Task[aiosqlite.Connection]) -> None:
        with suppress(Exception):
            await self.__take_back(await fitting)

    async def __fit(self) -> aiosqlite.Connection:
        try:
            if self.__stack:
                return self.__stack.pop()
            real = await aiosqlite.connect(self.__path)
            await real.execute_fetchall("SELECT 1 AS fit")
        except BaseException:
            self.__permits.release()
            raise
        return real

    async def __take_back(self, real: aiosqlite.Connection) -> None:
        with suppress(ValueError):
            await real.rollback()
        if self.__is_open():
            self.__stack.append(real)
        else:
            await real.close()
        self.__permits.release()
