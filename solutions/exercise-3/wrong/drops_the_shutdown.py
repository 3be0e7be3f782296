# misconception: drops-the-shutdown
# caught by: emptied-at-shutdown
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
    """Fill the pool at startup."""
    await database.connect()
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, Any]:
    """Return one item, or 404 when there is none."""
    async with database.connection() as connection:
        row = await connection.fetch_one(QUERY, {"id": item_id})
    if row is None:
        raise HTTPException(404, "no such item")
    return dict(row._mapping)
