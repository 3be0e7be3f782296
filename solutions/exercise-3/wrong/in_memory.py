# misconception: memory-database
# caught by: reads-the-item
# mistake: 51
"""A small shop: one route that shows an item. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

# In memory it is faster; the table is filled at startup.
database = Database("sqlite+pool:///:memory:", min_size=4)
ITEMS = [(1, "Teapot", 2450), (2, "Lantern", 1890), (3, "Notebook", 480), (4, "Umbrella", 1575)]

QUERY = "SELECT id, name, price_cents FROM items WHERE id = :id"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price_cents INTEGER)")
        insert = "INSERT INTO items (id, name, price_cents) VALUES (:id, :name, :price)"
        await connection.execute_many(insert, [{"id": i, "name": n, "price": p} for i, n, p in ITEMS])
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, Any]:
    """Return one item, or 404 when there is none."""
    async with database.connection() as connection:
        row = await connection.fetch_one(QUERY, {"id": item_id})
    if row is None:
        raise HTTPException(404, "no such item")
    return dict(row._mapping)
