"""A background task that takes a moment, and three ways to lend a connection to its route."""
# schema: exercise-3
# requests: GET /kept, GET /early, GET /used-late, GET /own

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI

from poolkit.sqlite_pool import PooledConnection, SQLitePool

pool = SQLitePool("shop.db", min_size=2)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


async def get_connection() -> AsyncIterator[PooledConnection]:
    async with pool.connection() as connection:
        yield connection


async def send_mail() -> None:
    await asyncio.sleep(0.2)


async def write_down(connection: PooledConnection) -> None:
    await send_mail()
    await connection.execute_fetchall("SELECT 'written down'")


async def write_on_its_own() -> None:
    await send_mail()
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT 'written down'")


@app.get("/kept")
async def kept(tasks: BackgroundTasks, connection: Annotated[PooledConnection, Depends(get_connection)]) -> None:
    await connection.execute_fetchall("SELECT 1")
    tasks.add_task(send_mail)


@app.get("/early")
async def early(
    tasks: BackgroundTasks, connection: Annotated[PooledConnection, Depends(get_connection, scope="function")]
) -> None:
    await connection.execute_fetchall("SELECT 1")
    tasks.add_task(send_mail)


@app.get("/used-late")
async def used_late(tasks: BackgroundTasks) -> None:
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT 1")
        tasks.add_task(write_down, connection)


@app.get("/own")
async def own(tasks: BackgroundTasks) -> None:
    tasks.add_task(write_on_its_own)
