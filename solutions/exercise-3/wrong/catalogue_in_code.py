# misconception: invented-rows
# caught by: reads-the-item
"""A small shop: one route that shows an item. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

ITEMS: dict[int, dict[str, Any]] = {
    1: {"name": "Teapot", "price_cents": 2450},
    2: {"name": "Lantern", "price_cents": 1890},
    3: {"name": "Notebook", "price_cents": 480},
    4: {"name": "Umbrella", "price_cents": 1575},
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, Any]:
    """Return one item, or 404 when there is none."""
    if item_id not in ITEMS:
        raise HTTPException(404, "no such item")
    return {"id": item_id, **ITEMS[item_id]}
