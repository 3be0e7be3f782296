"""An old startup hook beside a lifespan, and a mounted app with a lifespan of its own."""
# schema: exercise-2
# requests: GET /items/1, GET /reports/1

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

shop = SQLitePool("shop.db", min_size=4)
archive = SQLitePool("archive.db", min_size=2)
spare = SQLitePool("shop.db", min_size=1)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with shop:
        yield


@asynccontextmanager
async def lifespan_of_reports(app: FastAPI) -> AsyncIterator[None]:
    async with archive:
        yield


app = FastAPI(lifespan=lifespan)
reports = FastAPI(lifespan=lifespan_of_reports)
app.mount("/reports", reports)


@app.on_event("startup")
async def open_spare() -> None:
    await spare.open()


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> int:
    async with shop.connection() as connection:
        await connection.execute_fetchall("SELECT 1")
    return item_id


@reports.get("/{item_id}")
async def read_report(item_id: int) -> int:
    async with archive.connection() as connection:
        await connection.execute_fetchall("SELECT 1")
    return item_id
