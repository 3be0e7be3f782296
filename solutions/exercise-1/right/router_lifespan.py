# right: the lifespan belongs to a router that the app includes
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import APIRouter, FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool for as long as the app runs."""
    async with database:
        yield


router = APIRouter(lifespan=lifespan)


@router.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    async with database.connection() as connection:
        return {"items": await connection.fetch_val("SELECT count(*) FROM items")}


app = FastAPI()
app.include_router(router)
