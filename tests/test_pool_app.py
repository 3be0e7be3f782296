"""`poolkit.lab.pool_app`: a pool is worked over HTTP, and tasks are cancelled at the await that was asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from poolkit.lab.pool_app import _finish, _Trap, make_app
from poolkit.sqlite_pool import SQLitePool


class Stage:
    """A coroutine of three awaits that notes how far it got."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.gate = asyncio.get_running_loop().create_future()

    async def play(self) -> str:
        """Wait for a turn, for the gate, for another turn."""
        try:
            await asyncio.sleep(0)
            self.seen.append("one")
            await self.gate
            self.seen.append("two")
            await asyncio.sleep(0)
            self.seen.append("three")
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        return "played"


async def sprung(number: int, moment: Any) -> tuple[Stage, _Trap, asyncio.Task[Any]]:  # noqa: ANN401
    """Play a stage with a trap, opening its gate once it waits there."""
    stage = Stage()
    trap = _Trap(stage.play(), number, moment)
    task = asyncio.ensure_future(_finish(trap))
    for _ in range(5):
        await asyncio.sleep(0)
    if not stage.gate.done():
        stage.gate.set_result(None)
    await asyncio.wait((task,))
    return stage, trap, task


@pytest.mark.parametrize(
    ("number", "moment", "seen"),
    [
        (1, "suspended", ["cancelled"]),
        (2, "suspended", ["one", "cancelled"]),
        (2, "done", ["one", "cancelled"]),
        (3, "suspended", ["one", "two", "cancelled"]),
        (3, "done", ["one", "two", "cancelled"]),
    ],
)
async def test_a_task_is_cancelled_at_the_await_that_was_asked_for(number: int, moment: str, seen: list[str]) -> None:
    """While it waits, or when what it waited for has come; the error reaches it at that very place."""
    stage, trap, task = await sprung(number, moment)
    assert stage.seen == seen
    assert trap.reached
    assert task.cancelled()


async def test_at_the_moment_done_what_was_waited_for_is_there() -> None:
    """The future has its result and is not cancelled: the case of a connection handed over and never seen."""
    stage, _, _ = await sprung(2, "done")
    assert stage.gate.result() is None
    stage, _, _ = await sprung(2, "suspended")
    assert stage.gate.cancelled()


async def test_beyond_the_last_await_nothing_is_cancelled() -> None:
    """So that a sweep knows where to end."""
    stage, trap, task = await sprung(4, "suspended")
    assert stage.seen == ["one", "two", "three"]
    assert not trap.reached
    assert task.result() == "played"


Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def ask(tmp_path: Any) -> Any:  # noqa: ANN401
    """Ask an app around the kit's own pool."""
    app = make_app(SQLitePool, str(tmp_path / "shop.db"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lab") as client,
    ):

        async def ask(path: str, body: object = None, status: int = 200) -> dict[str, Any]:
            answer = await client.post(path, json=body)
            assert answer.status_code == status, answer.text
            found: dict[str, Any] = answer.json()
            return found

        yield ask


async def test_a_pool_is_worked(ask: Ask) -> None:
    """Made, opened, lent from, returned to, closed; what it raises is told."""
    assert "must be at least 1" in (await ask("/pools/a", {"min_size": 0, "max_size": 1}))["error"]["message"]
    assert await ask("/pools/a", {"min_size": 1, "max_size": 1, "timeout": 0.05}) == {}
    assert (await ask("/pools/a/acquire/x"))["error"]["type"] == "PoolClosed"
    assert await ask("/pools/a/open") == {}
    assert await ask("/pools/a/acquire/x") == {}
    assert (await ask("/pools/a/acquire/y"))["error"]["type"] == "PoolTimeout"
    assert await ask("/borrowers/x/query", {"sql": "SELECT ?", "params": [7]}) == {"rows": [[7]]}
    assert await ask("/pools/a/release/x") == {}
    assert (await ask("/borrowers/x/query", {"sql": "SELECT 1"}))["error"]["type"] == "PoolError"
    assert (await ask("/pools/a/visit", {"sql": "SELECT 1", "fail": True}))["error"]["type"] == "RuntimeError"
    assert await ask("/pools/a/visit", {"sql": "SELECT 1"}) == {"rows": [[1]]}
    assert await ask("/pools/a/close") == {}


async def test_what_is_not_there_is_404(ask: Ask) -> None:
    """A pool that nobody made, a borrower who has nothing."""
    assert "make one with POST /pools/b" in (await ask("/pools/b/open", status=404))["detail"]
    assert "has borrowed nothing" in (await ask("/borrowers/z/query", {"sql": "SELECT 1"}, status=404))["detail"]


async def test_the_kits_own_pool_survives_every_cancellation(ask: Ask) -> None:
    """C1 to C4, at every await of a visit: afterwards its one connection is lent again."""
    await ask("/pools/a", {"min_size": 1, "max_size": 1, "timeout": 5})
    await ask("/pools/a/open")
    for moment in ("suspended", "done"):
        number, reached = 0, True
        while reached:
            number += 1
            told = await ask("/pools/a/cancel/visit/x", {"number": number, "moment": moment})
            reached = told["reached"]
            assert told["outcome"] == ("cancelled" if reached else "returned")
            assert await ask("/pools/a/visit", {"sql": "SELECT 1"}) == {"rows": [[1]]}
        assert number > 2


async def test_returned_and_asked_for_again_in_one_breath(ask: Ask) -> None:
    """Nobody runs in between: the one who waited is served first, or not, by the pool's own doing."""
    await ask("/pools/a", {"min_size": 1, "max_size": 1, "timeout": 5})
    await ask("/pools/a/open")
    await ask("/pools/a/acquire/x")
    waiter = asyncio.ensure_future(ask("/pools/a/acquire/y"))
    newcomer: asyncio.Future[Any] = asyncio.ensure_future(asyncio.sleep(0))
    await newcomer
    newcomer = asyncio.ensure_future(ask("/pools/a/exchange/x/z"))
    assert await waiter == {}
    assert not newcomer.done()
    await ask("/pools/a/release/y")
    assert await newcomer == {}
    await ask("/pools/a/release/z")


@pytest.mark.parametrize("turns", range(5))
async def test_time_is_lost_in_the_turn_that_was_asked_for(ask: Ask, turns: int) -> None:
    """A pool's wait may end by the clock and by a connection in the same turn; the kit's own loses nothing."""
    await ask("/pools/a", {"min_size": 1, "max_size": 1, "timeout": 0.2})
    await ask("/pools/a/open")
    await ask("/pools/a/acquire/x")
    await ask("/borrowers/x/query", {"sql": "BEGIN"})
    waiter = asyncio.ensure_future(ask("/pools/a/acquire/y"))
    loop, begun = asyncio.get_running_loop(), time.monotonic()
    await asyncio.sleep(0)
    assert await ask("/pools/a/release-late/x", {"turns": turns, "seconds": 0.25}) == {}
    assert time.monotonic() - begun >= 0.25
    assert "call_soon_threadsafe" not in vars(loop)
    if not await waiter:
        await ask("/pools/a/release/y")
    assert await ask("/pools/a/acquire/z") == {}
    await ask("/pools/a/release/z")
