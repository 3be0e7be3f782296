"""Exercise 3's checks as a plain pytest file would do them: in one process with the app, without protection.

The same behaviours in the same order as grader/suites/test_exercise_3.py, each on a freshly imported app. What
the judge sees on the wire, this file asks the app's own pool. It is only here to be timed against.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import aiosqlite
import httpx
import pytest

ROOT = Path(__file__).parents[2]
SCHEMA = (ROOT / "exercises" / "exercise-3" / "schema.sql").read_text(encoding="utf-8")
APP = ROOT / "solutions" / "exercise-3" / "app.py"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Running:
    """An app that was started in this process."""

    def __init__(self, module: ModuleType, client: httpx.AsyncClient) -> None:
        self.pool = module.database._backend._pool
        self.client = client

    def add_item(self) -> dict[str, Any]:
        item = {"id": random.randrange(10_000, 10_000_000), "name": random.randbytes(6).hex(), "price_cents": 250}
        write("INSERT INTO items VALUES (:id, :name, :price_cents, 5)", item)
        return item

    async def expect(self, item: dict[str, Any]) -> None:
        answer = await self.client.get(f"/items/{item['id']}")
        assert answer.status_code == 200
        assert answer.json() == item


def write(sql: str, values: dict[str, Any]) -> None:
    """Change the shop's database; like the judge's, it does not wait for the disk."""
    connection = sqlite3.connect("shop.db")
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        connection.execute(sql, values)
    connection.close()


@asynccontextmanager
async def running(pool_size: int | None = None) -> AsyncIterator[Running]:
    """Import the app afresh, start it, stop it."""
    spec = importlib.util.spec_from_file_location("app", APP)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.app
    pool = module.database._backend._pool
    if pool_size is not None:
        pool.min_size = pool.max_size = pool_size
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield Running(module, client)


@pytest.fixture(autouse=True)
def shop(tmp_path: Path) -> None:
    os.chdir(tmp_path)
    connection = sqlite3.connect("shop.db")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(SCHEMA)
    connection.close()


@pytest.mark.anyio
async def test_starts_full() -> None:
    async with running() as app:
        assert app.pool.free == app.pool.total == app.pool.min_size


@pytest.mark.anyio
async def test_reads_the_item() -> None:
    async with running() as app:
        for _ in range(2):
            await app.expect(app.add_item())


@pytest.mark.anyio
async def test_borrows_one() -> None:
    async with running() as app:
        size = app.pool.total
        seen = []
        borrow = app.pool.acquire

        async def watched(timeout: float | None = None) -> object:
            connection = await borrow(timeout)
            seen.append((app.pool.free, app.pool.total))
            return connection

        app.pool.acquire = watched
        await app.expect(app.add_item())
        assert seen == [(size - 1, size)]


@pytest.mark.anyio
async def test_returns_the_connection() -> None:
    async with running() as app:
        for _ in range(3):
            await app.expect(app.add_item())
            assert app.pool.free == app.pool.min_size


@pytest.mark.anyio
async def test_returns_after_404() -> None:
    async with running() as app:
        answer = await app.client.get(f"/items/{random.randrange(10_000_000, 100_000_000)}")
        assert answer.status_code == 404
        assert app.pool.free == app.pool.min_size


@pytest.mark.anyio
async def test_shows_changes() -> None:
    async with running() as app:
        item = app.add_item()
        await app.expect(item)
        write("UPDATE items SET price_cents = 999 WHERE id = :id", item)
        await app.expect(item | {"price_cents": 999})


@pytest.mark.anyio
async def test_reuses_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    connect = aiosqlite.connect

    def counting(*args: Any, **kwargs: Any) -> aiosqlite.Connection:  # noqa: ANN401  (those of aiosqlite)
        opened.append(args)
        return connect(*args, **kwargs)

    monkeypatch.setattr(aiosqlite, "connect", counting)
    async with running() as app:
        before = len(opened)
        for _ in range(app.pool.total + 2):
            await app.expect(app.add_item())
        assert len(opened) == before == app.pool.total


@pytest.mark.anyio
async def test_visitors_together() -> None:
    async with running(pool_size=4) as app:
        items = [app.add_item() for _ in range(3)]
        await asyncio.gather(*(app.expect(item) for item in items))
        assert app.pool.free == 4


@pytest.mark.anyio
async def test_pool_of_one() -> None:
    async with running(pool_size=1) as app:
        items = [app.add_item() for _ in range(3)]
        await asyncio.gather(*(app.expect(item) for item in items))
        assert app.pool.total == app.pool.free == 1


@pytest.mark.anyio
async def test_emptied_at_shutdown() -> None:
    async with running() as app:
        pass
    assert app.pool.total == 0
