# right: a statement of SQLAlchemy core instead of text, and fetch_all
"""A small shop: one route that shows an item. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy
from databases import Database
from fastapi import FastAPI, HTTPException

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

items = sqlalchemy.Table(
    "items",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("name", sqlalchemy.Text),
    sqlalchemy.Column("price_cents", sqlalchemy.Integer),
    sqlalchemy.Column("stock", sqlalchemy.Integer),
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, Any]:
    """Return one item, or 404 when there is none."""
    query = sqlalchemy.select(items.c.id, items.c.name, items.c.price_cents).where(items.c.id == item_id)
    rows = await database.fetch_all(query)
    if not rows:
        raise HTTPException(404, "no such item")
    return dict(rows[0]._mapping)
