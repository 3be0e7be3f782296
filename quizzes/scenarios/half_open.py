"""The second of two pools cannot be opened, and nobody closes the first."""
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
    await shop.open()
    await archive.open()
    yield
    await archive.close()
    await shop.close()


app = FastAPI(lifespan=lifespan)
