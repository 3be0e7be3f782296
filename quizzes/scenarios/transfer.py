"""Pieces are moved between two warehouses, with and without a transaction."""
# schema: exercise-7
# requests: POST /bare?pieces=2, GET /harbour/28, POST /whole?pieces=2, GET /harbour/28
# requests: POST /whole?pieces=1, GET /harbour/27, POST /polite?pieces=1, GET /harbour/26

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

import poolkit.sqlite_pool  # noqa: F401  (lets Database pool SQLite: sqlite+pool://)

database = Database("sqlite+pool:///shop.db", min_size=2)

# The harbour has 30 lanterns. The station has 9, and room for 10: one too many is an IntegrityError.
TAKE = "UPDATE stock SET pieces = pieces - :n WHERE warehouse = 'harbour' AND item = 'lantern'"
PUT = "UPDATE stock SET pieces = pieces + :n WHERE warehouse = 'station' AND item = 'lantern'"
LEFT = "SELECT pieces FROM stock WHERE warehouse = 'harbour' AND item = 'lantern'"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with database:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/bare")
async def bare(pieces: int) -> int:
    await database.execute(TAKE, {"n": pieces})
    await database.execute(PUT, {"n": pieces})
    return pieces


@app.post("/whole")
async def whole(pieces: int) -> int:
    async with database.transaction():
        await database.execute(TAKE, {"n": pieces})
        await database.execute(PUT, {"n": pieces})
    return pieces


@app.post("/polite")
async def polite(pieces: int) -> str:
    async with database.transaction():
        await database.execute(TAKE, {"n": pieces})
        return "the station is full"


@app.get("/harbour/{pieces}")
async def harbour_has(pieces: int) -> int:
    if await database.fetch_val(LEFT) != pieces:
        raise HTTPException(409, "another number")
    return pieces
