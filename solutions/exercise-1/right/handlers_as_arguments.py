# right: the hooks are the pool's own methods, given to FastAPI as arguments
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

app = FastAPI(on_startup=[database.connect], on_shutdown=[database.disconnect])


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
