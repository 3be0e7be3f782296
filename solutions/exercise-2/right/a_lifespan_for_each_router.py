# right: each pool belongs to a router with a lifespan of its own
"""A small shop with an archive: its front page counts items and orders. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import APIRouter, FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)
archive = Database("sqlite+pool:///archive.db", min_size=2)


@asynccontextmanager
async def with_shop(app: FastAPI) -> AsyncIterator[None]:
    """Keep the shop's pool open."""
    async with database:
        yield


@asynccontextmanager
async def with_archive(app: FastAPI) -> AsyncIterator[None]:
    """Keep the archive's pool open."""
    await archive.connect()
    yield
    await archive.disconnect()


shop = APIRouter(lifespan=with_shop)
orders = APIRouter(lifespan=with_archive)


@shop.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}


@orders.get("/orders")
async def read_orders() -> dict[str, Any]:
    """Return how many orders the archive has."""
    return {"orders": await archive.fetch_val("SELECT count(*) FROM orders")}


app = FastAPI()
app.include_router(shop)
app.include_router(orders)
