# right: the kit's pool without databases, acquired and released
"""A small shop: one route that shows an item. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=4)

QUERY = "SELECT id, name, price_cents FROM items WHERE id = :id"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, Any]:
    """Return one item, or 404 when there is none."""
    connection = await pool.acquire()
    try:
        async with connection.execute(QUERY, {"id": item_id}) as cursor:
            row = await cursor.fetchone()
    finally:
        await pool.release(connection)
    if row is None:
        raise HTTPException(404, "no such item")
    return {"id": row[0], "name": row[1], "price_cents": row[2]}
