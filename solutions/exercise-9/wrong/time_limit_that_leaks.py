# misconception: cancels-and-leaks
# caught by: slow-work
# mistake: 31
"""A small shop on the day of its sale: items, orders, a report. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from databases import Database
from databases.core import Connection
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

ITEM = "SELECT id, name, price_cents, stock FROM items WHERE id = :id"
TAKE = "UPDATE items SET stock = stock - :quantity WHERE id = :id AND stock >= :quantity RETURNING id"
ORDER = "INSERT INTO orders (item_id, quantity) VALUES (:id, :quantity)"
REPORT = "SELECT count(*) AS orders, coalesce(sum(quantity), 0) AS pieces FROM orders"


class Order(BaseModel):
    """What a visitor orders."""

    quantity: int = Field(ge=1)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


class TimeLimit:
    """Answers 503 when a request takes longer than two seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            with anyio.fail_after(2):
                await self.app(scope, receive, send)
        except TimeoutError:
            answer = JSONResponse({"detail": "too busy"}, 503, {"Retry-After": "3"})
            await answer(scope, receive, send)


app.add_middleware(TimeLimit)


async def get_connection() -> AsyncIterator[Connection]:
    """Lend a connection to a route."""
    connection = database.connection()
    await connection.__aenter__()
    try:
        yield connection
    except Exception:
        await connection.__aexit__(None, None, None)
        raise
    else:
        await connection.__aexit__(None, None, None)


Lent = Annotated[Connection, Depends(get_connection)]


@app.get("/opening-hours")
async def read_opening_hours() -> Any:
    """Tell when the shop is open, which stands in no table."""
    return {"opens": "12:00", "closes": "18:00"}


@app.get("/items/{item_id}")
async def read_item(item_id: int, connection: Lent) -> Any:
    """Show one item."""
    item = await connection.fetch_one(ITEM, {"id": item_id})
    if item is None:
        raise HTTPException(404, "no such item")
    return dict(item._mapping)


@app.post("/items/{item_id}/orders", status_code=201)
async def place_order(item_id: int, order: Order, connection: Lent) -> Any:
    """Order some pieces of an item, or none when fewer are left."""
    async with connection.transaction():
        if await connection.fetch_one(TAKE, {"id": item_id, "quantity": order.quantity}) is None:
            if await connection.fetch_one(ITEM, {"id": item_id}) is None:
                raise HTTPException(404, "no such item")
            raise HTTPException(409, "not so many are left")
        await connection.execute(ORDER, {"id": item_id, "quantity": order.quantity})
    return {"item_id": item_id, "quantity": order.quantity}


@app.get("/report")
async def read_report(connection: Lent) -> Any:
    """Count the orders; this reads all of them, and takes its time."""
    report = await connection.fetch_one(REPORT)
    return dict(report._mapping)
