# misconception: forgotten-count
# caught by: errors-stay
"""A small shop on the day of its sale: items, orders, a report. Run it with `uvicorn app:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from databases.core import Connection
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)
places = asyncio.Semaphore(4)

ITEM = "SELECT id, name, price_cents, stock FROM items WHERE id = :id"
TAKE = "UPDATE items SET stock = stock - :quantity WHERE id = :id AND stock >= :quantity RETURNING id"
ORDER = "INSERT INTO orders (item_id, quantity) VALUES (:id, :quantity)"
REPORT = "SELECT count(*) AS orders, coalesce(sum(quantity), 0) AS pieces FROM orders"


class Order(BaseModel):
    """What a visitor orders."""

    quantity: int = Field(ge=1)


@asynccontextmanager
async def lend() -> AsyncIterator[Connection]:
    """Borrow a connection, once there is a place for one more."""
    try:
        async with asyncio.timeout(2):
            await places.acquire()
    except TimeoutError:
        raise HTTPException(503, "too busy, please come back in a moment", {"Retry-After": "3"}) from None
    async with database.connection() as connection:
        yield connection
    places.release()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/opening-hours")
async def read_opening_hours() -> Any:
    """Tell when the shop is open, which stands in no table."""
    return {"opens": "12:00", "closes": "18:00"}


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> Any:
    """Show one item."""
    async with lend() as connection:
        item = await connection.fetch_one(ITEM, {"id": item_id})
    if item is None:
        raise HTTPException(404, "no such item")
    return dict(item._mapping)


@app.post("/items/{item_id}/orders", status_code=201)
async def place_order(item_id: int, order: Order) -> Any:
    """Order some pieces of an item, or none when fewer are left."""
    async with lend() as connection, connection.transaction():
        if await connection.fetch_one(TAKE, {"id": item_id, "quantity": order.quantity}) is None:
            if await connection.fetch_one(ITEM, {"id": item_id}) is None:
                raise HTTPException(404, "no such item")
            raise HTTPException(409, "not so many are left")
        await connection.execute(ORDER, {"id": item_id, "quantity": order.quantity})
    return {"item_id": item_id, "quantity": order.quantity}


@app.get("/report")
async def read_report() -> Any:
    """Count the orders; this reads all of them, and takes its time."""
    async with lend() as connection:
        report = await connection.fetch_one(REPORT)
    return dict(report._mapping)
