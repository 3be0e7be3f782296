# misconception: changes-what-was-given
# caught by: moves-the-pieces
"""A shop with two warehouses: one route moves pieces of an item between them. Run it with `uvicorn app:app`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

STOCK = "SELECT warehouse, pieces FROM stock WHERE item = :item"
TAKE = "UPDATE stock SET pieces = pieces - :pieces WHERE warehouse = :warehouse AND item = :item RETURNING pieces"
PUT = "UPDATE stock SET pieces = pieces + :pieces WHERE warehouse = :warehouse AND item = :item RETURNING pieces"


class Transfer(BaseModel):
    """What to move: some pieces of an item, from the source to the target."""

    item: str
    source: str
    target: str
    pieces: int = Field(ge=1)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.exception_handler(sqlite3.IntegrityError)
async def refused(request: Request, error: sqlite3.IntegrityError) -> JSONResponse:
    """Answer 409 when a constraint of the table refused a change: too few pieces, or no room for them."""
    return JSONResponse({"detail": str(error)}, 409)


@app.exception_handler(sqlite3.Error)
async def database_trouble(request: Request, error: sqlite3.Error) -> JSONResponse:
    """Answer 503 when a statement failed at the database."""
    return JSONResponse({"detail": "the database has a problem"}, 503)


@app.get("/stock/{item}")
async def read_stock(item: str) -> list[int]:
    """Tell how many pieces of an item each warehouse has."""
    return [row["pieces"] for row in await database.fetch_all(STOCK, {"item": item})]


@app.post("/transfers")
async def transfer(order: Transfer) -> dict[str, int]:
    """Move pieces from one warehouse to the other."""
    take = {"warehouse": order.source, "item": order.item, "pieces": order.pieces}
    put = {"warehouse": order.target, "item": order.item, "pieces": order.pieces}
    async with database.transaction():
        left = await database.fetch_val(TAKE, take)
        arrived = await database.fetch_val(PUT, put)
        if left is None or arrived is None:
            raise HTTPException(404, "a warehouse does not keep this item")
    return {"moved": order.pieces}
