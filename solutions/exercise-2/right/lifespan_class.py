# right: the lifespan is a class with __aenter__ and __aexit__
"""A small shop with an archive: its front page counts items and orders. Run it with `uvicorn app:app`."""

from types import TracebackType
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)
archive = Database("sqlite+pool:///archive.db", min_size=2)


class Pools:
    """Both pools, open from the startup to the shutdown."""

    def __init__(self, app: FastAPI) -> None:
        self.pools = (database, archive)

    async def __aenter__(self) -> None:
        for pool in self.pools:
            await pool.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self.pools:
            await pool.disconnect()


app = FastAPI(lifespan=Pools)


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has, and how many orders the archive."""
    items = await database.fetch_val("SELECT count(*) FROM items")
    orders = await archive.fetch_val("SELECT count(*) FROM orders")
    return {"items": items, "orders": orders}
