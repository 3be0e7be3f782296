# right: the check has no bound of its own: one timeout is around all of acquire, and what hung is closed aside
import asyncio
import contextlib
import time

import aiosqlite


class Entry:
    def __init__(self, pool, real):
        self.pool = pool
        self.real = real
        self.stamp = time.time()


class Borrow:
    def __init__(self, entry):
        object.__setattr__(self, "entry", entry)

    def __getattr__(self, name):
        return getattr(self.entry.real, name)

    def __setattr__(self, name, value):
        setattr(self.entry.real, name, value)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0, max_lifetime=3600.0):
        for wrong in (min_size < 1, max_size < min_size):
            if wrong:
                raise ValueError("min_size must be at least 1, and max_size at least min_size")
        self._settings = database, min_size, max_size, timeout, max_lifetime
        self._state = None
        self._out = {}
        self._background = set()

    async def open(self):
        if self._state:
            return
        database, min_size, max_size, *_ = self._settings
        free = [Entry(self, await aiosqlite.connect(database)) for _ in range(min_size)]
        self._state = free, asyncio.Semaphore(max_size)

    async def close(self):
        if self._state:
            (free, _), self._state = self._state, None
            while free:
                self._aside(free.pop())
            if self._background:
                await asyncio.wait(self._background, timeout=2)

    async def acquire(self):
        if not self._state:
            raise RuntimeError("the pool is closed")
        free, turns = self._state
        database, _, _, timeout, max_lifetime = self._settings
        async with asyncio.timeout(timeout), contextlib.AsyncExitStack() as undo:
            await turns.acquire()
            undo.callback(turns.release)
            entry = None
            while free and entry is None:
                entry = free.pop()
                undo.callback(lambda each=entry: each and self._aside(each))
                good = time.time() - entry.stamp < max_lifetime
                try:
                    if good:
                        await entry.real.execute("SELECT 1")
                except (aiosqlite.Error, ValueError):
                    good = False
                if not good:
                    with contextlib.suppress(aiosqlite.Error, ValueError):
                        await entry.real.close()
                    entry = None
            if entry is None:
                entry = Entry(self, await aiosqlite.connect(database))
            undo.pop_all()
        borrow = Borrow(entry)
        self._out[borrow] = turns
        return borrow

    async def release(self, connection):
        if not isinstance(connection, Borrow) or connection.entry.pool is not self:
            raise ValueError("not borrowed here")
        turns = self._out.pop(connection, None)
        if turns is None:
            return
        entry = connection.entry
        try:
            await entry.real.rollback()
            if self._state and self._state[1] is turns:
                self._state[0].append(entry)
            else:
                await entry.real.close()
        except (aiosqlite.Error, ValueError):
            with contextlib.suppress(aiosqlite.Error, ValueError):
                await entry.real.close()
        finally:
            turns.release()

    @contextlib.asynccontextmanager
    async def connection(self):
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    def _aside(self, entry):
        task = asyncio.ensure_future(entry.real.close())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
