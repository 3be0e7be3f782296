# misconception: opened-at-import
# caught by: import-opens-nothing
# fails too: starts-full
# mistake: 1
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

# Fail early when the database is not there.
with sqlite3.connect("shop.db") as first_look:
    first_look.execute("SELECT count(*) FROM items")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool, empty it at shutdown."""
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
