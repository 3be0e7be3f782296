# misconception: never-opened
# caught by: starts-full
# mistake: 10
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


shop = FastAPI(lifespan=lifespan)


@shop.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}


app = FastAPI()
app.mount("/", shop)
