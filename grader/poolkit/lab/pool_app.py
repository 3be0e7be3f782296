"""A small app around a pool class of the learner's own, so that the judge can work it over HTTP.

Each request is one task, as a visitor of a web app is. What a pool's method raises is an answer like any other:
`{"error": {"type": ..., "message": ...}}`. Run it with `uvicorn app:app` and open /docs to work the pool by hand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, Protocol

import aiosqlite
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request

from poolkit.lab.clock import installed


class PoolLike(Protocol):
    """What the class of a learner has."""

    async def open(self) -> None: ...  # noqa: D102
    async def close(self) -> None: ...  # noqa: D102
    async def acquire(self) -> aiosqlite.Connection: ...  # noqa: D102
    async def release(self, connection: Any) -> None: ...  # noqa: ANN401, D102  (what it lent)
    def connection(self) -> Any: ...  # noqa: ANN401, D102  (an asynchronous context manager)


Moment = Literal["suspended", "done"]


class _Trap:
    """Awaits a coroutine, and cancels the task that does so at one of its awaits.

    Args:
        number: which await, from 1; only those where the task really waits count.
        moment: `suspended` cancels while it waits, `done` when what it waits for is there and it has not gone on yet.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], number: int, moment: Moment) -> None:
        self._coroutine = coroutine
        self._number = number
        self._moment = moment
        self.reached = False
        self.count = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        awaiting = self._coroutine.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waited_for = awaiting.throw(error) if error else awaiting.send(value)
            except StopIteration as end:
                return end.value
            self.count += 1
            if self.count == self._number:
                self._spring(task, waited_for)
            value, error = None, None
            try:
                value = yield waited_for
            except BaseException as thrown:  # for the coroutine, which is what waits
                error = thrown

    def _spring(self, task: asyncio.Task[Any], waited_for: Any) -> None:  # noqa: ANN401  (a future, or None)
        self.reached = True
        if self._moment == "done" and isinstance(waited_for, asyncio.Future):
            # Called before the task's own wake-up, which asyncio adds after this.
            waited_for.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()


class _Desk:
    """The pools that were made, and who holds which connection."""

    def __init__(self, pool: Callable[..., PoolLike], database: str) -> None:
        self._pool = pool
        self._database = database
        self.pools: dict[str, PoolLike] = {}
        self.held: dict[str, aiosqlite.Connection] = {}
        self.states: dict[str, str] = {}

    def make(self, name: str, settings: dict[str, Any]) -> None:
        self.pools[name] = self._pool(self._database, **settings)

    def known(self, name: str) -> PoolLike:
        if name not in self.pools:
            raise HTTPException(404, f"no pool {name!r}; make one with POST /pools/{name}")
        return self.pools[name]

    def holding(self, borrower: str) -> aiosqlite.Connection:
        if borrower not in self.held:
            raise HTTPException(404, f"{borrower!r} has borrowed nothing")
        return self.held[borrower]

    async def acquire(self, pool: str, borrower: str) -> None:
        self.held.pop(borrower, None)
        self.states[borrower] = "waits"
        try:
            self.held[borrower] = await self.pools[pool].acquire()
        except BaseException:
            self.states[borrower] = "failed"
            raise
        self.states[borrower] = "holds"

    async def release(self, pool: str, borrower: str) -> None:
        await self.pools[pool].release(self.held[borrower])

    async def exchange(self, pool: str, borrower: str, successor: str) -> None:
        """Return what a borrower holds and acquire in the same breath: nobody else runs in between."""
        await self.release(pool, borrower)
        await self.acquire(pool, successor)

    async def release_late(self, pool: str, borrower: str, turns: int, seconds: float) -> None:
        """Return what a borrower holds; so many turns of the loop after the database's answer, time is lost.

        As when something else blocks the event loop: the timers that run out meanwhile all come in the next turn,
        and so perhaps together with what the pool does there.
        """
        loop = asyncio.get_running_loop()
        call_soon = loop.call_soon_threadsafe  # by which aiosqlite's threads bring their answers
        late = asyncio.Event()
        late.set()

        def count(left: int) -> None:
            if left:
                loop.call_soon(count, left - 1)
            else:
                _lose(seconds)
                late.set()

        def answered(callback: Callable[..., object], *args: Any, **options: Any) -> asyncio.Handle:  # noqa: ANN401
            def answer_and_count() -> None:
                callback(*args)
                count(turns)

            late.clear()
            vars(loop).pop("call_soon_threadsafe", None)  # the first answer only
            return call_soon(answer_and_count, **options)

        vars(loop)["call_soon_threadsafe"] = answered
        try:
            await self.release(pool, borrower)
        finally:
            vars(loop).pop("call_soon_threadsafe", None)
        await late.wait()

    async def visit(self, pool: str, sql: str, params: list[Any], fail: bool) -> Any:  # noqa: ANN401  (rows)
        async with self.pools[pool].connection() as connection:
            rows = await _rows(connection, sql, params)
            if fail:
                raise RuntimeError("the visitor's own error")
        return rows

    async def trapped(self, operation: Coroutine[Any, Any, Any], number: int, moment: Moment) -> dict[str, Any]:
        trap = _Trap(operation, number, moment)
        task = asyncio.get_running_loop().create_task(_finish(trap))
        await asyncio.wait((task,))
        if task.cancelled():
            return {"reached": trap.reached, "outcome": "cancelled"}
        if error := task.exception():
            return {"reached": trap.reached, "outcome": "raised", **_failure(error)}
        return {"reached": trap.reached, "outcome": "returned"}


