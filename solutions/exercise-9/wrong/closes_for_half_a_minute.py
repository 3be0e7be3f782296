# misconception: stays-refusing
# caught by: takes-nothing
"""A small shop on the day of its sale: items, orders, a report. Run it with `uvicorn app:app`."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from poolkit.sqlite_pool import PooledConnection, PoolTimeout, SQLitePool

pool = SQLitePool("shop.db", min_size=4, isolation_level=None)

ITEM = "SELECT id, name, price_cents, stock FROM items WHERE id = :id"
TAKE = "UPDATE items SET stock = stock - :quantity WHERE id = :id AND stock >= :quantity RETURNING id"
ORDER = "INSERT INTO orders (item_id, quantity) VALUES (:id, :quantity)"
REPORT = "SELECT count(*) AS orders, coalesce(sum(quantity), 0) AS pieces FROM orders"


class Order(BaseModel):
    """What a visitor orders."""

    quantity: int = Field(ge=1)


async def fetch(connection: PooledConnection, sql: str, values: dict[str, Any]) -> sqlite3.Row | None:
    """Run a statement and return its first row."""
    connection.row_factory = sqlite3.Row
    async with connection.execute(sql, values) as cursor:
        return await cursor.fetchone()


closed_until = 0.0  # on the clock of time.monotonic


@asynccontextmanager
async def lend() -> AsyncIterator[PooledConnection]:
    """Borrow a connection; after a visitor who got none, let the pool recover for half a minute."""
    global closed_until
    if time.monotonic() < closed_until:
        raise HTTPException(503, "too busy, please come back in a moment", {"Retry-After": "3"})
    try:
        connection = await pool.acquire(timeout=2)
    except PoolTimeout:
        closed_until = time.monotonic() + 30
        raise HTTPException(503, "too busy, please come back in a moment", {"Retry-After": "3"})
    try:
        yield connection
    finally:
        await pool.release(connection)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await pool.open()
    yield
    await pool.close()


app = FastAPI(lifespan=lifespan)


@app.get("/opening-hours")
async def read_opening_hours() -> Any:
    """Tell when the shop is open, which stands in no table."""
    return {"opens": "12:00", "closes": "18:00"}


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> Any:
    """Show one item."""
    async with lend() as connection:
        item = await fetch(connection, ITEM, {"id": item_id})
    if item is None:
        raise HTTPException(404, "no such item")
    return dict(item)


@app.post("/items/{item_id}/orders", status_code=201)
async def place_order(item_id: int, order: Order) -> Any:
    """Order some pieces of an item, or none when fewer are left."""
    values = {"id": item_id, "quantity": order.quantity}
    async with lend() as connection:
        await connection.execute("BEGIN IMMEDIATE")  # what is not committed, the pool rolls back
        if await fetch(connection, TAKE, values) is None:
            if await fetch(connection, ITEM, {"id": item_id}) is None:
                raise HTTPException(404, "no such item")
            raise HTTPException(409, "not so many are left")
        await connection.execute(ORDER, values)
        await connection.commit()
    return {"item_id": item_id, "quantity": order.quantity}


@app.get("/report")
async def read_report() -> Any:
    """Count the orders; this reads all of them, and takes its time."""
    async with lend() as connection:
        return dict(await fetch(connection, REPORT, {}))
