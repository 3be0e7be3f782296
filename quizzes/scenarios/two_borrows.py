"""Two dependencies that each borrow, two that share one, and a pool of two."""
# schema: exercise-3
# requests: GET /twice, GET /shared, GET /in-turn, GET /thrice

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from poolkit.errors import PoolTimeout
from poolkit.sqlite_pool import PooledConnection, SQLitePool

pool = SQLitePool("shop.db", min_size=2, timeout=0.3)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
async def too_busy(request: Request, error: PoolTimeout) -> JSONResponse:
    return JSONResponse({"detail": "too busy"}, status_code=503)


async def get_connection() -> AsyncIterator[PooledConnection]:
    async with pool.connection() as connection:
        yield connection


async def get_another() -> AsyncIterator[PooledConnection]:
    async with pool.connection() as connection:
        yield connection


Lent = Annotated[PooledConnection, Depends(get_connection)]
Another = Annotated[PooledConnection, Depends(get_another)]


async def customer(connection: Lent) -> str:
    await connection.execute_fetchall("SELECT 1")
    return "Mira"


Customer = Annotated[str, Depends(customer)]


@app.get("/twice")
async def twice(customer: Customer, connection: Another) -> None:
    await connection.execute_fetchall("SELECT 2")


@app.get("/shared")
async def shared(customer: Customer, connection: Lent) -> None:
    await connection.execute_fetchall("SELECT 2")


@app.get("/in-turn")
async def in_turn() -> None:
    for query in ("SELECT 1", "SELECT 2"):
        async with pool.connection() as connection:
            await connection.execute_fetchall(query)


@app.get("/thrice")
async def thrice(customer: Customer, connection: Another) -> None:
    async with pool.connection() as third:
        await third.execute_fetchall("SELECT 3")