def _lose(seconds: float) -> None:
    if clock := installed():
        clock.advance(seconds)
    else:
        time.sleep(seconds)


async def _finish(trap: _Trap) -> Any:  # noqa: ANN401  (whatever the operation returns)
    return await trap


async def _rows(connection: aiosqlite.Connection, sql: str, params: list[Any]) -> list[list[Any]]:
    async with connection.execute(sql, params) as cursor:
        return [list(row) for row in await cursor.fetchall()]


def _failure(error: BaseException) -> dict[str, Any]:
    return {"error": {"type": type(error).__name__, "message": str(error)[:300]}}


async def _answer(work: Awaitable[Any]) -> dict[str, Any]:
    try:
        result = await work
    except Exception as error:  # what a learner's method raises is told to whoever asked
        return _failure(error)
    return {"rows": result} if result is not None else {}


# The routes are built once, when this module is imported: that takes 20 ms, and the kit makes an app for each check.


async def _the_desk(request: Request) -> _Desk:
    # Not a plain function, which FastAPI would run in a thread.
    desk = request.app.state.desk
    assert isinstance(desk, _Desk)
    return desk


_TheDesk = Annotated[_Desk, Depends(_the_desk)]
_router = APIRouter()


@_router.post("/pools/{name}")
async def make(desk: _TheDesk, name: str, settings: dict[str, Any] = Body(...)) -> dict[str, Any]:
    """Make a pool: {"min_size": 2, "max_size": 4, "timeout": 5}. It is not open yet."""
    try:
        desk.make(name, settings)
    except Exception as error:  # what the learner's class says to wrong settings
        return _failure(error)
    return {}


@_router.post("/pools/{name}/open")
async def open_pool(desk: _TheDesk, name: str) -> dict[str, Any]:
    """Open the pool."""
    return await _answer(desk.known(name).open())


@_router.post("/pools/{name}/close")
async def close_pool(desk: _TheDesk, name: str) -> dict[str, Any]:
    """Close the pool."""
    return await _answer(desk.known(name).close())


@_router.post("/pools/{name}/acquire/{borrower}")
async def acquire(desk: _TheDesk, name: str, borrower: str) -> dict[str, Any]:
    """Borrow a connection and keep it under a borrower's name; answers once there is one."""
    desk.known(name)
    return await _answer(desk.acquire(name, borrower))


