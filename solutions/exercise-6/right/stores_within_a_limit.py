# right: gives up storing after ten seconds, and closes both pools then too
"""A shop that counts views, with reports mounted in it. Run it with `uvicorn app:app`."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI, HTTPException
from reports import router

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)
archive = Database("sqlite+pool:///archive.db", min_size=2)
views: Counter[int] = Counter()

ITEM = "SELECT id, name, price_cents FROM items WHERE id = :id"
STORE = "INSERT INTO views (item_id, number) VALUES (:item_id, :number)"


async def store_views() -> None:
    """Write down how often each item was looked at since the server started."""
    for item_id, number in views.items():
        await database.execute(STORE, {"item_id": item_id, "number": number})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """A database that hangs must not keep the server from ending."""
    async with database, archive:
        yield {"archive": archive}
        async with asyncio.timeout(10):
            await store_views()


app = FastAPI(lifespan=lifespan)
reports = FastAPI(title="Reports")
reports.include_router(router)
app.mount("/reports", reports)


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, Any]:
    """Return one item and count the view, or answer 404 when there is none."""
    row = await database.fetch_one(ITEM, {"id": item_id})
    if row is None:
        raise HTTPException(404, "no such item")
    views[item_id] += 1
    return dict(row._mapping)
