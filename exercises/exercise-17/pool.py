"""A pool that keeps every promise of README.md. Run your tests against it with `pytest test_pool.py`.

A run of `poolkit check` tests other pools in its place. To see whether a test of yours can fail, break this one:
give it a `release` that does nothing, for instance.
"""

from poolkit.errors import PoolTimeout
from poolkit.sqlite_pool import PooledConnection, SQLitePool

# Seconds. The kit's own pool counts an opening in its timeout, and this one does not: whoever comes while there is room
# waits for a connection of their own.
_FOR_AN_OPENING = 3600.0


class Pool(SQLitePool):
    """The kit's own pool, with the settings of this exercise."""

    def __init__(self, database: str, *, min_size: int = 2, max_size: int = 4, timeout: float = 30.0) -> None:
        super().__init__(database, min_size=min_size, max_size=max_size, timeout=timeout)

    async def acquire(self, timeout: float | None = None) -> PooledConnection:
        """Lend a connection."""
        if timeout is None and self.total + self.waiting < self.max_size:
            timeout = _FOR_AN_OPENING
        try:
            return await super().acquire(timeout)
        except PoolTimeout as error:
            raise TimeoutError(str(error)) from None
