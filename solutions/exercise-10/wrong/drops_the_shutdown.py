# misconception: drops-the-shutdown
# caught by: emptied-at-shutdown
"""A small shop: a customer looks at an order with the link from a mail. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PooledConnection, PoolTimeout, SQLitePool

pool = SQLitePool("shop.db", min_size=4, timeout=10)

CUSTOMER = "SELECT id, name FROM customers WHERE link_key = ?"
ORDER = "SELECT id, item, pieces FROM orders WHERE id = ? AND customer_id = ?"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup."""
    await pool.open()
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


async def get_connection() -> AsyncIterator[PooledConnection]:
    """Lend the request's one connection to everybody who asks for it."""
    async with pool.connection() as connection:
        yield connection


async def get_customer(key: str, connection: Annotated[PooledConnection, Depends(get_connection)]) -> Customer:
    """Find out whose key it is."""
    rows = list(await connection.execute_fetchall(CUSTOMER, (key,)))
    if not rows:
        raise HTTPException(401, "this key is not known")
    return Customer(*rows[0])


@app.get("/orders/{order_id}")
async def read_order(
    order_id: int,
    customer: Annotated[Customer, Depends(get_customer)],
    connection: Annotated[PooledConnection, Depends(get_connection)],
) -> Any:
    """Show an order to the customer whose order it is."""
    rows = list(await connection.execute_fetchall(ORDER, (order_id, customer.id)))
    if not rows:
        raise HTTPException(404, "you have no such order")
    number, item, pieces = rows[0]
    return {"id": number, "customer": customer.name, "item": item, "pieces": pieces}
