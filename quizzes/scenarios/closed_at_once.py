"""A pool whose `async with` block ends before the `yield`."""
# schema: exercise-3
# requests: GET /items/1

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        print("the pool is open")
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> str:
    async with pool.connection() as connection:
        rows = list(await connection.execute_fetchall("SELECT name FROM items WHERE id = ?", (item_id,)))
    return str(rows[0][0])
