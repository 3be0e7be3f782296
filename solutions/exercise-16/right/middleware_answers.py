# right: an ASGI middleware answers both paths before any route is looked for
"""A shop that runs in several worker processes. Run it with `uvicorn app:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from poolkit.sqlite_pool import PoolTimeout, SQLitePool

WORKERS = int(os.environ.get("WEB_CONCURRENCY", "1"))
LIMIT = int(os.environ.get("DATABASE_MAX_CONNECTIONS", "10"))
FOR_THE_OPERATOR = 1

# SQLitePool refuses a size of 0, so that nothing starts when the connections do not go round.
pool = SQLitePool("shop.db", min_size=(LIMIT - FOR_THE_OPERATOR) // WORKERS)

ITEM = "SELECT id, name, price_cents FROM items WHERE id = ?"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
async def too_busy(request: Request, error: PoolTimeout) -> JSONResponse:
    """Answer 503 when no connection became free in time."""
    return JSONResponse({"detail": "too busy, please try again"}, 503, {"Retry-After": "5"})


@app.get("/opening-hours")
async def read_opening_hours() -> Any:
    """Tell when the shop is open, which stands in no table."""
    return {"opens": "09:00", "closes": "18:00"}


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> Any:
    """Show one item."""
    async with pool.connection() as connection:
        rows = list(await connection.execute_fetchall(ITEM, (item_id,)))
        if not rows:
            raise HTTPException(404, "no such item")
    number, name, price_cents = rows[0]
    return {"id": number, "name": name, "price_cents": price_cents}


class Watch:
    """Answers /stats and /health itself and passes everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self.app
        if scope["type"] == "http" and scope["path"] == "/stats":
            numbers = {name: getattr(pool, name) for name in ("total", "free", "borrowed", "waiting")}
            answer = JSONResponse(numbers)
        elif scope["type"] == "http" and scope["path"] == "/health":
            answer = PlainTextResponse("", 503 if pool.borrowed == pool.max_size else 200)
        await answer(scope, receive, send)


app.add_middleware(Watch)
