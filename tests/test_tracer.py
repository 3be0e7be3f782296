"""`poolkit.judge.tracer`: what is recorded does not depend on which of several tasks was quicker."""

from __future__ import annotations

from pathlib import Path

from poolkit.course import Course
from poolkit.judge.host import Host
from poolkit.judge.submission import Submission
from poolkit.judge.tracer import record
from poolkit.trace import Trace

APP = """
import asyncio
from contextlib import asynccontextmanager

from fastapi import FastAPI

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=2)


@asynccontextmanager
async def lifespan(app):
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


async def ask(number, turns):
    async with pool.connection() as connection:
        for _ in range(turns):
            await asyncio.sleep(0)
        await connection.execute_fetchall("SELECT ?", (number,))


@app.get("/both")
async def both():
    await asyncio.gather(ask(1, 0), ask(2, 2000))
"""


def test_tasks_that_ask_at_the_same_time_are_seen_to(course: Course, host: Host, tmp_path: Path) -> None:
    """The second one comes to its statement 2000 turns later, when the first would have long been served."""
    path = tmp_path / "app.py"
    path.write_text(APP, encoding="utf-8")
    trace = record(host, course.exercise("exercise-3"), Submission(path, path.name), ["/both"])
    assert isinstance(trace, Trace), trace
    queries = next(step for step in trace.steps if step.event == "Request 1 queries")
    assert queries.action == "used 1, 2"
    assert (queries.pool.free, queries.pool.borrowed) == (0, 2)
    assert trace.steps[-1].pool.total == 0
