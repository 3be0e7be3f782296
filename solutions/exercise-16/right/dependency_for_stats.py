# right: a response model with a dependency that takes the snapshot; more fields, in another order
"""A shop that runs in several worker processes. Run it with `uvicorn app:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

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


class Stats(BaseModel):
    """The worker's pool at one moment."""

    worker: int = Field(default_factory=os.getpid)
    waiting: int
    borrowed: int
    free: int
    total: int
    max_size: int
    used_percent: float


def snapshot() -> Stats:
    """Take the counts of this moment."""
    return Stats(
        waiting=pool.waiting,
        borrowed=pool.borrowed,
        free=pool.free,
        total=pool.borrowed + pool.free,
        max_size=pool.max_size,
        used_percent=100 * pool.borrowed / pool.max_size,
    )


Snapshot = Annotated[Stats, Depends(snapshot)]


@app.get("/stats")
async def read_stats(stats: Snapshot) -> Stats:
    """Tell how many connections this worker has, and who uses them."""
    return stats


@app.get("/health")
async def read_health(stats: Snapshot, response: Response) -> Any:
    """Tell whether this worker can give a visitor a connection."""
    if stats.borrowed >= stats.max_size:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return {"borrowed": stats.borrowed, "of": stats.max_size}
