"""Tasks of a request are cancelled: in line, and with the only connection in hand."""
# schema: exercise-3
# requests: GET /in-line, GET /finally, GET /except-exception, GET /finally

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=1, timeout=0.3)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


async def with_finally() -> None:
    connection = await pool.acquire()
    try:
        await connection.execute_fetchall("SELECT 1")
        await asyncio.sleep(60)
    finally:
        await pool.release(connection)


async def with_except() -> None:
    connection = await pool.acquire()
    try:
        await connection.execute_fetchall("SELECT 1")
        await asyncio.sleep(60)
    except Exception:
        await pool.release(connection)
        raise
    await pool.release(connection)


async def cancel(work: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.ensure_future(work())
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])


@app.get("/in-line")
async def in_line() -> None:
    async with pool.connection() as connection:
        await cancel(with_finally)
        await connection.execute_fetchall("SELECT 2")
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT 3")


@app.get("/finally")
async def cancel_with_finally() -> None:
    await cancel(with_finally)


@app.get("/except-exception")
async def cancel_with_except() -> None:
    await cancel(with_except)
