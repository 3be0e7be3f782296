# right: what must come to its end is waited for to its end, shielded, and CancelledError goes on afterwards
import asyncio
import collections
import contextlib

import aiosqlite


async def to_the_end(work):
    """Await `work`; when cancelled meanwhile, see it through first."""
    task = asyncio.ensure_future(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:
            break  # the task's own; `result` raises it
    if cancelled:
        task.exception()
        raise cancelled
    return task.result()


class Borrowed:
    def __init__(self, pool, real):
        self.pool, self.real = pool, real
        self.over = False

    def __getattr__(self, name):
        return getattr(self.real, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0):
        if not 1 <= min_size <= max_size:
            raise ValueError("1 <= min_size <= max_size")
        self.database, self.min_size, self.max_size, self.timeout = database, min_size, max_size, timeout
        self.idle = collections.deque()
        self.queue = collections.deque()
        self.places = 0
        self.is_open = False

    async def open(self):
        if self.is_open:
            return
        for _ in range(self.min_size):
            await self._add()
        self.is_open = True

    async def close(self):
        self.is_open = False
        for waiter in self.queue:
            if not waiter.done():
                waiter.set_exception(RuntimeError("the pool is closed"))
        self.queue.clear()
        while self.idle:
            self.places -= 1
            await self.idle.popleft().close()

    async def acquire(self):
        if not self.is_open:
            raise RuntimeError("the pool is not open")
        if self.idle:
            return Borrowed(self, self.idle.popleft())
        waiter = asyncio.get_running_loop().create_future()
        self.queue.append(waiter)
        taken = False
        try:
            if self.places < self.max_size:
                await to_the_end(self._add())
            await asyncio.wait((waiter,), timeout=self.timeout)
            if not waiter.done():
                raise TimeoutError(f"nothing came back within {self.timeout:g} s")
            borrowed = Borrowed(self, waiter.result())
            taken = True
            return borrowed
        finally:
            if waiter in self.queue:
                self.queue.remove(waiter)
            elif not taken and waiter.exception() is None:
                self._put(waiter.result())

    async def release(self, connection):
        if not isinstance(connection, Borrowed) or connection.pool is not self:
            raise ValueError("not a connection of this pool")
        if not connection.over:
            connection.over = True
            await to_the_end(self._take_back(connection.real))

    @contextlib.asynccontextmanager
    async def connection(self):
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    async def _take_back(self, real):
        try:
            await real.rollback()
        except (ValueError, aiosqlite.Error):
            await real.close()
            self.places -= 1
            if self.is_open and self.queue:
                await self._add()
            return
        if self.is_open:
            self._put(real)
        else:
            await real.close()

    async def _add(self):
        self.places += 1
        try:
            self._put(await aiosqlite.connect(self.database))
        except BaseException:
            self.places -= 1
            raise

    def _put(self, real):
        while self.queue:
            waiter = self.queue.popleft()
            if not waiter.done():
                waiter.set_result(real)
                return
        self.idle.append(real)
