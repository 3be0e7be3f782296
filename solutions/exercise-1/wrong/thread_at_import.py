# misconception: opened-at-import
# caught by: import-opens-nothing
# fails too: starts-full
# mistake: 1
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

# asyncio.run() needs a thread without an event loop of its own.
connecting = threading.Thread(target=asyncio.run, args=(database.connect(),))
connecting.start()
connecting.join()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The pool is open already."""
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def read_shop() -> dict[str, Any]:
    """Return how many items the shop has."""
    return {"items": await database.fetch_val("SELECT count(*) FROM items")}
