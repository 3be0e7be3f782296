"""The kit's own pool, with its check switched on, behind the interface of exercises 12, 13 and 15."""

from poolkit.sqlite_pool import SQLitePool


class Pool(SQLitePool):
    def __init__(self, database, *, min_size=2, max_size=4, timeout=30.0, max_lifetime=3600.0, max_idle=600.0):
        super().__init__(
            database,
            min_size=min_size,
            max_size=max_size,
            timeout=timeout,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            check=self.check_connection,
        )
