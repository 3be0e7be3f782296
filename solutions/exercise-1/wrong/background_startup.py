# misconception: not-waited-for
# caught by: starts-full
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

import asyncio
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

app = FastAPI()
tasks = []


async def connect_everything() -> None:
    """Open the pool and look whether it works."""
    await database.connect()
    await database.fetch_val("SELECT 1")


@app.on_event("startup")
async def startup() -> None:
    """Start fast: open the pool in the background."""
    tasks.append(asyncio.ensure_future(connect_everything()))


@app.on_event("shutdown")
async def shutdown() -> None:
    """Close the pool."""
    await database.disconnect()


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
