# right: checks on error: a statement that fails makes all connections suspects, which are asked before they are lent
import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager

import aiosqlite
from aiosqlite.context import contextmanager


class Watched:
    """One borrow; it tells the pool when a statement fails, and lets the error pass."""

    def __init__(self, pool, held):
        self._pool = pool
        self._held = held
        self._back = False

    def __getattr__(self, name):
        return getattr(self._held.raw, name)

    @contextmanager  # what it makes can be awaited and entered, as the connection's own
    async def execute(self, sql, parameters=None):
        try:
            return await self._held.raw.execute(sql, parameters)
        except sqlite3.Error:
            self._pool.suspect_all()
            raise


class Held:
    def __init__(self, raw):
        self.raw = raw
        self.born = time.monotonic()
        self.trusted_since = self.born


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0, max_lifetime=3600.0):
        if not 1 <= min_size <= max_size:
            raise ValueError("1 <= min_size <= max_size")
        self._database = database
        self._min_size, self._max_size = min_size, max_size
        self._timeout, self._max_lifetime = timeout, max_lifetime
        self._places = None  # a queue of connections, and of None where one may be opened
        self._last_trouble = float("-inf")
        self._closed = False
        self._leaving = set()

    def suspect_all(self):
        self._last_trouble = time.monotonic()

    async def open(self):
        if self._closed:
            raise RuntimeError("this pool was closed")
        if self._places is not None:
            return
        places = asyncio.LifoQueue()  # what came back last is lent first, and a new one opened last
        for _ in range(self._max_size - self._min_size):
            places.put_nowait(None)
        for _ in range(self._min_size):
            places.put_nowait(Held(await aiosqlite.connect(self._database)))
        self._places = places

    async def close(self):
        if self._closed or self._places is None:
            return
        self._closed = True
        for _ in range(self._places.qsize()):
            held = self._places.get_nowait()
            if held is not None:
                self._leave(held)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=5)

    async def acquire(self):
        if self._places is None or self._closed:
            raise RuntimeError("the pool is not open")
        async with asyncio.timeout(self._timeout):
            held = await self._places.get()
            try:
                if held is not None and not await self._fit(held):
                    leaving, held = self._leave(held), None
                    await asyncio.wait((leaving,), timeout=2)
                if held is None:
                    held = Held(await aiosqlite.connect(self._database))
            except BaseException:
                self._places.put_nowait(None)
                if held is not None:
                    self._leave(held)
                raise
        return Watched(self, held)

    async def release(self, connection):
        if not isinstance(connection, Watched) or connection._pool is not self:
            raise ValueError("not lent by this pool")
        if connection._back:
            return
        connection._back = True
        held, place = connection._held, None
        try:
            await held.raw.rollback()
            if not self._closed:
                place = held
        except (ValueError, sqlite3.Error):
            self.suspect_all()
        finally:
            if place is None:
                await asyncio.wait((self._leave(held),), timeout=2)
            self._places.put_nowait(place)

    @asynccontextmanager
    async def connection(self):
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    async def _fit(self, held):
        now = time.monotonic()
        if now - held.born >= self._max_lifetime:
            return False
        if held.trusted_since > self._last_trouble:
            return True
        try:
            async with asyncio.timeout(3):
                await held.raw.execute_fetchall("SELECT count(*) FROM sqlite_master")
        except (TimeoutError, ValueError, sqlite3.Error):
            return False
        held.trusted_since = now
        return True

    def _leave(self, held):
        async def leave():
            try:
                await held.raw.close()
            except (ValueError, sqlite3.Error):
                pass

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task
