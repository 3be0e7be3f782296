# right: one query answers both questions, so nobody needs a second connection
"""A small shop: a customer looks at an order with the link from a mail. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PoolTimeout, SQLitePool

pool = SQLitePool("shop.db", min_size=4, timeout=10)

ORDER_OF_CUSTOMER = (
    "SELECT customers.name, orders.id, orders.item, orders.pieces FROM customers"
    " LEFT JOIN orders ON orders.customer_id = customers.id AND orders.id = ? WHERE customers.link_key = ?"
)


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


@app.get("/orders/{order_id}")
async def read_order(order_id: int, key: str) -> Any:
    """Show an order to the customer whose order it is."""
    async with pool.connection() as connection:
        rows = list(await connection.execute_fetchall(ORDER_OF_CUSTOMER, (order_id, key)))
    if not rows:
        raise HTTPException(401, "this key is not known")
    customer, number, item, pieces = rows[0]
    if number is None:
        raise HTTPException(404, "you have no such order")
    return {"id": number, "customer": customer, "item": item, "pieces": pieces}
