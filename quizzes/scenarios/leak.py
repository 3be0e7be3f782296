"""A route that borrows and never returns, in a pool of two."""
# schema: exercise-3
# requests: GET /items/1, GET /items/2, GET /items/3

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=2, timeout=0.3)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> str:
    connection = await pool.acquire()
    rows = list(await connection.execute_fetchall("SELECT name FROM items WHERE id = ?", (item_id,)))
    return str(rows[0][0])
