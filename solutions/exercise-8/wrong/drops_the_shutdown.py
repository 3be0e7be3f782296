# misconception: drops-the-shutdown
# caught by: emptied-at-shutdown
"""A shop's back office: orders come in, a dashboard counts them, a report closes the day. Run: `uvicorn app:app`."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

ORDERS = "SELECT count(*) FROM orders WHERE day = :day"
CENTS = "SELECT coalesce(sum(cents), 0) FROM orders WHERE day = :day"
VISITS = "SELECT count(*) FROM visits WHERE day = :day"
ITEMS = "SELECT DISTINCT item FROM orders WHERE day = :day ORDER BY item"
PIECES = "SELECT sum(pieces) FROM orders WHERE day = :day AND item = :item"
REPORT = "SELECT visits FROM reports WHERE day = :day"
LINES = "SELECT item, pieces FROM report_lines WHERE day = :day ORDER BY item"

NEW_ORDER = "INSERT INTO orders (day, customer, item, pieces, cents) VALUES (:day, :customer, :item, :pieces, :cents)"
NEW_REPORT = "INSERT INTO reports (day, visits) VALUES (:day, :visits)"
NEW_LINE = "INSERT INTO report_lines (day, item, pieces) VALUES (:day, :item, :pieces)"


class Order(BaseModel):
    """Some pieces of an item for a customer; below 0 when they come back."""

    day: str
    customer: str
    item: str
    pieces: int
    cents: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup."""
    await database.connect()
    yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(sqlite3.IntegrityError)
async def does_not_add_up(request: Request, error: sqlite3.IntegrityError) -> JSONResponse:
    """Answer 409 when the database refused a row."""
    return JSONResponse({"detail": f"refused: {error}"}, 409)


@app.post("/orders", status_code=201)
async def take_order(order: Order) -> Any:
    """Store an order."""
    return {"id": await database.execute(NEW_ORDER, order.model_dump())}


@app.get("/days/{day}")
async def show_dashboard(day: str) -> Any:
    """Count the orders, the money and the visits of a day."""
    orders, cents, visits = await asyncio.gather(
        database.fetch_val(ORDERS, {"day": day}),
        database.fetch_val(CENTS, {"day": day}),
        database.fetch_val(VISITS, {"day": day}),
    )
    return {"day": day, "orders": orders, "cents": cents, "visits": visits}


@app.post("/days/{day}/report", status_code=201)
async def write_report(day: str) -> Any:
    """Close a day: write its report, with a line for each item that was ordered. All of it, or nothing."""
    visits = await database.fetch_val(VISITS, {"day": day})
    items = [row["item"] for row in await database.fetch_all(ITEMS, {"day": day})]
    # Each of these tasks has a connection of its own, and this one holds none while it waits for them.
    pieces = await asyncio.gather(*(database.fetch_val(PIECES, {"day": day, "item": item}) for item in items))
    async with database.transaction():
        await database.execute(NEW_REPORT, {"day": day, "visits": visits})
        for item, number in zip(items, pieces, strict=True):
            await database.execute(NEW_LINE, {"day": day, "item": item, "pieces": number})
    return {"day": day, "lines": len(items)}


@app.get("/days/{day}/report")
async def read_report(day: str) -> Any:
    """Show the report of a day."""
    report = await database.fetch_one(REPORT, {"day": day})
    if report is None:
        raise HTTPException(404, "no report yet")
    lines = await database.fetch_all(LINES, {"day": day})
    return {
        "day": day,
        "visits": report["visits"],
        "lines": [{"item": line["item"], "pieces": line["pieces"]} for line in lines],
    }
