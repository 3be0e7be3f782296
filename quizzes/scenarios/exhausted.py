"""A pool of one whose only connection is kept for a while."""
# schema: exercise-3
# requests: GET /items/1, GET /keep, GET /items/1, GET /opening-hours, GET /give-back, GET /items/1

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from poolkit.errors import PoolTimeout
from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=1, timeout=0.3)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
async def too_busy(request: Request, error: PoolTimeout) -> JSONResponse:
    return JSONResponse({"detail": "too busy"}, status_code=503, headers={"Retry-After": "2"})


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> int:
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT name FROM items WHERE id = ?", (item_id,))
    return item_id


@app.get("/keep")
async def keep() -> None:
    app.state.kept = await pool.acquire()


@app.get("/give-back")
async def give_back() -> None:
    await pool.release(app.state.kept)


@app.get("/opening-hours")
async def opening_hours() -> str:
    return "9 to 5"
