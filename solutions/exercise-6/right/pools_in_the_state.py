# right: no pool outside the lifespan; every route finds its pool in request.state
"""A shop that counts views, with reports mounted in it. Run it with `uvicorn app:app`."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from databases import Database
from fastapi import FastAPI, HTTPException, Request
from reports import router

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

ITEM = "SELECT id, name, price_cents FROM items WHERE id = :id"
STORE = "INSERT INTO views (item_id, number) VALUES (:item_id, :number)"


class State(TypedDict):
    """What each request finds in `request.state`."""

    database: Database
    archive: Database
    views: Counter[int]


async def store_views(database: Database, views: Counter[int]) -> None:
    """Write down how often each item was looked at since the server started."""
    await database.execute_many(STORE, [{"item_id": key, "number": number} for key, number in views.items()])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Make the pools, open them, hand them to the requests, close them."""
    async with (
        Database("sqlite+pool:///shop.db?min_size=4") as database,
        Database("sqlite+pool:///archive.db?min_size=2") as archive,
    ):
        state = State(database=database, archive=archive, views=Counter())
        try:
            yield state
        finally:
            await store_views(database, state["views"])


app = FastAPI(lifespan=lifespan)
reports = FastAPI(title="Reports")
reports.include_router(router)
app.mount("/reports", reports)


@app.get("/items/{item_id}")
async def read_item(item_id: int, request: Request) -> dict[str, Any]:
    """Return one item and count the view, or answer 404 when there is none."""
    row = await request.state.database.fetch_one(ITEM, {"id": item_id})
    if row is None:
        raise HTTPException(404, "no such item")
    request.state.views[item_id] += 1
    return dict(row._mapping)
