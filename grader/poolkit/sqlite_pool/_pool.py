"""The pool itself; what it promises is in the package's docstring."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import aiosqlite

from poolkit.errors import PoolClosed, PoolError, PoolTimeout, TooManyWaiters

logger = logging.getLogger("poolkit.sqlite_pool")

DEFAULT_MIN_SIZE = 4
DEFAULT_TIMEOUT = 30.0
DEFAULT_CLOSE_TIMEOUT = 5.0

T = TypeVar("T")

Connector = Callable[[], aiosqlite.Connection]


class PoolObserver(Protocol):
    """Told what happens in a pool, at the moment it happens and on the pool's event loop."""

    def borrowed(self, connection: aiosqlite.Connection) -> None:
        """A connection is about to be handed to a borrower."""

    def returned(self, connection: aiosqlite.Connection) -> None:
        """A connection has come back, is reset, and is about to be free."""

    def waiting(self, tasks: int) -> None:
        """The number of tasks queued for a connection has changed to `tasks`."""


class _State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    CLOSING = "closing"


class _Lease:
    """A borrowed connection, as its borrower sees it: the aiosqlite connection until it is returned.

    Each borrow has a lease of its own, so that a second return, or use after the return, cannot reach a
    connection that somebody else holds by then.
    """

    __slots__ = ("_connection", "_pool", "_returned")

    def __init__(self, pool: SQLitePool, connection: aiosqlite.Connection) -> None:
        object.__setattr__(self, "_pool", pool)
        object.__setattr__(self, "_connection", connection)
        object.__setattr__(self, "_returned", False)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the connection has)
        return getattr(_held(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_held(self), name, value)

    def __repr__(self) -> str:
        return f"<connection of {self._pool!r}, {'returned' if self._returned else 'borrowed'}>"


if TYPE_CHECKING:

    class PooledConnection(aiosqlite.Connection):
        """What `acquire` lends: an `aiosqlite.Connection` until it is returned."""

else:
    PooledConnection = _Lease


def _held(lease: Any) -> aiosqlite.Connection:  # noqa: ANN401  (a lease, which type checkers see as a connection)
    if lease._returned:
        raise PoolError("this connection was returned to its pool; acquire one again")
    connection: aiosqlite.Connection = lease._connection
    return connection


class _Waiter:
    """A task queued for a connection."""

    __slots__ = ("future", "growing")

    def __init__(self, future: asyncio.Future[_Lease]) -> None:
        self.future = future
        # A connection is being opened because of this waiter; if that fails, it is told.
        self.growing = False


class SQLitePool:
    """A pool of aiosqlite connections to one database.

    Args:
        database: the path, as for `aiosqlite.connect`.
        min_size: connections that `open` opens, at least 1.
        max_size: the most that are ever open; `min_size` when not given.
        timeout: seconds that `acquire` waits for a connection.
        close_timeout: seconds that `close` waits for borrowed connections.
        max_waiting: the most tasks that may queue; no limit when not given.
        connect: makes an unopened connection; `aiosqlite.connect(database, **options)` when not given.
        observer: told of borrows, returns and waits.
        options: passed on to `aiosqlite.connect`.

    Raises:
        ValueError: a size or a time makes no sense.
    """

    def __init__(
        self,
        database: str,
        *,
        min_size: int = DEFAULT_MIN_SIZE,
        max_size: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        close_timeout: float = DEFAULT_CLOSE_TIMEOUT,
        max_waiting: int | None = None,
        connect: Connector | None = None,
        observer: PoolObserver | None = None,
        **options: Any,  # noqa: ANN401  (aiosqlite's own)
    ) -> None:
        max_size = min_size if max_size is None else max_size
        if min_size < 1:
            raise ValueError(f"min_size must be at least 1, not {min_size}")
        if max_size < min_size:
            raise ValueError(f"max_size must be at least min_size ({min_size}), not {max_size}")
        if timeout <= 0 or close_timeout < 0:
            raise ValueError("timeout must be above 0 seconds, and close_timeout not below 0")
        if max_waiting is not None and max_waiting < 0:
            raise ValueError(f"max_waiting must not be below 0, and is {max_waiting}")
        self.database = database
        self.min_size = min_size
        self.max_size = max_size
        self.timeout = timeout
        self.close_timeout = close_timeout
        self.max_waiting = max_waiting
        self._connect = connect or (lambda: aiosqlite.connect(database, **options))
        self._observer = observer
        self._state = _State.CLOSED
        self._lifecycle = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._free: deque[aiosqlite.Connection] = deque()
        self._leases: set[_Lease] = set()
        self._waiters: deque[_Waiter] = deque()
        # Connections that exist or are being opened or closed; never above max_size.
        self._slots = 0
        self._chores: set[asyncio.Task[Any]] = set()
        self._unfinished: set[asyncio.Task[Any]] = set()
        self._drained = asyncio.Event()

    def __repr__(self) -> str:
        return f"<SQLitePool {self.database!r} {self._state.value}, {self.free} of {self.total} free>"

    @property
    def total(self) -> int:
        """Connections that are open."""
        return len(self._free) + len(self._leases)

    @property
    def free(self) -> int:
        """Connections that are open and not borrowed."""
        return len(self._free)

    @property
    def borrowed(self) -> int:
        """Connections that are borrowed."""
        return len(self._leases)

    @property
    def waiting(self) -> int:
        """Tasks that are queued for a connection."""
        return len(self._waiters)

    async def open(self) -> None:
        """Open `min_size` connections. Does nothing on a pool that is open.

        Raises:
            Exception: whatever the connect that failed raised; the connections opened before it are closed.
        """
        async with self._lifecycle:
            if self._state is _State.OPEN:
                return
            opened: list[asyncio.Task[aiosqlite.Connection]] = []
            try:
                while len(opened) < self.min_size:
                    opened.append(self._start(self._opened()))
                    await asyncio.shield(opened[-1])
            except BaseException:
                await self._finish(self._abandon(opened))
                raise
            self._loop = asyncio.get_running_loop()
            self._free.extend(task.result() for task in opened)
            self._slots = len(opened)
            self._state = _State.OPEN

    async def close(self, timeout: float | None = None) -> None:
        """Refuse new borrowers, wait for what is borrowed, close every connection.

        Tasks that are queued get `PoolClosed`. A connection still borrowed after `timeout` seconds
        (`close_timeout` when not given) is closed under its borrower. Does nothing on a closed pool. When the
        caller is cancelled, the closing goes on.

        Raises:
            Exception: what a connection's close raised, after all the others were closed.
        """
        limit = self.close_timeout if timeout is None else timeout
        await self._finish(self._close(limit))

    async def acquire(self, timeout: float | None = None) -> PooledConnection:
        """Borrow a connection; wait for one, in order, when all are borrowed.

        Args:
            timeout: seconds to wait; the pool's own when not given.

        Raises:
            PoolClosed: the pool is not open, or was closed meanwhile.
            PoolTimeout: none became free in time.
            TooManyWaiters: the queue is full.
            Exception: a new connection was needed for this borrower, and its connect failed.
        """
        self._check_open()
        if self._free and not self._waiters:
            return self._hand_over(self._lend(self._free.popleft()))
        if self.max_waiting is not None and self._slots >= self.max_size:
            queued = len(self._waiters)
            if queued >= self.max_waiting:
                raise TooManyWaiters(
                    f"{queued} tasks already wait for a connection; the limit is max_waiting"
                )
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._waiting_changed()
        self._grow()
        limit = self.timeout if timeout is None else timeout
        try:
            # `wait` leaves the future alone at a timeout, so a connection that arrives in the same tick is seen.
            await asyncio.wait((waiter.future,), timeout=limit)
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise
        if not waiter.future.done():
            self._withdraw(waiter)
            raise PoolTimeout(
                f"no connection became free within {limit:g} s: all {self.total} are borrowed"
                f" and {len(self._waiters)} other tasks wait"
            )
        return self._hand_over(waiter.future.result())

    async def release(self, connection: PooledConnection) -> None:
        """Return a borrowed connection. Returning it a second time does nothing.

        An open transaction is rolled back; a connection that cannot be reset is closed and replaced when
        needed. When the caller is cancelled, the return still completes.

        Raises:
            PoolError: the connection is of another pool, or of none.
        """
        lease: Any = connection
        if not isinstance(lease, _Lease) or lease._pool is not self:
            raise PoolError("this connection is not of this pool; return it where it was acquired")
        if lease._returned:
            return
        object.__setattr__(lease, "_returned", True)
        if lease in self._leases:
            await self._finish(self._take_back(lease))

    @contextlib.asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[PooledConnection]:
        """Borrow a connection for the length of an `async with`; arguments and errors as for `acquire`."""
        connection = await self.acquire(timeout)
        try:
            yield connection
        finally:
            await self.release(connection)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    # --- borrowing ---

    def _check_open(self) -> None:
        if self._state is not _State.OPEN:
            raise PoolClosed(f"the pool is {self._state.value}; open it at startup, before the first request")
        if self._loop is not asyncio.get_running_loop():
            raise PoolError("this pool was opened on another event loop; open one pool for each loop")

    def _lend(self, connection: aiosqlite.Connection) -> _Lease:
        lease = _Lease(self, connection)
        self._leases.add(lease)
        return lease

    def _hand_over(self, lease: _Lease) -> PooledConnection:
        if self._observer:
            self._observer.borrowed(lease._connection)
        return lease  # type: ignore[return-value]  # a lease passes every use on to its connection

    def _withdraw(self, waiter: _Waiter) -> None:
        """Take a task that stopped waiting out of the queue, and pass on what it was given, if anything."""
        if waiter.future.done():
            if waiter.future.exception() is None:
                lease = waiter.future.result()
                self._leases.discard(lease)
                self._offer(lease._connection)
                self._wake_closer()
            return
        self._waiters.remove(waiter)
        self._waiting_changed()

    def _offer(self, connection: aiosqlite.Connection) -> None:
        """Give a connection to the first in the queue, or set it free."""
        if self._state is not _State.OPEN:
            self._start(self._discard(connection))
        elif self._waiters:
            waiter = self._waiters.popleft()
            self._waiting_changed()
            # Lent before the waiter wakes: a close in between has to know that somebody holds it.
            waiter.future.set_result(self._lend(connection))
        else:
            self._free.append(connection)

    def _waiting_changed(self) -> None:
        if self._observer:
            self._observer.waiting(len(self._waiters))

    # --- returning ---

    async def _take_back(self, lease: _Lease) -> None:
        connection: aiosqlite.Connection = lease._connection
        try:
            # Always, not only when a transaction shows: a statement of a cancelled task may still be running
            # in the connection's thread, and the rollback queues behind it.
            await connection.rollback()
            connection.row_factory = None
            connection.text_factory = str
        except Exception:  # whatever the driver raises, the connection is not fit to be lent again
            logger.warning("a connection could not be reset and is replaced", exc_info=True)
            await self._retire(lease)
            return
        if lease not in self._leases:
            return
        if self._observer:
            self._observer.returned(connection)
        if self._state is not _State.OPEN:
            await self._retire(lease)
            return
        self._leases.discard(lease)
        self._offer(connection)

    async def _retire(self, lease: _Lease) -> None:
        """Close a borrowed connection instead of setting it free."""
        if lease not in self._leases:
            return
        self._leases.discard(lease)
        try:
            await self._discard(lease._connection)
        finally:
            self._wake_closer()

    async def _discard(self, connection: aiosqlite.Connection) -> None:
        """Close a connection and let its slot be used by another."""
        try:
            await connection.close()
        except Exception:  # it is being thrown away; the reason it fails at that is for the log
            logger.warning("a discarded connection failed to close", exc_info=True)
        finally:
            self._slots -= 1
            self._grow()

    def _wake_closer(self) -> None:
        if not self._leases:
            self._drained.set()

    # --- growing ---

    def _grow(self) -> None:
        """Open a connection for each task in the queue that has none coming, as far as `max_size` allows."""
        if self._state is not _State.OPEN:
            return
        for waiter in self._waiters:
            if self._slots >= self.max_size:
                return
            if not waiter.growing:
                waiter.growing = True
                self._slots += 1
                self._start(self._grow_for(waiter))

    async def _grow_for(self, waiter: _Waiter) -> None:
        try:
            connection = await self._opened()
        except Exception as error:  # it is the waiter's to see, whatever it is
            self._slots -= 1
            if not waiter.future.done():
                self._waiters.remove(waiter)
                self._waiting_changed()
                waiter.future.set_exception(error)
            else:
                logger.warning("a connection that is no longer needed failed to open: %s", error)
            self._grow()
            return
        self._offer(connection)

    async def _opened(self) -> aiosqlite.Connection:
        return await self._connect()

    async def _abandon(self, opening: list[asyncio.Task[aiosqlite.Connection]]) -> None:
        """Close what a failed or cancelled `open` has opened, the connection on its way included."""
        await asyncio.wait(opening)
        opened = [task.result() for task in opening if not task.cancelled() and task.exception() is None]
        for failure in await self._close_each(opened):
            logger.warning("a connection of a pool that failed to open failed to close: %s", failure)

    # --- closing ---

    async def _close(self, timeout: float) -> None:
        async with self._lifecycle:
            if self._state is _State.CLOSED:
                return
            self._state = _State.CLOSING
            for waiter in self._waiters:
                if not waiter.future.done():
                    waiter.future.set_exception(PoolClosed("the pool was closed while this task waited"))
            self._waiters.clear()
            self._waiting_changed()
            idle = [self._free.popleft() for _ in range(len(self._free))]
            failures = await self._close_each(idle)
            self._drained = asyncio.Event()
            self._wake_closer()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), timeout)
            late = [lease._connection for lease in self._leases]
            if late:
                logger.warning(
                    "%d connections were not returned within %g s and are closed", len(late), timeout
                )
            self._leases.clear()
            for connection in late:
                with contextlib.suppress(Exception):  # it may be closed already; closing is what matters
                    await connection.interrupt()
            failures += await self._close_each(late)
            if self._chores:
                # What was being opened or thrown away when the pool closed; it ends by itself when it is late.
                await asyncio.wait(self._chores, timeout=timeout)
            self._slots = 0
            self._loop = None
            self._state = _State.CLOSED
            if failures:
                raise failures[0]

    async def _close_each(self, connections: list[aiosqlite.Connection]) -> list[Exception]:
        """Close every connection, also when some of them fail at it; return what those raised."""
        failures: list[Exception] = []
        for connection in connections:
            try:
                await connection.close()
            except Exception as error:  # the others must still be closed
                failures.append(error)
        return failures

    # --- work that a cancelled caller must not interrupt ---

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` beside the callers; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` to its end; a cancellation of the caller reaches the caller, not the work."""
        task = asyncio.get_running_loop().create_task(work)
        # The loop itself keeps only weak references to its tasks.
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(task)
