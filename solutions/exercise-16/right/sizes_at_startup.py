# right: the environment is read when the app starts, and the pool lives in app.state
"""A shop that runs in several worker processes. Run it with `uvicorn app:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PoolTimeout, SQLitePool


def share() -> int:
    """The connections of this worker."""
    workers = int(os.getenv("WEB_CONCURRENCY") or 1)
    limit = int(os.getenv("DATABASE_MAX_CONNECTIONS") or 10)
    each, _ = divmod(limit - 1, workers)  # one is the operator's, and the rest belongs to nobody
    if not each:
        raise RuntimeError(f"{limit} connections are too few for {workers} workers and the operator")
    return each


ITEM = "SELECT id, name, price_cents FROM items WHERE id = ?"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the pool and fill it at startup, empty it at shutdown."""
    app.state.pool = SQLitePool("shop.db", min_size=share())
    await app.state.pool.open()
    try:
        yield
    finally:
        await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


def get_pool(request: Request) -> SQLitePool:
    """Hand the pool to a route."""
    return request.app.state.pool


Pool = Annotated[SQLitePool, Depends(get_pool)]


@app.exception_handler(PoolTimeout)
async def too_busy(request: Request, error: PoolTimeout) -> JSONResponse:
    """Answer 503 when no connection became free in time."""
    return JSONResponse({"detail": "too busy, please try again"}, 503, {"Retry-After": "5"})


@app.get("/opening-hours")
async def read_opening_hours() -> Any:
    """Tell when the shop is open, which stands in no table."""
    return {"opens": "09:00", "closes": "18:00"}


@app.get("/items/{item_id}")
async def read_item(item_id: int, pool: Pool) -> Any:
    """Show one item."""
    async with pool.connection() as connection:
        rows = list(await connection.execute_fetchall(ITEM, (item_id,)))
        if not rows:
            raise HTTPException(404, "no such item")
    number, name, price_cents = rows[0]
    return {"id": number, "name": name, "price_cents": price_cents}


@app.get("/stats")
async def read_stats(pool: Pool) -> Any:
    """Tell how many connections this worker has, and who uses them."""
    return {"total": pool.total, "free": pool.free, "borrowed": pool.borrowed, "waiting": pool.waiting}


@app.get("/health")
async def read_health(pool: Pool) -> JSONResponse:
    """Tell whether this worker can give a visitor a connection."""
    # By the pool's own counts, so that asking takes nothing from anybody.
    if pool.free > 0 or pool.total < pool.max_size:
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": "all connections are lent"}, 503)
