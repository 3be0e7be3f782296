"""The same restart, with a pool that checks what it lends and replaces what is over a minute old."""
# schema: exercise-3
# requests: GET /items/1, kill 1, kill 2, GET /items/1, GET /wrong, GET /items/1, advance 61, GET /items/1

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=2, max_lifetime=60, check=SQLitePool.check_connection)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> int:
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT name FROM items WHERE id = ?", (item_id,))
    return item_id


@app.get("/wrong")
async def wrong() -> None:
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT name FROM no_such_table")
