# right: the pools are made in the lifespan and kept in app.state
"""A small shop with an archive: its front page counts items and orders. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, Request

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the pools, hand them to the routes, close them."""
    pools = {"shop": Database("sqlite+pool:///shop.db?min_size=4"), "archive": Database("sqlite+pool:///archive.db")}
    for pool in pools.values():
        await pool.connect()
    app.state.pools = pools
    yield
    for pool in reversed(pools.values()):
        await pool.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def read_shop(request: Request) -> dict[str, Any]:
    """Return how many items the shop has, and how many orders the archive."""
    pools = request.app.state.pools
    async with pools["shop"].connection() as connection:
        items = await connection.fetch_val("SELECT count(*) FROM items")
    async with pools["archive"].connection() as connection:
        orders = await connection.fetch_val("SELECT count(*) FROM orders")
    return {"items": items, "orders": orders}
