# right: a class around the connection, statements of SQLAlchemy's, the target first
"""A shop with two warehouses: one route moves pieces of an item between them. Run it with `uvicorn app:app`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from databases import Database
from databases.core import Connection
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Column, Integer, MetaData, String, Table, update

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

STOCK = "SELECT warehouse, pieces FROM stock WHERE item = :item"


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
async def read_stock(item: str) -> dict[str, int]:
    """Tell how many pieces of an item each warehouse has."""
    return {row["warehouse"]: row["pieces"] for row in await database.fetch_all(STOCK, {"item": item})}


stock = Table(
    "stock",
    MetaData(),
    Column("warehouse", String, primary_key=True),
    Column("item", String, primary_key=True),
    Column("pieces", Integer),
)


class Shelves:
    """The stock, on one connection that has a transaction open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, warehouse: str, item: str, pieces: int) -> None:
        """Add pieces to a shelf, or take them when the number is below 0."""
        shelf = (stock.c.warehouse == warehouse) & (stock.c.item == item)
        change = update(stock).where(shelf).values(pieces=stock.c.pieces + pieces).returning(stock.c.pieces)
        if await self._connection.fetch_one(change) is None:
            raise KeyError(warehouse)


async def shelves() -> AsyncIterator[Shelves]:
    """Lend a connection; the transaction is the route's own."""
    async with database.connection() as connection:
        yield Shelves(connection)


@app.post("/transfers")
async def transfer(order: Transfer, shelves: Annotated[Shelves, Depends(shelves)]) -> dict[str, int]:
    """Move pieces from one warehouse to the other."""
    try:
        async with database.transaction():
            await shelves.add(order.target, order.item, order.pieces)
            await shelves.add(order.source, order.item, -order.pieces)
    except KeyError as error:
        raise HTTPException(404, f"{error} does not keep this item") from None
    return {"moved": order.pieces}
