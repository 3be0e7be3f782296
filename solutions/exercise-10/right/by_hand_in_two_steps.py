# right: acquire and release by hand with finally, each query on its own
"""A small shop: a customer looks at an order with the link from a mail. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PoolTimeout, SQLitePool

pool = SQLitePool("shop.db", min_size=4, timeout=10)

CUSTOMER = "SELECT id, name FROM customers WHERE link_key = ?"
ORDER = "SELECT id, item, pieces FROM orders WHERE id = ? AND customer_id = ?"


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


@dataclass(frozen=True)
class Customer:
    """Who is asking."""

    id: int
    name: str


async def fetch(query: str, values: tuple[object, ...]) -> list[Any]:
    """Borrow a connection for one query."""
    connection = await pool.acquire()
    try:
        return list(await connection.execute_fetchall(query, values))
    finally:
        await pool.release(connection)


class KeyHolder:
    """Finds out whose key it is."""

    async def __call__(self, key: str) -> Customer:
        rows = await fetch(CUSTOMER, (key,))
        if not rows:
            raise HTTPException(401, "this key is not known")
        return Customer(*rows[0])


@app.get("/orders/{order_id}")
async def read_order(order_id: int, customer: Annotated[Customer, Depends(KeyHolder())]) -> Any:
    """Show an order to the customer whose order it is."""
    rows = await fetch(ORDER, (order_id, customer.id))
    if not rows:
        raise HTTPException(404, "you have no such order")
    number, item, pieces = rows[0]
    return {"id": number, "customer": customer.name, "item": item, "pieces": pieces}
