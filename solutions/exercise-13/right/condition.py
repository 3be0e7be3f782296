# right: an asyncio.Condition over all the state, tickets in a list, and whoever leaves wakes all the others
import asyncio
import itertools

import aiosqlite


class Loan:
    def __init__(self, connection):
        self.real = connection

    def __getattr__(self, name):
        return getattr(self.real, name)


class Block:
    """What `async with pool.connection()` enters."""

    def __init__(self, pool):
        self._pool = pool

    async def __aenter__(self):
        self._loan = await self._pool.acquire()
        return self._loan

    async def __aexit__(self, *_):
        await self._pool.release(self._loan)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        if min_size < 1:
            raise ValueError("min_size is at least 1")
        if max_size < min_size:
            raise ValueError("max_size is at least min_size")
        self._database = database
        self._min_size = min_size
        self._max_size = max_size
        self._timeout = timeout
        self._changed = asyncio.Condition()
        self._tickets = itertools.count()
        self._line = []
        self._free = []
        self._size = 0
        self._loans = set()
        self._past = set()
        self._running = False
        self._tasks = set()

    async def open(self):
        async with self._changed:
            if not self._running:
                for _ in range(self._min_size):
                    self._free.append(await aiosqlite.connect(self._database))
                    self._size += 1
                self._running = True

    async def close(self):
        async with self._changed:
            self._running = False
            self._changed.notify_all()
        while self._tasks:
            await asyncio.wait(self._tasks)
        while self._free:
            await self._free.pop().close()

    async def acquire(self):
        ticket = next(self._tickets)
        async with asyncio.timeout(self._timeout), self._changed:
            self._line.append(ticket)
            try:
                await self._changed.wait_for(lambda: not self._running or self._has_one_for(ticket))
                if not self._running:
                    raise RuntimeError("the pool is not open")
                # Between here and the end of this block nothing waits.
                connection = self._free.pop(0) if self._free else None
                self._size += connection is None
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()
        if connection is None:
            connection = await self._opened()
        loan = Loan(connection)
        self._loans.add(loan)
        return loan

    async def release(self, connection):
        if connection in self._past:
            return
        if connection not in self._loans:
            raise ValueError("that connection was not lent by this pool")
        self._past.add(connection)
        self._loans.remove(connection)
        await asyncio.shield(self._start(self._take_back(connection.real)))

    def connection(self):
        return Block(self)

    def _has_one_for(self, ticket):
        return (self._free or self._size < self._max_size) and self._line[0] == ticket

    async def _opened(self):
        wanted = True

        async def connect():
            try:
                connection = await aiosqlite.connect(self._database)
            except BaseException:
                await self._put(None)
                raise
            if not wanted:
                await self._put(connection)
            return connection

        opening = self._start(connect())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.done():
                self._start(self._put(opening.result()))
            wanted = False
            raise

    async def _take_back(self, real):
        try:
            await real.rollback()
        except (ValueError, aiosqlite.Error):
            await real.close()
            real = None
        await self._put(real)

    async def _put(self, real):
        """Put a connection back; None stands for one that is no more."""
        if real is not None and not self._running:
            await real.close()
            real = None
        async with self._changed:
            if real is None:
                self._size -= 1
            else:
                self._free.append(real)
            self._changed.notify_all()

    def _start(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
