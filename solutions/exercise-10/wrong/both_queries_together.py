# misconception: both-at-once
# caught by: one-at-a-time
"""A small shop: a customer looks at an order with the link from a mail. Run it with `uvicorn app:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PoolTimeout, SQLitePool

pool = SQLitePool("shop.db", min_size=4, timeout=10)

CUSTOMER = "SELECT id, name FROM customers WHERE link_key = ?"
ORDER = "SELECT id, item, pieces, customer_id FROM orders WHERE id = ?"


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


async def fetch(query: str, value: object) -> list[Any]:
    """Borrow a connection for one query."""
    async with pool.connection() as connection:
        return list(await connection.execute_fetchall(query, (value,)))


@app.get("/orders/{order_id}")
async def read_order(order_id: int, key: str) -> Any:
    """Show an order to the customer whose order it is."""
    customers, orders = await asyncio.gather(fetch(CUSTOMER, key), fetch(ORDER, order_id))
    if not customers:
        raise HTTPException(401, "this key is not known")
    owner, name = customers[0]
    if not orders or orders[0][3] != owner:
        raise HTTPException(404, "you have no such order")
    number, item, pieces, _ = orders[0]
    return {"id": number, "customer": name, "item": item, "pieces": pieces}
