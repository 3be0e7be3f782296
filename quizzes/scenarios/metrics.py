"""Numbers of the pool and two probes, in a quiet moment and when everything is lent."""
# schema: exercise-3
# requests: GET /stats, GET /health, GET /patient-health, GET /keep, GET /stats, GET /health, GET /patient-health

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=1, max_size=2, timeout=0.3)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/stats")
async def stats() -> dict[str, int]:
    return {"total": pool.total, "free": pool.free, "borrowed": pool.borrowed, "waiting": pool.waiting}


@app.get("/health")
async def health() -> None:
    if not pool.free and pool.total == pool.max_size:
        raise HTTPException(503, "everything is lent")


@app.get("/patient-health")
async def patient_health() -> None:
    async with pool.connection() as connection:
        await connection.execute_fetchall("SELECT 1")


@app.get("/keep")
async def keep() -> None:
    app.state.kept = [await pool.acquire(), await pool.acquire()]
