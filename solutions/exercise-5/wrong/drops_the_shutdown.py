# misconception: drops-the-shutdown
# caught by: emptied-at-shutdown
"""A small shop with customer cards: look at an item, or reserve some pieces. Run it with `uvicorn app:app`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PooledConnection, SQLitePool

pool = SQLitePool("shop.db", min_size=4)

ITEM = "SELECT id, name, price_cents, stock FROM items WHERE id = :id"
CUSTOMER = "SELECT card, name, percent FROM customers WHERE card = :card"
RESERVE = "INSERT INTO reservations (card, item_id, quantity) VALUES (:card, :id, :quantity)"
TAKE = "UPDATE items SET stock = stock - :quantity WHERE id = :id AND stock >= :quantity"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup."""
    await pool.open()
    yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(sqlite3.Error)
async def database_trouble(request: Request, error: sqlite3.Error) -> JSONResponse:
    """Answer 503 when a statement failed at the database."""
    return JSONResponse({"detail": "the database has a problem"}, 503)


async def get_connection() -> AsyncIterator[PooledConnection]:
    """Lend a connection for the length of a request."""
    async with pool.connection() as connection:
        yield connection


Lent = Annotated[PooledConnection, Depends(get_connection)]


async def current_customer(connection: Lent, card: str) -> dict[str, Any]:
    """Find whose card it is."""
    async with connection.execute(CUSTOMER, {"card": card}) as cursor:
        row = await cursor.fetchone()
    if row is None:
        raise HTTPException(401, "no such card")
    return {"card": row[0], "name": row[1], "percent": row[2]}


async def wanted_item(connection: Lent, item_id: int) -> dict[str, Any]:
    """Find the item that the address names."""
    async with connection.execute(ITEM, {"id": item_id}) as cursor:
        row = await cursor.fetchone()
    if row is None:
        raise HTTPException(404, "no such item")
    return {"id": row[0], "name": row[1], "price_cents": row[2], "stock": row[3]}


@app.get("/items/{item_id}")
async def read_item(item: Annotated[dict[str, Any], Depends(wanted_item)]) -> Any:
    """Show an item."""
    return item


@app.post("/items/{item_id}/reservations", status_code=201)
async def reserve(
    connection: Lent,
    customer: Annotated[dict[str, Any], Depends(current_customer)],
    item: Annotated[dict[str, Any], Depends(wanted_item)],
    quantity: Annotated[int, Query(ge=1)] = 1,
) -> Any:
    """Reserve some pieces of an item at the customer's own price."""
    values = {"card": customer["card"], "id": item["id"], "quantity": quantity}
    await connection.execute(RESERVE, values)
    taken = await connection.execute(TAKE, values)
    if taken.rowcount == 0:
        raise HTTPException(409, "too few pieces are left")
    total = item["price_cents"] * quantity * (100 - customer["percent"]) // 100
    await connection.commit()
    return {"customer": customer["name"], "item": item["name"], "quantity": quantity, "total_cents": total}
