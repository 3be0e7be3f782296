# misconception: drops-the-shutdown
# caught by: emptied-at-shutdown
"""A small shop on the day of its sale: items, orders, a report. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://
from poolkit.errors import PoolTimeout

# All routes share the pool, so its patience is every visitor's.
database = Database("sqlite+pool:///shop.db", min_size=4, timeout=2)

ITEM = "SELECT id, name, price_cents, stock FROM items WHERE id = :id"
TAKE = "UPDATE items SET stock = stock - :quantity WHERE id = :id AND stock >= :quantity RETURNING id"
ORDER = "INSERT INTO orders (item_id, quantity) VALUES (:id, :quantity)"
REPORT = "SELECT count(*) AS orders, coalesce(sum(quantity), 0) AS pieces FROM orders"


class Order(BaseModel):
    """What a visitor orders."""

    quantity: int = Field(ge=1)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup."""
    await database.connect()
    yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
async def too_busy(request: Request, error: PoolTimeout) -> JSONResponse:
    """Answer 503 when no connection came back in time."""
    return JSONResponse({"detail": "too busy, please come back in a moment"}, 503, {"Retry-After": "3"})


@app.get("/opening-hours")
async def read_opening_hours() -> Any:
    """Tell when the shop is open, which stands in no table."""
    return {"opens": "12:00", "closes": "18:00"}


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> Any:
    """Show one item."""
    async with database.connection() as connection:
        item = await connection.fetch_one(ITEM, {"id": item_id})
    if item is None:
        raise HTTPException(404, "no such item")
    return dict(item._mapping)


@app.post("/items/{item_id}/orders", status_code=201)
async def place_order(item_id: int, order: Order) -> Any:
    """Order some pieces of an item, or none when fewer are left."""
    async with database.connection() as connection, connection.transaction():
        if await connection.fetch_one(TAKE, {"id": item_id, "quantity": order.quantity}) is None:
            if await connection.fetch_one(ITEM, {"id": item_id}) is None:
                raise HTTPException(404, "no such item")
            raise HTTPException(409, "not so many are left")
        await connection.execute(ORDER, {"id": item_id, "quantity": order.quantity})
    return {"item_id": item_id, "quantity": order.quantity}


@app.get("/report")
async def read_report() -> Any:
    """Count the orders; this reads all of them, and takes its time."""
    async with database.connection() as connection:
        report = await connection.fetch_one(REPORT)
    return dict(report._mapping)
