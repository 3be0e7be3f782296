"""The backend of `databases` that borrows from a `SQLitePool`."""

from __future__ import annotations

from typing import Any

from databases import Database, DatabaseURL
from databases.backends.sqlite import SQLiteBackend, SQLiteConnection

from poolkit.sqlite_pool._lease import PooledConnection
from poolkit.sqlite_pool._pool import SQLitePool

SCHEME = "sqlite+pool"

_SIZES = ("min_size", "max_size", "max_waiting")
_SECONDS = ("timeout", "close_timeout", "max_lifetime", "max_idle")
_CALLS = ("check",)
_DRIVER = ("cached_statements", "detect_types", "factory", "iter_chunk_size", "uri")


class PoolBackend(SQLiteBackend):
    """Serves `sqlite+pool://` URLs. Sizes and times may stand in the URL or be given to `Database`.

    Options: `min_size`, `max_size`, `max_waiting` (connections, tasks), `timeout`, `close_timeout`, `max_lifetime`,
    `max_idle` (seconds). `Database` takes `check` and some of `aiosqlite.connect` too: `cached_statements`,
    `detect_types`, `factory`, `iter_chunk_size`, `uri`. An option given in both places is the one given to `Database`.

    Raises:
        ValueError: an option is unknown, or its value makes no sense.
    """

    def __init__(self, database_url: DatabaseURL | str, **options: Any) -> None:  # noqa: ANN401  (as in the base)
        url = DatabaseURL(database_url)
        settings = self._settings(url, options)
        # Without the options, for one of which the base opens a connection at once.
        super().__init__(url.replace(query=""))
        # The base's pool is of another class, but only the methods below use it.
        self._pool: SQLitePool = self._make_pool(url.database, **settings)  # type: ignore[assignment]

    def _make_pool(self, database: str, **settings: Any) -> SQLitePool:  # noqa: ANN401  (those of SQLitePool)
        # `databases` sends its own BEGIN and COMMIT.
        return SQLitePool(database, isolation_level=None, **settings)

    @staticmethod
    def _settings(url: DatabaseURL, options: dict[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, text in url.options.items():
            if name not in _SIZES + _SECONDS:
                raise ValueError(f"{SCHEME} URL: unknown option {name!r}; it takes {', '.join(_SIZES + _SECONDS)}")
            try:
                settings[name] = int(text) if name in _SIZES else float(text)
            except ValueError:
                raise ValueError(f"{SCHEME} URL: {name} must be a number, not {text!r}") from None
        known = _SIZES + _SECONDS + _CALLS + _DRIVER
        for name in options:
            if name not in known:
                raise ValueError(f"Database({SCHEME}): unknown option {name!r}; it takes {', '.join(known)}")
        return settings | options

    async def connect(self) -> None:
        """Open the pool."""
        await self._pool.open()

    async def disconnect(self) -> None:
        """Close the pool."""
        await self._pool.close()

    def connection(self) -> PoolConnection:
        """Return a handle that borrows when it is acquired."""
        return PoolConnection(self._pool, self._dialect)  # type: ignore[arg-type]  # as `_pool` above


class PoolConnection(SQLiteConnection):
    """One borrow, as `databases` handles it: the queries are the stock backend's."""

    _pool: SQLitePool  # type: ignore[assignment]  # not the base's class, but only the methods below use it
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
