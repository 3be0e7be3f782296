# right: the opening runs in a task of its own, bounded and retried, and is waited for
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)


async def open_pool() -> None:
    """Open the pool; give the database three chances."""
    for attempt in range(3):
        try:
            return await asyncio.wait_for(database.connect(), timeout=10)
        except Exception as error:
            print("the database cannot be reached yet:", error)
            await asyncio.sleep(attempt)
    raise RuntimeError("the database cannot be reached")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool, and see to it that it is empty in the end."""
    opening = asyncio.create_task(open_pool())
    await opening
    try:
        yield
    finally:
        await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
