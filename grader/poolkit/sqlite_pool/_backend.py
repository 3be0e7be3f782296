"""The backend of `databases` that borrows from a `SQLitePool`."""

from __future__ import annotations

from typing import Any

from databases import Database, DatabaseURL
from databases.backends.sqlite import SQLiteBackend, SQLiteConnection

from poolkit.sqlite_pool._pool import PooledConnection, SQLitePool

SCHEME = "sqlite+pool"

_SIZES = ("min_size", "max_size", "max_waiting")
_SECONDS = ("timeout", "close_timeout")


class PoolBackend(SQLiteBackend):
    """Serves `sqlite+pool://` URLs. Sizes and times may stand in the URL or be given to `Database`.

    Options: `min_size`, `max_size`, `max_waiting` (connections, tasks), `timeout`, `close_timeout` (seconds).
    """

    def __init__(self, database_url: DatabaseURL | str, **options: Any) -> None:  # noqa: ANN401  (as in the base)
        url = DatabaseURL(database_url)
        settings = self._settings(url, options)
        super().__init__(url.replace(query=""))
        self._pool: SQLitePool = self._make_pool(url.database, **settings)

    def _make_pool(self, database: str, **settings: Any) -> SQLitePool:  # noqa: ANN401  (those of SQLitePool)
        # `databases` sends its own BEGIN and COMMIT.
        return SQLitePool(database, isolation_level=None, **settings)

    @staticmethod
    def _settings(url: DatabaseURL, options: dict[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, text in url.options.items():
            if name not in _SIZES + _SECONDS:
                raise ValueError(
                    f"{SCHEME} URL: unknown option {name!r}; it takes {', '.join(_SIZES + _SECONDS)}"
                )
            try:
                settings[name] = int(text) if name in _SIZES else float(text)
            except ValueError:
                raise ValueError(f"{SCHEME} URL: {name} must be a number, not {text!r}") from None
        return settings | options

    async def connect(self) -> None:
        """Open the pool."""
        await self._pool.open()

    async def disconnect(self) -> None:
        """Close the pool."""
        await self._pool.close()

    def connection(self) -> PoolConnection:
        """Return a handle that borrows when it is acquired."""
        return PoolConnection(self._pool, self._dialect)


class PoolConnection(SQLiteConnection):
    """One borrow, as `databases` handles it: the queries are the stock backend's."""

    _pool: SQLitePool
    _connection: PooledConnection | None

    async def acquire(self) -> None:
        """Borrow from the pool."""
        assert self._connection is None, "Connection is already acquired"
        self._connection = await self._pool.acquire()

    async def release(self) -> None:
        """Return what was borrowed."""
        assert self._connection is not None, "Connection is not acquired"
        # Forgotten before the wait: a cancelled release must not leave a returned connection here.
        connection, self._connection = self._connection, None
        await self._pool.release(connection)


def register(scheme: str = SCHEME, backend: str = "poolkit.sqlite_pool:PoolBackend") -> None:
    """Let `databases.Database` accept URLs of a scheme with a backend of ours."""
    Database.SUPPORTED_BACKENDS[scheme] = backend
