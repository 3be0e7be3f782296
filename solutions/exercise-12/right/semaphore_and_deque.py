# right: a semaphore for the order and the bound, a deque for the connections, and a look at each before it is lent
import asyncio
import collections
import contextlib

import aiosqlite


class PoolError(Exception):
    """The base of what this pool raises."""


class NotOpen(PoolError):
    """The pool is not open."""


class NoneInTime(PoolError, TimeoutError):
    """No connection came back in time."""


class Session:
    """One borrow: it knows its pool, and what the pool had when it was lent."""

    def __init__(self, pool, turns, raw):
        vars(self).update(pool=pool, turns=turns, raw=raw, returned=False)

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def __setattr__(self, name, value):
        setattr(self.raw, name, value)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        for name, size, least in (("min_size", min_size, 1), ("max_size", max_size, min_size)):
            if size < least:
                raise ValueError(f"{name} must be at least {least}, not {size}")
        self._connect = lambda: aiosqlite.connect(database, isolation_level=None)
        self._min_size, self._max_size, self._timeout = min_size, max_size, timeout
        self._idle = collections.deque()
        self._turns = None

    async def open(self):
        if self._turns:
            return
        for _ in range(self._min_size):
            self._idle.append(await self._connect())
        self._turns = asyncio.Semaphore(self._max_size)

    async def close(self):
        self._turns = None
        while self._idle:
            await self._idle.pop().close()

    async def acquire(self):
        turns = self._turns
        if turns is None:
            raise NotOpen("open() comes before acquire()")
        try:
            await asyncio.wait_for(turns.acquire(), self._timeout)
        except TimeoutError:
            raise NoneInTime(f"all were lent for {self._timeout} s") from None
        while self._idle:
            raw = self._idle.popleft()
            try:
                await raw.execute("SELECT 1")
                break
            except (ValueError, aiosqlite.Error):
                await raw.close()
        else:
            raw = await self._connect()
        return Session(self, turns, raw)

    async def release(self, connection):
        if type(connection) is not Session or connection.pool is not self:
            raise PoolError("a stranger's connection")
        if connection.returned:
            return
        vars(connection).update(returned=True)
        with contextlib.suppress(ValueError):
            if connection.raw.in_transaction:
                await connection.raw.rollback()
        if connection.turns is self._turns:
            self._idle.append(connection.raw)  # a closed one is found out before it is lent
        else:
            await connection.raw.close()  # the pool was closed meanwhile
        connection.turns.release()

    @contextlib.asynccontextmanager
    async def connection(self):
        async with contextlib.AsyncExitStack() as stack:
            connection = await self.acquire()
            stack.push_async_callback(self.release, connection)
            yield connection
