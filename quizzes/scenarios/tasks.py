"""Three queries of one request: one after the other, together, and together in a transaction."""
# schema: exercise-3
# requests: GET /in-turn, GET /together, GET /in-a-transaction

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI

import poolkit.sqlite_pool  # noqa: F401  (lets Database pool SQLite: sqlite+pool://)

database = Database("sqlite+pool:///shop.db", min_size=4)

QUERIES = ["SELECT count(*) FROM items", "SELECT max(stock) FROM items", "SELECT min(stock) FROM items"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with database:
        yield


app = FastAPI(lifespan=lifespan)


async def ask(query: str) -> int:
    async with database.connection():
        await asyncio.sleep(0.1)
        found = await database.fetch_val(query)
        await asyncio.sleep(0.1)
    return found


@app.get("/in-turn")
async def in_turn() -> list[int]:
    async with database.connection():
        return [await ask(query) for query in QUERIES]


@app.get("/together")
async def together() -> list[int]:
    return await asyncio.gather(*map(ask, QUERIES))


@app.get("/in-a-transaction")
async def in_a_transaction() -> list[int]:
    async with database.transaction():
        await database.execute("DELETE FROM items WHERE id = 4")
        return await asyncio.gather(*map(ask, QUERIES))
