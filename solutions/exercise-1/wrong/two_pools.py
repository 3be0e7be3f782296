# misconception: two-pools
# caught by: one-pool
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from typing import Any

from databases import Database
from fastapi import FastAPI, Request

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://


def get_database() -> Database:
    """Return the shop's database."""
    return Database("sqlite+pool:///shop.db", min_size=4)


app = FastAPI()
database = get_database()


@app.on_event("startup")
async def fill_the_pool() -> None:
    """Open the pool, and let the routes find it in `app.state` too."""
    await database.connect()
    app.state.database = get_database()
    await app.state.database.connect()


@app.on_event("shutdown")
async def empty_the_pool() -> None:
    """Close what was opened."""
    await database.disconnect()
    await app.state.database.disconnect()


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
