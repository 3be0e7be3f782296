# right: a class with __aenter__ and __aexit__, which goes through every closer and raises the first error at the end
"""A shop that counts views, with reports mounted in it. Run it with `uvicorn app:app`."""

from collections import Counter
from collections.abc import Awaitable, Callable
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


class Lifespan:
    """Opens what the shop and its reports need, and closes it."""

    def __init__(self, app: FastAPI) -> None:
        self.closers: list[Callable[[], Awaitable[None]]] = []

    async def __aenter__(self) -> dict[str, Any]:
        for pool in (database, archive):
            try:
                await pool.connect()
            except BaseException:
                await self.close()
                raise
            self.closers.insert(0, pool.disconnect)
        self.closers.insert(0, store_views)
        return {"archive": archive}

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Call every closer, also when one before it has raised."""
        errors = []
        for closer in self.closers:
            try:
                await closer()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


app = FastAPI(lifespan=Lifespan)
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
