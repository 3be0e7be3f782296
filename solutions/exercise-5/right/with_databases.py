# right: a pool of the library databases, and a transaction around the writes
"""A small shop with customer cards: look at an item, or reserve some pieces. Run it with `uvicorn app:app`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from databases import Database
from databases.core import Connection
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

ITEM = "SELECT id, name, price_cents, stock FROM items WHERE id = :id"
CUSTOMER = "SELECT card, name, percent FROM customers WHERE card = :card"
RESERVE = "INSERT INTO reservations (card, item_id, quantity) VALUES (:card, :id, :quantity)"
TAKE = "UPDATE items SET stock = stock - :quantity WHERE id = :id AND stock >= :quantity RETURNING id"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    async with database:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(sqlite3.Error)
async def database_trouble(request: Request, error: sqlite3.Error) -> JSONResponse:
    """Answer 503 when a statement failed at the database."""
    return JSONResponse({"detail": "the database has a problem"}, 503)


async def get_connection() -> AsyncIterator[Connection]:
    """Lend a connection for the length of a request."""
    async with database.connection() as connection:
        yield connection


Lent = Annotated[Connection, Depends(get_connection)]


async def current_customer(connection: Lent, card: str) -> dict[str, Any]:
    """Find whose card it is."""
    row = await connection.fetch_one(CUSTOMER, {"card": card})
    if row is None:
        raise HTTPException(401, "no such card")
    return {"card": row[0], "name": row[1], "percent": row[2]}


async def wanted_item(connection: Lent, item_id: int) -> dict[str, Any]:
    """Find the item that the address names."""
    row = await connection.fetch_one(ITEM, {"id": item_id})
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
    values = {"id": item["id"], "quantity": quantity}
    async with connection.transaction():
        await connection.execute(RESERVE, {**values, "card": customer["card"]})
        if await connection.fetch_one(TAKE, values) is None:
            raise HTTPException(409, "too few pieces are left")
        total = item["price_cents"] * quantity * (100 - customer["percent"]) // 100
    return {"customer": customer["name"], "item": item["name"], "quantity": quantity, "total_cents": total}
