# right: the hooks are the pools' own methods, given to FastAPI as arguments
"""A small shop with an archive: its front page counts items and orders. Run it with `uvicorn app:app`."""

from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)
archive = Database("sqlite+pool:///archive.db", min_size=2)

app = FastAPI(
    on_startup=[database.connect, archive.connect],
    on_shutdown=[archive.disconnect, database.disconnect],
)


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has, and how many orders the archive."""
    items = await database.fetch_val("SELECT count(*) FROM items")
    orders = await archive.fetch_val("SELECT count(*) FROM orders")
    return {"items": items, "orders": orders}
