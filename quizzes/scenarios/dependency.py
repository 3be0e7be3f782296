"""A dependency with yield that two parts of a request share."""
# schema: exercise-3
# requests: GET /items/1, GET /items/99, GET /items/teapot, GET /prices/99

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException

from poolkit.sqlite_pool import PooledConnection, SQLitePool

pool = SQLitePool("shop.db", min_size=3)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


async def get_connection() -> AsyncIterator[PooledConnection]:
    async with pool.connection() as connection:
        yield connection


async def lend_connection() -> AsyncIterator[PooledConnection]:
    connection = await pool.acquire()
    yield connection
    await pool.release(connection)


Lent = Annotated[PooledConnection, Depends(get_connection)]


async def wanted(item_id: int, connection: Lent) -> str:
    rows = list(await connection.execute_fetchall("SELECT name FROM items WHERE id = ?", (item_id,)))
    if not rows:
        raise HTTPException(404, "no such item")
    return str(rows[0][0])


@app.get("/items/{item_id}")
async def read_item(name: Annotated[str, Depends(wanted)], connection: Lent) -> str:
    await connection.execute_fetchall("SELECT count(*) FROM items")
    return name


@app.get("/prices/{item_id}")
async def read_price(item_id: int, connection: Annotated[PooledConnection, Depends(lend_connection)]) -> str:
    raise HTTPException(404, "no such item")
