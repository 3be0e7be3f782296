"""A pool of connections to one SQLite database. `app.py` lets you work it by hand: `uvicorn app:app`."""

import aiosqlite


class Lent:
    """One borrow of a connection. What is asked of it, it passes on to the connection.

    Two borrows of one connection are two of these, so that a pool can tell them apart. You may change it, or use
    something else.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self.connection = connection

    def __getattr__(self, name: str):
        return getattr(self.connection, name)


class Pool:
    """Lends connections to a database and takes them back. README.md says what each method promises."""

    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        # TODO: make this a pool. What it does today: it opens a connection for each borrower, as many as come.
        self._database = database

    async def open(self) -> None:
        """Open `min_size` connections."""

    async def close(self) -> None:
        """Close every connection."""

    async def acquire(self) -> aiosqlite.Connection:
        """Lend a connection."""
        return await aiosqlite.connect(self._database)

    async def release(self, connection: aiosqlite.Connection) -> None:
        """Take a connection back."""
        await connection.close()

    def connection(self):
        """Lend a connection for the length of an `async with`."""
        raise NotImplementedError
