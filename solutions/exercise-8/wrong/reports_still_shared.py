# misconception: sees-unfinished
# caught by: unfinished-report-is-unseen
# fails too: visitors-side-by-side, gives-everything-back, pool-of-one
# mistake: 36
"""A shop's back office: orders come in, a dashboard counts them, a report closes the day. Run: `uvicorn app:app`."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from databases.core import Connection
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
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    async with database.connection() as app.state.connection:
        yield
    await database.disconnect()


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
    connection: Connection = app.state.connection
    async with connection.transaction():
        visits = await connection.fetch_val(VISITS, {"day": day})
        await connection.execute(NEW_REPORT, {"day": day, "visits": visits})
        items = await connection.fetch_all(ITEMS, {"day": day})
        for row in items:
            await write_line(connection, day, row["item"])
    return {"day": day, "lines": len(items)}


async def write_line(connection: Connection, day: str, item: str) -> None:
    """Write one line of a report."""
    pieces = await connection.fetch_val(PIECES, {"day": day, "item": item})
    await connection.execute(NEW_LINE, {"day": day, "item": item, "pieces": pieces})


@app.get("/days/{day}/report")
async def read_report(day: str) -> Any:
    """Show the report of a day."""
    connection: Connection = app.state.connection
    report = await connection.fetch_one(REPORT, {"day": day})
    if report is None:
        raise HTTPException(404, "no report yet")
    lines = await connection.fetch_all(LINES, {"day": day})
    return {
        "day": day,
        "visits": report["visits"],
        "lines": [{"item": line["item"], "pieces": line["pieces"]} for line in lines],
    }
