# right: replaces on demand: max_size slots, each makes its own connection good when it is asked for
import asyncio
import time
from contextlib import asynccontextmanager

import aiosqlite


class Slot:
    """A place for one connection, which may be empty."""

    def __init__(self, database, max_lifetime):
        self.database = database
        self.max_lifetime = max_lifetime
        self.connection = None
        self.until = 0.0

    async def fill(self):
        self.connection = await aiosqlite.connect(self.database)
        self.until = time.time() + self.max_lifetime

    async def empty(self):
        connection, self.connection = self.connection, None
        if connection is not None:
            closing = asyncio.ensure_future(connection.close())
            closing.add_done_callback(lambda each: each.cancelled() or each.exception())
            await asyncio.wait({closing}, timeout=0.5)

    async def make_good(self):
        if self.connection is not None and time.time() >= self.until:
            await self.empty()
        if self.connection is not None:
            try:
                async with asyncio.timeout(1):
                    await self.connection.execute("SELECT 1")
            except Exception:
                await self.empty()
            except BaseException:
                # What is not known to be good is not kept.
                asyncio.ensure_future(self.empty())
                raise
        if self.connection is None:
            await self.fill()


class Ticket:
    def __init__(self, pool, slot):
        self.__dict__.update(pool=pool, slot=slot, real=slot.connection, used=False)

    def __getattr__(self, name):
        return getattr(self.real, name)


class Pool:
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0, max_lifetime=3600.0):
        if min_size < 1 or max_size < min_size:
            raise ValueError(f"no pool has {min_size} to {max_size} connections")
        self.slots = [Slot(database, max_lifetime) for _ in range(max_size)]
        self.min_size = min_size
        self.timeout = timeout
        self.rack = None

    async def open(self):
        if self.rack is None:
            for slot in self.slots[: self.min_size]:
                await slot.fill()
            self.rack = asyncio.LifoQueue()
            for slot in reversed(self.slots):
                self.rack.put_nowait(slot)

    async def close(self):
        if self.rack is not None:
            rack, self.rack = self.rack, None
            while not rack.empty():
                await rack.get_nowait().empty()

    async def acquire(self):
        rack = self.rack
        if rack is None:
            raise RuntimeError("not open")
        async with asyncio.timeout(self.timeout):
            slot = await rack.get()
            try:
                await slot.make_good()
            except BaseException:
                rack.put_nowait(slot)
                raise
        return Ticket(self, slot)

    async def release(self, ticket):
        if not isinstance(ticket, Ticket) or ticket.pool is not self:
            raise ValueError("no ticket of this pool")
        if ticket.used:
            return
        ticket.__dict__["used"] = True
        try:
            await ticket.slot.connection.rollback()
        except Exception:
            await ticket.slot.empty()
        if self.rack is None:
            await ticket.slot.empty()
        else:
            self.rack.put_nowait(ticket.slot)

    @asynccontextmanager
    async def connection(self):
        ticket = await self.acquire()
        try:
            yield ticket
        finally:
            await self.release(ticket)
