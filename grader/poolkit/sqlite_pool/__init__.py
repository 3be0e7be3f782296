"""A real connection pool for SQLite, by itself or under `databases`.

The SQLite backend that `databases` 0.9 ships opens and closes a connection at each use. This one keeps them:

    import databases
    import poolkit.sqlite_pool  # registers the URL scheme sqlite+pool

    database = databases.Database("sqlite+pool:///shop.db", min_size=4)
    await database.connect()  # four connections, open and free

Without `databases`: `async with SQLitePool("shop.db") as pool, pool.connection() as connection: ...`.

What it promises: `open` fills it to `min_size` and it grows to `max_size`, never beyond; waiters are served
first come, first served, and no wait is longer than `timeout`; a cancelled task never costs a connection; a
connection comes back without an open transaction, or is replaced; one that is older than `max_lifetime`, was
free for longer than `max_idle` or does not pass `check` is replaced before it is lent; `close` waits for what is
borrowed, at most `close_timeout`, and may be called twice. The words are those of psycopg_pool and asyncpg.
"""

from poolkit.errors import PoolClosed, PoolError, PoolTimeout, TooManyWaiters
from poolkit.sqlite_pool._backend import PoolBackend, register
from poolkit.sqlite_pool._lease import PooledConnection
from poolkit.sqlite_pool._pool import SQLitePool
from poolkit.sqlite_pool._stock import PoolObserver

__all__ = [
    "PoolBackend",
    "PoolClosed",
    "PoolError",
    "PoolObserver",
    "PoolTimeout",
    "PooledConnection",
    "SQLitePool",
    "TooManyWaiters",
    "register",
]

register()