@_router.post("/pools/{name}/release/{borrower}")
async def release(desk: _TheDesk, name: str, borrower: str) -> dict[str, Any]:
    """Return what a borrower holds. Their name stays, so that it can be returned twice."""
    desk.known(name)
    desk.holding(borrower)
    return await _answer(desk.release(name, borrower))


@_router.post("/pools/{name}/exchange/{borrower}/{successor}")
async def exchange(desk: _TheDesk, name: str, borrower: str, successor: str) -> dict[str, Any]:
    """Return what a borrower holds, and at once, in the same task, acquire for another; answers once that has one."""
    desk.known(name)
    desk.holding(borrower)
    return await _answer(desk.exchange(name, borrower, successor))


@_router.post("/pools/{name}/release-late/{borrower}")
async def release_late(
    desk: _TheDesk, name: str, borrower: str, turns: int = Body(...), seconds: float = Body(...)
) -> dict[str, Any]:
    """Return what a borrower holds; `turns` of the event loop after the database has answered, it is late."""
    desk.known(name)
    desk.holding(borrower)
    return await _answer(desk.release_late(name, borrower, turns, seconds))


@_router.get("/borrowers/{borrower}")
async def state(desk: _TheDesk, borrower: str) -> dict[str, Any]:
    """Tell whether a borrower `waits` for a connection, `holds` one, `failed` to get one, or never asked."""
    return {"state": desk.states.get(borrower, "never asked")}


@_router.post("/borrowers/{borrower}/query")
async def query(desk: _TheDesk, borrower: str, sql: str = Body(...), params: list[Any] = Body([])) -> dict[str, Any]:
    """Run a statement on the connection that a borrower has."""
    return await _answer(_rows(desk.holding(borrower), sql, params))


@_router.post("/borrowers/{borrower}/commit")
async def commit(desk: _TheDesk, borrower: str) -> dict[str, Any]:
    """Commit what a borrower wrote."""
    return await _answer(desk.holding(borrower).commit())


@_router.post("/borrowers/{borrower}/close")
async def close_connection(desk: _TheDesk, borrower: str) -> dict[str, Any]:
    """Close the connection itself, behind the pool's back."""
    return await _answer(desk.holding(borrower).close())


@_router.post("/pools/{name}/visit")
async def visit(
    desk: _TheDesk,
    name: str,
    sql: str = Body(...),
    params: list[Any] = Body([]),
    fail: bool = Body(False),
) -> dict[str, Any]:
    """Run a statement in `async with pool.connection()`; with `fail`, raise in the block afterwards."""
    desk.known(name)
    return await _answer(desk.visit(name, sql, params, fail))


@_router.post("/pools/{name}/cancel/{operation}/{borrower}")
async def cancel(
    desk: _TheDesk,
    name: str,
    operation: Literal["acquire", "release", "visit"],
    borrower: str,
    number: int = Body(...),
    moment: Moment = Body("suspended"),
    sql: str = Body("SELECT 1"),
) -> dict[str, Any]:
    """Do it in a task that is cancelled at its `number`-th await; tell whether there was one."""
    desk.known(name)
    if operation == "acquire":
        work: Coroutine[Any, Any, Any] = desk.acquire(name, borrower)
    elif operation == "release":
        desk.holding(borrower)
        work = desk.release(name, borrower)
    else:
        work = desk.visit(name, sql, [], False)
    return await desk.trapped(work, number, moment)


def make_app(pool: Callable[..., PoolLike], database: str = "shop.db") -> FastAPI:
    """Return an app that does with pools what a request asks for.

    Args:
        pool: the class; called with the path of the database, and `min_size`, `max_size` and `timeout` by name.
        database: the path of the database.
    """
    desk = _Desk(pool, database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for each in desk.pools.values():
            await each.close()

    app = FastAPI(title="A pool of your own", lifespan=lifespan)
    app.state.desk = desk
    app.router.routes.extend(_router.routes)
    return app
