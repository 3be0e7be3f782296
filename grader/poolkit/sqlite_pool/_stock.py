"""The connections of an open pool: who has them, who waits for one, and how they come and go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

import aiosqlite

from poolkit.errors import PoolClosed
from poolkit.sqlite_pool._lease import Lease, reset

logger = logging.getLogger("poolkit.sqlite_pool")

INTERRUPT_EVERY = 0.1  # seconds

T = TypeVar("T")

Connector = Callable[[], Awaitable[aiosqlite.Connection]]


class PoolObserver(Protocol):
    """Told what happens in a pool, at the moment it happens and on the pool's event loop.

    When `borrowed` or `returned` raises, the pool closes that connection instead of lending it.
    """

    def borrowed(self, connection: aiosqlite.Connection) -> None:
        """A connection is about to be handed to a borrower."""

    def returned(self, connection: aiosqlite.Connection) -> None:
        """A connection has come back, is reset, and is about to be free."""

    def waiting(self, tasks: int) -> None:
        """The number of tasks queued for a connection has changed to `tasks`."""


class Stock:
    """What a pool has from one `open` to the next `close`.

    Each opening has a stock of its own, so that work which ends late cannot touch what was opened since.
    All of it runs on one event loop; between two awaits nothing else does.

    Args:
        owner: the pool that the leases name.
        connect: opens a connection when awaited.
        max_size: the most connections that are ever open.
        observer: told of borrows, returns and waits.
    """

    def __init__(self, owner: object, connect: Connector, max_size: int, observer: PoolObserver | None) -> None:
        self.lending = True
        self.free: deque[aiosqlite.Connection] = deque()
        self.opened_at: dict[aiosqlite.Connection, float] = {}
        """When each connection was opened, by the loop's clock."""
        self.idle_since: dict[aiosqlite.Connection, float] = {}
        self.leases: set[Lease] = set()
        self.waiters: deque[asyncio.Future[Lease]] = deque()
        self._owner = owner
        self._connect = connect
        self._max_size = max_size
        self._observer = observer
        # What is open, being opened or being closed; never above max_size.
        self._slots = 0
        # Of these, the ones being opened because tasks queue.
        self._opening = 0
        self._drained = asyncio.Event()
        self._chores: set[asyncio.Task[Any]] = set()

    @property
    def full(self) -> bool:
        """Whether there is no room to open another connection."""
        return self._slots >= self._max_size

    # --- lending ---

    def take(self) -> Lease | None:
        """Lend a free connection, if there is one."""
        return self._lend(self.free.popleft()) if self.free else None

    def _lend(self, connection: aiosqlite.Connection) -> Lease:
        lease = Lease(self._owner, connection)
        self.leases.add(lease)
        return lease

    def hand_over(self, lease: Lease) -> None:
        """Tell the observer that a connection is its borrower's from now on; when that fails, replace it."""
        if self._observer:
            try:
                self._observer.borrowed(lease._lent)
            except Exception:  # whatever it is, nobody has the connection now
                self.replace(lease)
                raise

    def enqueue(self, *, first: bool = False) -> asyncio.Future[Lease]:
        """Queue for a connection; the future gets it.

        Args:
            first: go to the head of the queue, as one whose turn it was and who got a connection unfit for use.
        """
        waiter: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self.waiters.appendleft(waiter) if first else self.waiters.append(waiter)
        self._waiting_changed()
        self._grow()
        return waiter

    def withdraw(self, waiter: asyncio.Future[Lease]) -> None:
        """Leave the queue, and pass on what `waiter` was given, if anything."""
        if not waiter.done():
            self.waiters.remove(waiter)
            self._waiting_changed()
        elif waiter.exception() is None:
            lease = waiter.result()
            if self.lending:
                self.leases.discard(lease)
                self._offer(lease._lent)
            else:
                self._start(self._retire(lease))

    def _offer(self, connection: aiosqlite.Connection) -> None:
        """Give a connection to the first in the queue, or set it free."""
        if self.waiters:
            # Lent before the waiter wakes: a close in between has to know that somebody holds it.
            self._next_waiter().set_result(self._lend(connection))
        else:
            self.idle_since[connection] = asyncio.get_running_loop().time()
            self.free.append(connection)

    def _next_waiter(self) -> asyncio.Future[Lease]:
        waiter = self.waiters.popleft()
        self._waiting_changed()
        return waiter

    def _waiting_changed(self) -> None:
        if self._observer:
            self._observer.waiting(len(self.waiters))

    # --- taking back ---

    def replace(self, lease: Lease) -> None:
        """Close a connection that is not fit to be lent; another is opened in its place when it is needed."""
        self._start(self._retire(lease))

    def give_up(self, lease: Lease) -> None:
        """Take back a connection that its borrower never got to see."""
        self._start(self._take_back(lease))

    async def take_back(self, lease: Lease) -> None:
        """Reset a borrowed connection and set it free; goes on when the caller is cancelled."""
        await asyncio.shield(self._start(self._take_back(lease)))

    async def _take_back(self, lease: Lease) -> None:
        try:
            await reset(lease)
            if self._observer and lease in self.leases:
                self._observer.returned(lease._lent)
        except Exception:  # whatever the driver raises, the connection is not fit to be lent again
            if lease in self.leases:
                logger.warning("a connection could not be reset and is replaced", exc_info=True)
            await self._retire(lease)
            return
        if not self.lending:
            await self._retire(lease)
        else:
            self.leases.discard(lease)
            self._offer(lease._lent)

    async def _retire(self, lease: Lease) -> None:
        """Close a borrowed connection instead of setting it free, unless `shut` has done so."""
        if lease in self.leases:
            self.leases.discard(lease)
            self._wake_closer()
            await self._discard(lease._lent)

    async def _discard(self, connection: aiosqlite.Connection) -> None:
        """Close a connection and let its slot be used by another."""
        self.opened_at.pop(connection, None)
        self.idle_since.pop(connection, None)
        try:
            await connection.close()
        except Exception:  # it is being thrown away; the reason it fails at that is for the log
            logger.warning("a discarded connection failed to close", exc_info=True)
        finally:
            self._slots -= 1
            self._grow()

    # --- opening ---

    async def fill(self, size: int) -> None:
        """Open the first `size` connections.

        Raises:
            Exception: whatever the connect that failed raised; the connections opened before it are closed.
        """
        opening: list[asyncio.Task[aiosqlite.Connection]] = []
        try:
            while len(opening) < size:
                opening.append(self._start(self._opened()))
                # Shielded, because a connection whose opening is cancelled halfway cannot be closed.
                await asyncio.shield(opening[-1])
        except BaseException:
            await asyncio.shield(self._start(self._abandon(opening)))
            raise
        for task in opening:
            self._offer(task.result())
        self._slots = size

    async def _abandon(self, opening: list[asyncio.Task[aiosqlite.Connection]]) -> None:
        """Close what a failed or cancelled `fill` has opened, the connection on its way included."""
        failures: list[Exception] = []
        try:
            await asyncio.wait(opening)
        finally:
            ended = [task for task in opening if task.done() and not task.cancelled()]
            await _close_each([task.result() for task in ended if task.exception() is None], failures)
        for failure in failures:
            logger.warning("a connection of a pool that failed to open failed to close: %s", failure)

    def _grow(self) -> None:
        """Open a connection for each task in the queue that has none coming, as far as `max_size` allows."""
        while self.lending and self._opening < len(self.waiters) and not self.full:
            self._opening += 1
            self._slots += 1
            self._start(self._open_for_queue())

    async def _open_for_queue(self) -> None:
        try:
            connection = await self._opened()
        except Exception as error:  # it is a waiter's to see, whatever it is
            self._opening -= 1
            self._slots -= 1
            if len(self.waiters) > self._opening:
                self._next_waiter().set_exception(error)
            else:
                logger.warning("a connection that is no longer needed failed to open: %s", error)
            self._grow()
            return
        self._opening -= 1
        if self.lending:
            self._offer(connection)
        else:
            await self._discard(connection)

    async def _opened(self) -> aiosqlite.Connection:
        connection = await self._connect()
        self.opened_at[connection] = asyncio.get_running_loop().time()
        return connection

    # --- closing ---

    async def shut(self, timeout: float) -> None:
        """Stop lending, wait at most `timeout` seconds for what is borrowed, close every connection.

        Raises:
            Exception: what a connection's close raised, after all the others were closed.
        """
        self.lending = False
        while self.waiters:
            self._next_waiter().set_exception(PoolClosed("the pool was closed while this task waited"))
        failures: list[Exception] = []
        try:
            idle = list(self.free)
            self.free.clear()
            await _close_each(idle, failures)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    self._wake_closer()
                    await self._drained.wait()
        finally:
            # Also when the loop ends and cancels this: a connection left open keeps the process alive.
            await self._close_late(failures)
        if self._chores:
            # Closings come to an end. A connect may hang; when it ends at last, it cleans up after itself.
            await asyncio.wait(self._chores, timeout=timeout if self._opening else None)
        for failure in failures[1:]:
            logger.warning("another connection failed to close: %s", failure)
        if failures:
            raise failures[0]

    def forget_tasks(self) -> None:
        """Count everything as free, because the event loop of the borrowers and of the queue is gone."""
        self.free.extend(lease._lent for lease in self.leases)
        self.leases.clear()
        self.waiters.clear()
        self._chores.clear()

    def _wake_closer(self) -> None:
        if not self.lending and not self.leases:
            self._drained.set()

    async def _close_late(self, failures: list[Exception]) -> None:
        """Close the connections that were not returned in time, under their borrowers."""
        late = [lease._lent for lease in self.leases]
        if not late:
            return
        logger.warning("%d connections were not returned in time and are closed", len(late))
        self.leases.clear()
        closing = self._start(_close_each(late, failures))
        while not closing.done():
            for connection in late:
                with contextlib.suppress(ValueError, sqlite3.Error):  # it is closed by now
                    await connection.interrupt()
            # Over again, because an interrupt misses a statement that is about to start.
            await asyncio.wait((closing,), timeout=INTERRUPT_EVERY)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` beside the callers, whose cancellation must not interrupt it; `shut` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        # The loop itself keeps only weak references to its tasks.
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task


async def _close_each(connections: Iterable[aiosqlite.Connection], failures: list[Exception]) -> None:
    """Close every connection, also when some fail at it, or when the loop ends and cancels this."""
    cancelled: asyncio.CancelledError | None = None
    for connection in connections:
        try:
            await connection.close()
        except Exception as error:  # the others must still be closed
            failures.append(error)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled
