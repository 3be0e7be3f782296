"""One request to a small app, inside the host: what libraries prepare at their first use is then there in every lab.

Regular expressions of `tokenize`, which FastAPI reads a route's source with, SQLAlchemy's compiler, pydantic's
adapters: ten milliseconds of each lab, and a lab is made for each check.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # noqa: F401  (registers the URL scheme)


def warm_up() -> None:
    """Serve the request; nothing of it is left but what the libraries keep, no thread and no open loop."""
    asyncio.run(_serve_once())
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            # aiosqlite's, which has answered its last question; the host must be alone before it forks.
            thread.join()


async def _serve_once() -> None:
    database = Database("sqlite+pool:///:memory:", min_size=1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.connect()
        yield
        await database.disconnect()

    app = FastAPI(lifespan=lifespan)

    @app.get("/items/{item_id}")
    async def read_item(item_id: int) -> dict[str, Any]:
        async with database.connection() as connection:
            row = await connection.fetch_one("SELECT :id AS id", {"id": item_id})
        return dict(row._mapping) if row else {}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/items/1",
        "raw_path": b"/items/1",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"lab")],
        "client": None,
        "server": ("lab", None),
        "state": {},
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: MutableMapping[str, Any]) -> None:
        pass

    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
