# misconception: closes-it-under-its-borrower
# caught by: closes-what-comes-back-late
# mistake: 46
import asyncio
import itertools

import aiosqlite


class Loan:
    """One borrow."""

    def __init__(self, connection):
        self.real = connection

    def __getattr__(self, name):
        return getattr(self.real, name)


class Handle:
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
        self._loans = set()
        self._past = set()
        self._running = False

    async def open(self):
        async with self._changed:
            if not self._running:
                for _ in range(self._min_size):
                    self._free.append(await aiosqlite.connect(self._database))
                self._running = True

    async def close(self):
        async with self._changed:
            self._running = False
            for connection in self._free + [loan.real for loan in self._loans]:
                await connection.close()
            self._free.clear()
            self._changed.notify_all()

    async def acquire(self):
        ticket = next(self._tickets)
        async with asyncio.timeout(self._timeout), self._changed:
            self._line.append(ticket)
            try:
                await self._changed.wait_for(lambda: not self._running or self._has_one_for(ticket))
                if not self._running:
                    raise RuntimeError("the pool is not open")
                connection = self._free.pop(0) if self._free else await aiosqlite.connect(self._database)
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()
            loan = Loan(connection)
            self._loans.add(loan)
            return loan

    async def release(self, connection):
        if connection in self._past:
            return
        if connection not in self._loans:
            raise ValueError("that connection was not lent by this pool")
        self._past.add(connection)
        try:
            await connection.rollback()
            usable = True
        except (ValueError, aiosqlite.Error):
            usable = False
        async with self._changed:
            self._loans.remove(connection)
            if usable and self._running:
                self._free.append(connection.real)
            else:
                await connection.real.close()
            self._changed.notify_all()

    def connection(self):
        return Handle(self)

    def _has_one_for(self, ticket):
        room = self._free or len(self._loans) < self._max_size
        return room and self._line[0] == ticket
