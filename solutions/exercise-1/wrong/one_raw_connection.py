# misconception: outside-the-pool
# caught by: starts-full
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
from fastapi import FastAPI, Request


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the connection that all requests use."""
    app.state.connection = await aiosqlite.connect("shop.db")
    yield
    await app.state.connection.close()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def read_shop(request: Request) -> dict[str, Any]:
    """Return how many items the shop has."""
    async with request.app.state.connection.execute("SELECT count(*) FROM items") as cursor:
        row = await cursor.fetchone()
    return {"items": row[0]}
