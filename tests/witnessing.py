"""What the tests of driver and witness share: a witness to talk to, and `sqlite3.connect` in the driver's hands."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from poolkit import wire
from poolkit.judge.controls import Faults
from poolkit.judge.database import DatabaseFiles, GuardedConnection
from poolkit.judge.ledger import Ledger
from poolkit.judge.witness import Witness
from poolkit.lab.driver import Driver

DEADLINE = 20.0  # seconds; only a failing test waits that long
TOKEN = "let me in"

T = TypeVar("T")


@dataclass(frozen=True)
class Stand:
    """A witness that serves at the other end of `door`, what it records, and how to reach it."""

    witness: Witness
    door: socket.socket
    folder: Path
    loop: asyncio.AbstractEventLoop

    @property
    def ledger(self) -> Ledger:
        return self.witness.ledger

    @property
    def faults(self) -> Faults:
        return self.witness.faults

    @property
    def driver(self) -> Driver:
        return Driver(self.door, TOKEN)

    @property
    def kinds(self) -> list[str]:
        """The kinds of all events so far."""
        return [event.kind for event in self.ledger]

    async def recorded(self, *kinds: str, times: int = 1) -> None:
        """Wait until that many events of these kinds are in the ledger."""
        assert await self.ledger.until(lambda ledger: len(ledger.of(*kinds)) >= times, DEADLINE), self.kinds

    def wait_for(self, condition: Callable[[Ledger], bool]) -> None:
        """Wait for the ledger from another thread than the witness's own."""
        waiting = asyncio.run_coroutine_threadsafe(self.ledger.until(condition, DEADLINE), self.loop)
        assert waiting.result(DEADLINE + 1), self.kinds


@functools.cache
def _template(schema: str) -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        return connection.serialize()


@contextlib.asynccontextmanager
async def serving(folder: Path, schema: str = "", names: Sequence[str] = ("shop.db",)) -> AsyncIterator[Stand]:
    """Run a witness on this loop."""
    template = None
    if schema:
        template = folder / "template.sqlite"
        template.write_bytes(_template(schema))
    files = DatabaseFiles(folder / "judge", template, names)
    witness = Witness(Ledger(), files, Faults(), TOKEN)
    inside, outside = socket.socketpair()
    witness.start(inside)
    try:
        yield Stand(witness, outside, folder, asyncio.get_running_loop())
    finally:
        await soon(witness.close())
        outside.close()


@contextlib.contextmanager
def serving_aside(folder: Path, schema: str = "") -> Iterator[Stand]:
    """Run a witness on a loop in a thread of its own, for tests that block as sqlite3 does."""
    ready: concurrent.futures.Future[Stand] = concurrent.futures.Future()
    leave = asyncio.Event()

    async def serve() -> None:
        async with serving(folder, schema) as stand:
            ready.set_result(stand)
            await leave.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name="witness")
    thread.start()
    stand = ready.result(DEADLINE)
    try:
        yield stand
    finally:
        stand.loop.call_soon_threadsafe(leave.set)
        thread.join(DEADLINE)
        assert not thread.is_alive(), "the witness does not end"


@contextlib.contextmanager
def replacing_sqlite(stand: Stand) -> Iterator[None]:
    """Install the driver as a lab does; the witness, which shares this process here, keeps the real sqlite3."""
    real = sqlite3.connect
    stand.driver.install()
    theirs = sqlite3.connect

    def connect(database: Any, *args: Any, **settings: Any) -> sqlite3.Connection:  # noqa: ANN401
        factory = getattr(settings.get("factory"), "func", None)  # of a functools.partial
        own = factory is GuardedConnection or str(database).startswith(str(stand.folder / "judge"))
        connection: sqlite3.Connection = (real if own else theirs)(database, *args, **settings)
        return connection

    vars(sqlite3)["connect"] = connect
    try:
        yield
    finally:
        vars(sqlite3)["connect"] = vars(sqlite3.dbapi2)["connect"] = real


class Client:
    """Speaks the wire by hand, as somebody who has read the driver could."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, **message: Any) -> None:  # noqa: ANN401  (any JSON)
        self.writer.write(wire.encode(message))

    async def receive(self) -> wire.Message | None:
        """Return the next answer, or None once the witness has hung up."""
        with contextlib.suppress(ConnectionError):
            line = await soon(self.reader.readline())
            return wire.decode(line) if line else None
        return None

    async def ask(self, **message: Any) -> wire.Message | None:  # noqa: ANN401  (any JSON)
        self.send(**message)
        return await self.receive()

    async def execute(self, sql: str, *params: Any) -> wire.Message | None:  # noqa: ANN401  (any JSON)
        return await self.ask(op="execute", sql=sql, params=list(params))


@contextlib.asynccontextmanager
async def dialled(stand: Stand, **opening: Any) -> AsyncIterator[Client]:  # noqa: ANN401  (any JSON)
    """Connect to a witness and open a database, with what is given in place of what the driver would say."""
    connection = await asyncio.to_thread(stand.driver.dial)
    reader, writer = await asyncio.open_connection(sock=connection, limit=wire.MAX_MESSAGE)
    client = Client(reader, writer)
    usual = {"token": TOKEN, "database": "shop.db", "isolation_level": None, "timeout": 0.0, "pooled": False}
    try:
        answer = await client.ask(op="open", **usual | opening)
        assert answer is None or "ok" in answer or "error" in answer
        yield client
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def soon(awaitable: Awaitable[T]) -> T:
    """Await what must not take long."""
    async with asyncio.timeout(DEADLINE):
        return await awaitable
