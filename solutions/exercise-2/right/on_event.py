# right: on_event hooks, one for each pool and event
"""A small shop with an archive: its front page counts items and orders. Run it with `uvicorn app:app`."""

from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)
archive = Database("sqlite+pool:///archive.db", min_size=2)

app = FastAPI()


@app.on_event("startup")
async def fill_the_pools() -> None:
    """Open both pools."""
    await database.connect()
    await archive.connect()


@app.on_event("shutdown")
async def close_the_shop() -> None:
    """Close the shop's pool."""
    await database.disconnect()


@app.on_event("shutdown")
async def close_the_archive() -> None:
    """Close the archive's pool."""
    await archive.disconnect()


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has, and how many orders the archive."""
    items = await database.fetch_val("SELECT count(*) FROM items")
    orders = await archive.fetch_val("SELECT count(*) FROM orders")
    return {"items": items, "orders": orders}
