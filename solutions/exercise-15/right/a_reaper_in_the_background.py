# right: a task in the background closes what has grown old; a query on borrow finds what is dead
import asyncio
import contextlib
import time
from collections import deque

import aiosqlite


class Loan:
    def __init__(self, pool, connection):
        self.pool = pool
        self.connection = connection
        self.over = False

    def __getattr__(self, name):
        return getattr(self.connection, name)


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
        if min_size < 1 or max_size < min_size:
            raise ValueError("wrong sizes")
        self.database = database
        self.min_size = min_size
        self.max_size = max_size
        self.timeout = timeout
        self.max_lifetime = max_lifetime
        self.free: deque[aiosqlite.Connection] = deque()
        self.expiry: dict[aiosqlite.Connection, float] = {}
        self.turns: asyncio.Semaphore | None = None
        self.reaper: asyncio.Task[None] | None = None
        self.graves: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        if self.turns is not None:
            return
        for _ in range(self.min_size):
            self.free.append(await self._connect())
        self.turns = asyncio.Semaphore(self.max_size)
        self.reaper = asyncio.create_task(self._reap())

    async def close(self) -> None:
        if self.turns is None:
            return
        self.turns = None
        self.reaper.cancel()
        for connection in self.free:
            self._bury(connection)
        self.free.clear()
        if self.graves:
            await asyncio.wait(self.graves, timeout=self.timeout)

    async def acquire(self):
        turns = self.turns
        if turns is None:
            raise RuntimeError("open the pool first")
        end = time.monotonic() + self.timeout
        await asyncio.wait_for(turns.acquire(), self.timeout)
        try:
            return Loan(self, await asyncio.wait_for(self._living(), max(0.0, end - time.monotonic())))
        except BaseException:
            turns.release()
            raise

    async def release(self, loan) -> None:
        if not isinstance(loan, Loan) or loan.pool is not self:
            raise ValueError("a stranger's")
        if loan.over:
            return
        loan.over = True
        connection = loan.connection
        usable = False
        try:
            await connection.rollback()
            usable = self.turns is not None and time.monotonic() < self.expiry[connection]
        except (ValueError, aiosqlite.Error):
            pass
        if usable:
            self.free.append(connection)
        else:
            await asyncio.wait([self._bury(connection)], timeout=1)
        if self.turns is not None:
            self.turns.release()

    @contextlib.asynccontextmanager
    async def connection(self):
        loan = await self.acquire()
        try:
            yield loan
        finally:
            await self.release(loan)

    async def _connect(self) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(self.database)
        self.expiry[connection] = time.monotonic() + self.max_lifetime
        return connection

    async def _living(self) -> aiosqlite.Connection:
        while self.graves:
            done, _ = await asyncio.wait(self.graves, timeout=0.5)
            if not done:
                break  # one hangs; it need not hold up the others
        while self.free:
            connection = self.free.popleft()
            try:
                await asyncio.wait_for(connection.execute_fetchall("SELECT 1"), 2)
            except (TimeoutError, ValueError, aiosqlite.Error):
                await asyncio.wait([self._bury(connection)], timeout=1)
            except asyncio.CancelledError:
                self._bury(connection)
                raise
            else:
                return connection
        return await self._connect()

    async def _reap(self) -> None:
        while True:
            now = time.monotonic()
            for connection in [each for each in self.free if self.expiry[each] <= now]:
                self.free.remove(connection)
                self._bury(connection)
            soonest = min(self.expiry.values(), default=now + 60)
            await asyncio.sleep(min(60.0, max(0.01, soonest - time.monotonic())))

    def _bury(self, connection: aiosqlite.Connection) -> asyncio.Task[None]:
        self.expiry.pop(connection, None)
        grave = asyncio.create_task(self._close(connection))
        self.graves.add(grave)
        grave.add_done_callback(self.graves.discard)
        return grave

    async def _close(self, connection: aiosqlite.Connection) -> None:
        with contextlib.suppress(ValueError, aiosqlite.Error):
            await connection.close()
