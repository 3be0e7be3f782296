# right: the pool alone, without the library databases: SQLitePool and a dependency
"""A small shop: its front page says how many items there are. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request

from poolkit.sqlite_pool import PooledConnection, SQLitePool


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open the pool, and hand it to the routes as the state of each request."""
    async with SQLitePool("shop.db", min_size=4) as pool:
        yield {"pool": pool}


app = FastAPI(lifespan=lifespan)


async def get_connection(request: Request) -> AsyncIterator[PooledConnection]:
    """Lend a connection for one request."""
    async with request.state.pool.connection() as connection:
        yield connection


@app.get("/")
async def read_shop(connection: Annotated[Any, Depends(get_connection)]) -> dict[str, Any]:
    """Return how many items the shop has."""
    async with connection.execute("SELECT count(*) FROM items") as cursor:
        row = await cursor.fetchone()
    return {"items": row[0]}
