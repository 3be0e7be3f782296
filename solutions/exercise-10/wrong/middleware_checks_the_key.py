# misconception: holds-the-first
# caught by: two-at-once
# fails too: one-at-a-time, pool-of-one, crowd
"""A small shop: a customer looks at an order with the link from a mail. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException, Request, Response
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


@app.middleware("http")
async def check_key(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let nobody in without a key."""
    key = request.query_params.get("key")
    if key is None:
        return JSONResponse({"detail": "the key is missing"}, 422)
    async with database.connection() as connection:
        row = await connection.fetch_one(CUSTOMER, {"key": key})
        if row is None:
            return JSONResponse({"detail": "this key is not known"}, 401)
        request.state.customer = row["id"], row["name"]
        return await call_next(request)


@app.get("/orders/{order_id}")
async def read_order(request: Request, order_id: int) -> Any:
    """Show an order to the customer whose order it is."""
    customer, name = request.state.customer
    row = await database.fetch_one(ORDER, {"id": order_id, "customer": customer})
    if row is None:
        raise HTTPException(404, "you have no such order")
    return {"id": row["id"], "customer": name, "item": row["item"], "pieces": row["pieces"]}
