"""A startup that calls `connect` without `await`."""
# schema: exercise-3
# requests: GET /items/1, GET /items/2

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # noqa: F401  (lets Database pool SQLite: sqlite+pool://)

database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> str:
    return await database.fetch_val("SELECT name FROM items WHERE id = :id", {"id": item_id})
