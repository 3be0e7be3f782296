# misconception: probe-keeps-a-connection
# caught by: probe-in-trouble
"""A shop that runs in several worker processes. Run it with `uvicorn app:app`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from sqlite3 import OperationalError
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PoolTimeout, SQLitePool

workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
connections = int(os.environ.get("DATABASE_MAX_CONNECTIONS", "10"))
pool = SQLitePool("shop.db", min_size=(connections - 1) // workers)

ITEM = "SELECT id, name, price_cents FROM items WHERE id = ?"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
async def too_busy(request: Request, error: PoolTimeout) -> JSONResponse:
    """Answer 503 when no connection became free in time."""
    return JSONResponse({"detail": "too busy, please try again"}, 503, {"Retry-After": "5"})


@app.get("/opening-hours")
async def read_opening_hours() -> Any:
    """Tell when the shop is open, which stands in no table."""
    return {"opens": "09:00", "closes": "18:00"}


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> Any:
    """Show one item."""
    async with pool.connection() as connection:
        rows = list(await connection.execute_fetchall(ITEM, (item_id,)))
        if not rows:
            raise HTTPException(404, "no such item")
    number, name, price_cents = rows[0]
    return {"id": number, "name": name, "price_cents": price_cents}


@app.get("/stats")
async def read_stats() -> Any:
    """Tell how many connections this worker has, and who uses them."""
    return {name: getattr(pool, name) for name in ("total", "free", "borrowed", "waiting")}


@app.get("/health")
async def read_health() -> Any:
    """Tell whether this worker can give a visitor a connection: 200 or 503, within a second."""
    connection = await pool.acquire(timeout=0.5)
    try:
        await asyncio.wait_for(connection.execute_fetchall("SELECT 1 FROM items"), 0.5)
    except TimeoutError:
        raise HTTPException(503, "the database is slow") from None
    except OperationalError:
        await pool.release(connection)
        raise HTTPException(503, "the database is sick") from None
    await pool.release(connection)
    return {"status": "ok"}
