# right: a class of its own that knows the statements
"""A small shop: one route that shows an item. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

QUERY = "SELECT id, name, price_cents FROM items WHERE id = :id"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


class Items:
    """The shop's items."""

    def __init__(self, pool: Database) -> None:
        self.pool = pool

    async def find(self, item_id: int) -> dict[str, Any] | None:
        """Return one item, or None."""
        async with self.pool.connection() as connection:
            row = await connection.fetch_one(QUERY, {"id": item_id})
            return dict(row._mapping) if row else None


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, Any]:
    """Return one item, or 404 when there is none."""
    item = await Items(database).find(item_id)
    if item is None:
        raise HTTPException(404, "no such item")
    return item
