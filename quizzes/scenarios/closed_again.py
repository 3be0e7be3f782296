"""The second of two pools cannot be opened, and a block closes the first."""
# schema: exercise-2
# requests: refuse 5

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

shop = SQLitePool("shop.db", min_size=4)
archive = SQLitePool("archive.db", min_size=2)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with shop, archive:
        yield


app = FastAPI(lifespan=lifespan)
