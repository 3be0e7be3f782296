"""A pool that opens one connection and may grow to three; and what it does with an open transaction."""
# schema: exercise-3
# requests: GET /together/1, GET /together/3, GET /together/1, GET /together/5
# requests: GET /half-done, GET /count/4, GET /twice-returned

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=1, max_size=3)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


async def work() -> None:
    async with pool.connection() as connection:
        await asyncio.sleep(0.1)
        await connection.execute_fetchall("SELECT 1")
        await asyncio.sleep(0.1)


@app.get("/together/{workers}")
async def together(workers: int) -> None:
    await asyncio.gather(*(work() for _ in range(workers)))


@app.get("/half-done")
async def half_done() -> None:
    async with pool.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute("DELETE FROM items WHERE id = 1")


@app.get("/count/{items}")
async def count(items: int) -> None:
    async with pool.connection() as connection:
        rows = list(await connection.execute_fetchall("SELECT count(*) FROM items"))
    if rows[0][0] != items:
        raise HTTPException(409, "another number")


@app.get("/twice-returned")
async def twice_returned() -> None:
    connection = await pool.acquire()
    await pool.release(connection)
    await pool.release(connection)
