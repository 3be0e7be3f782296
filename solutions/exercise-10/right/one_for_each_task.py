# right: a Database, which lends a task that has a connection the same one again
"""A small shop: a customer looks at an order with the link from a mail. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from databases import Database
from databases.core import Connection
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PoolTimeout

database = Database("sqlite+pool:///shop.db", min_size=4, timeout=10)

CUSTOMER = "SELECT id, name FROM customers WHERE link_key = :key"
ORDER = "SELECT id, item, pieces FROM orders WHERE id = :id AND customer_id = :customer"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    async with database:
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


async def get_customer(key: str) -> AsyncIterator[Customer]:
    """Find out whose key it is."""
    async with database.connection() as connection:
        row = await connection.fetch_one(CUSTOMER, {"key": key})
        if row is None:
            raise HTTPException(401, "this key is not known")
        yield Customer(row["id"], row["name"])


async def get_connection() -> AsyncIterator[Connection]:
    """Lend a connection to a route."""
    async with database.connection() as connection:
        yield connection


@app.get("/orders/{order_id}")
async def read_order(
    order_id: int,
    customer: Annotated[Customer, Depends(get_customer)],
    connection: Annotated[Connection, Depends(get_connection)],
) -> Any:
    """Show an order to the customer whose order it is."""
    row = await connection.fetch_one(ORDER, {"id": order_id, "customer": customer.id})
    if row is None:
        raise HTTPException(404, "you have no such order")
    return {"id": row["id"], "customer": customer.name, "item": row["item"], "pieces": row["pieces"]}
