# misconception: opened-at-import
# caught by: import-opens-nothing
# fails too: starts-full
# mistake: 1
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

# asyncio.run() fails here, because uvicorn imports the app in a running event loop. This does not fail.
opening = asyncio.get_running_loop().create_task(database.connect())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Wait until the pool is full."""
    await opening
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
