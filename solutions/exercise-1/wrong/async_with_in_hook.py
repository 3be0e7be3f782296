# misconception: closed-at-once
# caught by: starts-full
# mistake: 11
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

app = FastAPI()


@app.on_event("startup")
async def fill_the_pool() -> None:
    """Open the pool and see whether it works."""
    async with database:
        await database.fetch_val("SELECT 1")


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
