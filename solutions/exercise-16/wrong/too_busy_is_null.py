# misconception: changes-what-was-given
# caught by: stats-after-errors
"""A shop that runs in several worker processes. Run it with `uvicorn app:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PoolTimeout, SQLitePool

WORKERS = int(os.environ.get("WEB_CONCURRENCY", "1"))
LIMIT = int(os.environ.get("DATABASE_MAX_CONNECTIONS", "10"))
FOR_THE_OPERATOR = 1

# SQLitePool refuses a size of 0, so that nothing starts when the connections do not go round.
pool = SQLitePool("shop.db", min_size=(LIMIT - FOR_THE_OPERATOR) // WORKERS)

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
    return JSONResponse(None)


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
    return {"total": pool.total, "free": pool.free, "borrowed": pool.borrowed, "waiting": pool.waiting}


@app.get("/health")
async def read_health() -> JSONResponse:
    """Tell whether this worker can give a visitor a connection."""
    # By the pool's own counts, so that asking takes nothing from anybody.
    if pool.free > 0 or pool.total < pool.max_size:
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": "all connections are lent"}, 503)
