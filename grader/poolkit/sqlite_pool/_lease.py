"""What a borrower holds: a connection, until it is returned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiosqlite
from aiosqlite.context import contextmanager

from poolkit.errors import PoolError

_MAKE_CURSORS = frozenset({"cursor", "execute", "executemany", "executescript"})


class Lease:
    """A borrowed connection, as its borrower sees it: the aiosqlite connection until it is returned.

    Each borrow has a lease of its own, so that a second return, or use after the return, cannot reach a
    connection that somebody else holds by then. That goes for the cursors made during the borrow too.
    """

    __slots__ = ("_cursors", "_lent", "_pool", "_returned")

    def __init__(self, pool: object, connection: aiosqlite.Connection) -> None:
        for name, value in (
            ("_pool", pool),
            ("_lent", connection),
            ("_returned", False),
            ("_cursors", WeakSet()),
        ):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the connection has)
        found = getattr(held(self), name)
        return partial(self._make_cursor, found) if name in _MAKE_CURSORS else found

    def __setattr__(self, name: str, value: object) -> None:
        setattr(held(self), name, value)

    def __repr__(self) -> str:
        return f"<connection of {self._pool!r}, {'returned' if self._returned else 'borrowed'}>"

    @contextmanager  # of aiosqlite: what it makes can be awaited or entered, as the connection's own methods
    async def _make_cursor(
        self,
        make: Callable[..., Awaitable[aiosqlite.Cursor]],
        *args: Any,  # noqa: ANN401  (the connection's own)
        **options: Any,  # noqa: ANN401
    ) -> aiosqlite.Cursor:
        # In a task of its own, so that the cursor is known even when the caller is cancelled meanwhile.
        return await asyncio.shield(asyncio.create_task(self._adopt(make(*args, **options))))

    async def _adopt(self, making: Awaitable[aiosqlite.Cursor]) -> aiosqlite.Cursor:
        cursor = await making
        lease: Any = self
        cursor._conn = lease  # whatever the cursor does, it asks the lease first
        self._cursors.add(cursor)
        return cursor


if TYPE_CHECKING:

    class PooledConnection(aiosqlite.Connection):
        """What `acquire` lends: an `aiosqlite.Connection` until it is returned."""

else:
    PooledConnection = Lease


def held(lease: Any) -> aiosqlite.Connection:  # noqa: ANN401  (a lease, which type checkers see as a connection)
    """Return the connection of a lease.

    Raises:
        PoolError: it was returned.
    """
    if lease._returned:
        raise PoolError("this connection was returned to its pool; acquire one again")
    connection: aiosqlite.Connection = lease._lent
    return connection


def end(lease: Lease) -> None:
    """Make a lease and its cursors unusable; the connection itself stays as it is."""
    object.__setattr__(lease, "_returned", True)


async def reset(lease: Lease) -> None:
    """Take out of a returned connection what its borrower left in it.

    Raises:
        Exception: whatever the driver raises; the connection is then not fit to be lent again.
    """
    connection: aiosqlite.Connection = lease._lent
    # Always, not only when a transaction shows: a statement of a cancelled task may still be running in the
    # connection's thread, and the rollback queues behind it.
    await connection.rollback()
    if connection.in_transaction and await _commits_itself(connection):
        # There rollback() does nothing, and a transaction of the borrower's own BEGIN is open still.
        await connection.execute("ROLLBACK")
    for cursor in list(lease._cursors):
        # Rows that were not read keep the database locked, and no rollback ends that.
        await aiosqlite.Cursor(connection, cursor._cursor).close()
    connection.row_factory = None
    connection.text_factory = str


async def _commits_itself(connection: aiosqlite.Connection) -> bool:
    """Tell whether a connection was opened with `autocommit=True`, which sqlite3 has from Python 3.12 on."""
    # In the connection's own thread, as sqlite3 wants it; aiosqlite has nothing public for that.
    found = await connection._execute(getattr, connection._conn, "autocommit", None)  # type: ignore[no-untyped-call]
    return found is True
