# right: the pool is made in the lifespan and kept in app.state
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, Request

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the pool where it is opened, and hand it to the routes in `app.state`."""
    async with Database("sqlite+pool:///shop.db?min_size=2&max_size=4") as database:
        app.state.database = database
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def read_shop(request: Request) -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await request.app.state.database.fetch_val("SELECT count(*) FROM items")}
