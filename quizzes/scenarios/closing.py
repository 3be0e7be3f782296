"""A closer that raises, before and after it the two pools; one connection is lent at the end."""
# schema: exercise-2
# requests: GET /keep

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

shop = SQLitePool("shop.db", min_size=4, close_timeout=5)
archive = SQLitePool("archive.db", min_size=2)


async def sign_off() -> None:
    raise OSError("the disk is full")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await shop.open()
    await archive.open()
    yield
    await shop.close()
    await sign_off()
    await archive.close()


app = FastAPI(lifespan=lifespan)


@app.get("/keep")
async def keep() -> None:
    app.state.kept = await shop.acquire()
    await app.state.kept.execute_fetchall("SELECT 1")
