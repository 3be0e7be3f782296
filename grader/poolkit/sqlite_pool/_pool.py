"""The pool itself; what it promises is in the package's docstring."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import aiosqlite

from poolkit.errors import PoolClosed, PoolError, PoolTimeout, TooManyWaiters
from poolkit.sqlite_pool._lease import Lease, PooledConnection, end
from poolkit.sqlite_pool._stock import Connector, PoolObserver, Stock

DEFAULT_MIN_SIZE = 4
DEFAULT_TIMEOUT = 30.0
DEFAULT_CLOSE_TIMEOUT = 5.0

Check = Callable[[aiosqlite.Connection], Awaitable[object]]


class SQLitePool:
    """A pool of aiosqlite connections to one database.

    Args:
        database: the path, as for `aiosqlite.connect`.
        min_size: connections that `open` opens, at least 1.
        max_size: the most that are ever open; `min_size` when not given.
        timeout: seconds that `acquire` waits for a connection.
        close_timeout: seconds that `close` waits for borrowed connections.
        max_waiting: the most tasks that may queue; no limit when not given.
        max_lifetime: seconds; a connection that was opened longer ago is replaced, not lent; no limit when not given.
        max_idle: seconds; a connection that nobody has borrowed for longer is replaced, not lent; likewise.
        check: awaited with a connection before it is lent; when it raises, or takes longer than the borrower waits,
            the connection is replaced. `SQLitePool.check_connection` is one.
        connect: opens a connection when awaited; `aiosqlite.connect(database, **options)` when not given.
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
        max_lifetime: float | None = None,
        max_idle: float | None = None,
        check: Check | None = None,
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
        if any(limit is not None and limit <= 0 for limit in (max_lifetime, max_idle)):
            raise ValueError("max_lifetime and max_idle must be above 0 seconds")
        self.database = database
        self.min_size = min_size
        self.max_size = max_size
        self.timeout = timeout
        self.close_timeout = close_timeout
        self.max_waiting = max_waiting
        self.max_lifetime = max_lifetime
        self.max_idle = max_idle
        self._check = check
        self._connect = connect or (lambda: aiosqlite.connect(database, **options))
        self._observer = observer
        # None while the pool is closed, and until all of `min_size` are open.
        self._stock: Stock | None = None
        # Held by whoever opens or closes, on one event loop at a time.
        self._lifecycle = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closings: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<SQLitePool {self.database!r} {self._state}, {self.free} of {self.total} free>"

    @property
    def total(self) -> int:
        """Connections that are open."""
        return self.free + self.borrowed

    @property
    def free(self) -> int:
        """Connections that are open and not borrowed."""
        return len(self._stock.free) if self._stock else 0

    @property
    def borrowed(self) -> int:
        """Connections that are borrowed."""
        return len(self._stock.leases) if self._stock else 0

    @property
    def waiting(self) -> int:
        """Tasks that are queued for a connection."""
        return len(self._stock.waiters) if self._stock else 0

    async def open(self) -> None:
        """Open `min_size` connections. Does nothing on a pool that is open.

        Raises:
            Exception: whatever the connect that failed raised; the connections opened before it are closed.
            PoolError: the pool is open on another event loop.
        """
        if self._loop is not asyncio.get_running_loop():
            if self._stock or self._lifecycle.locked():
                raise self._wrong_loop()
            self._move_here()
        async with self._lifecycle:
            if self._stock is None:
                stock = Stock(self, self._connect, self.max_size, self._observer)
                await stock.fill(self.min_size)
                self._stock = stock

    async def close(self, timeout: float | None = None) -> None:
        """Refuse new borrowers, wait for what is borrowed, close every connection.

        Tasks that are queued get `PoolClosed`. A connection still borrowed after `timeout` seconds
        (`close_timeout` when not given) is closed under its borrower. Does nothing on a closed pool. When the
        caller is cancelled, the closing goes on.

        Raises:
            Exception: what a connection's close raised, after all the others were closed.
            PoolError: the pool is open on another event loop, which is still there.
        """
        limit = self.close_timeout if timeout is None else timeout
        if self._loop is not asyncio.get_running_loop():
            if self._loop is None or self._stock is None:
                return
            if not self._loop.is_closed():
                raise self._wrong_loop()
            # Open connections keep the process from ending, and the tasks that held them are gone.
            self._stock.forget_tasks()
            self._move_here()
        # A task of its own, so that a cancelled caller does not leave connections open.
        closing = asyncio.get_running_loop().create_task(self._close(limit))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)
        await asyncio.shield(closing)

    async def _close(self, timeout: float) -> None:
        async with self._lifecycle:
            if self._stock:
                try:
                    await self._stock.shut(timeout)
                finally:
                    self._stock = None

    async def acquire(self, timeout: float | None = None) -> PooledConnection:
        """Borrow a connection; wait for one, in order, when all are borrowed.

        Args:
            timeout: seconds to wait; the pool's own when not given.

        Raises:
            PoolClosed: the pool is not open, or was closed meanwhile.
            PoolTimeout: none became free in time.
            TooManyWaiters: the queue is full.
            PoolError: the pool was opened on another event loop.
            Exception: a new connection was needed for this borrower, and its connect failed.
        """
        stock = self._stock
        if stock is None or not stock.lending:
            raise PoolClosed(f"the pool is {self._state}; open it at startup, before the first request")
        if self._loop is not asyncio.get_running_loop():
            raise self._wrong_loop()
        limit = self.timeout if timeout is None else timeout
        end = self._loop.time() + limit
        lease = stock.take() or await self._wait(stock, limit)
        while not (self._is_fresh(stock, lease) and await self._works(stock, lease, end)):
            stock.replace(lease)
            if not stock.lending:
                raise PoolClosed("the pool was closed while this task waited")
            lease = stock.take() or await self._wait(stock, max(0.0, end - self._loop.time()), again=True)
        return lease  # type: ignore[return-value]  # a lease passes every use on

    def _is_fresh(self, stock: Stock, lease: Lease) -> bool:
        """Tell whether a connection is neither too old nor was free for too long."""
        now, connection = asyncio.get_running_loop().time(), lease._lent
        age, idle = now - stock.opened_at[connection], now - stock.idle_since.get(connection, now)
        return age <= (self.max_lifetime or age) and idle <= (self.max_idle or idle)

    async def _works(self, stock: Stock, lease: Lease, end: float) -> bool:
        """Hand a connection over, and tell whether it passes the check in time."""
        if self._check is None:
            stock.hand_over(lease)
            return True
        try:
            stock.hand_over(lease)
            async with asyncio.timeout(max(0.0, end - asyncio.get_running_loop().time())):
                await self._check(lease._lent)
        except asyncio.CancelledError:
            stock.give_up(lease)
            raise
        except Exception:  # whatever the check raises, the connection did not pass it
            return False
        return True

    @staticmethod
    async def check_connection(connection: aiosqlite.Connection) -> None:
        """Run a query that any working connection answers; for the pool's `check`.

        Raises:
            Exception: the connection is broken.
        """
        async with connection.execute("SELECT 1") as cursor:
            await cursor.fetchone()

    async def _wait(self, stock: Stock, timeout: float, *, again: bool = False) -> Lease:
        if self.max_waiting is not None and stock.full and self.waiting >= self.max_waiting and not again:
            raise TooManyWaiters(f"{self.waiting} tasks already wait for a connection; the limit is max_waiting")
        waiter = stock.enqueue(first=again)
        try:
            # `wait` leaves the future alone at a timeout: a connection that comes in the same tick is seen.
            await asyncio.wait((waiter,), timeout=timeout)
        except asyncio.CancelledError:
            stock.withdraw(waiter)
            raise
        if not waiter.done():
            stock.withdraw(waiter)
            raise PoolTimeout(
                f"no connection became free within {timeout:g} s: all {self.total} are borrowed"
                f" and {self.waiting} other tasks wait"
            )
        return waiter.result()

    async def release(self, connection: PooledConnection) -> None:
        """Return a borrowed connection. Returning it a second time does nothing.

        An open transaction is rolled back; a connection that cannot be reset is closed and replaced when
        needed. When the caller is cancelled, the return still completes.

        Raises:
            PoolError: the connection is of another pool, or of none, or was borrowed on another event loop.
        """
        lease: Any = connection
        if not isinstance(lease, Lease) or lease._pool is not self:
            raise PoolError("this connection is not of this pool; return it where it was acquired")
        if lease._returned:
            return
        stock = self._stock
        if stock is None or lease not in stock.leases:
            end(lease)  # the pool was closed under it
            return
        if self._loop is not asyncio.get_running_loop():
            raise self._wrong_loop()
        end(lease)
        await stock.take_back(lease)

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

    @property
    def _state(self) -> str:
        if self._stock is None:
            return "closed"
        return "open" if self._stock.lending else "closing"

    def _move_here(self) -> None:
        """Belong to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._lifecycle = asyncio.Lock()  # a lock belongs to the first loop on which a task waited for it

    def _wrong_loop(self) -> PoolError:
        return PoolError("this pool was opened on another event loop; open one pool for each loop")
