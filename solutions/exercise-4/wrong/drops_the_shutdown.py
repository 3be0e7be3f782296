# misconception: drops-the-shutdown
# caught by: emptied-at-shutdown
"""A small shop: one route that tells what some pieces of an item cost. Run it with `uvicorn app:app`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

ITEM = "SELECT id, name, price_cents, weight_grams, stock FROM items WHERE id = :id"
DISCOUNT = "SELECT coalesce(max(percent), 0) FROM discounts WHERE item_id = :id AND from_quantity <= :quantity"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup."""
    await database.connect()
    yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(sqlite3.Error)
async def database_trouble(request: Request, error: sqlite3.Error) -> JSONResponse:
    """Answer 503 when a statement failed at the database."""
    return JSONResponse({"detail": "the database has a problem"}, 503)


@app.get("/items/{item_id}/price")
async def read_price(item_id: int, quantity: int = Query(1, ge=1)) -> Any:
    """Tell the price of some pieces, or how many are left when that is too few."""
    async with database.connection() as connection:
        item = await connection.fetch_one(ITEM, {"id": item_id})
        if item is None:
            raise HTTPException(404, "no such item")
        if item["stock"] < quantity:
            return {"id": item["id"], "name": item["name"], "available": item["stock"]}
        percent = await connection.fetch_val(DISCOUNT, {"id": item_id, "quantity": quantity})
    total = item["price_cents"] * quantity * (100 - percent) // 100
    per_kilo = item["price_cents"] * 1000 // item["weight_grams"]
    return {"id": item["id"], "name": item["name"], "total_cents": total, "cents_per_kilo": per_kilo}
