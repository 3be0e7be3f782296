"""A route that returns its connection unless there is no such item, and one that always does."""
# schema: exercise-3
# requests: GET /items/1, GET /items/99, GET /items/2, GET /archive/99

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=3)

QUERY = "SELECT name FROM items WHERE id = ?"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> str:
    connection = await pool.acquire()
    rows = list(await connection.execute_fetchall(QUERY, (item_id,)))
    if not rows:
        raise HTTPException(404, "no such item")
    await pool.release(connection)
    return str(rows[0][0])


@app.get("/archive/{item_id}")
async def read_archived(item_id: int) -> str:
    connection = await pool.acquire()
    try:
        rows = list(await connection.execute_fetchall(QUERY, (item_id,)))
        if not rows:
            raise HTTPException(404, "no such item")
        return str(rows[0][0])
    finally:
        await pool.release(connection)
