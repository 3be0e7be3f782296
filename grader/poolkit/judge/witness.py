"""The witness: the database server of a lab, inside the judge. What it answers is what really happened.

It answers at a door, a socket that the lab was born with, and hands a new socket through it for each connection
of the lab's driver. Behind each of them is one real aiosqlite connection, so transactions, locks and errors are
SQLite's own. Every step goes into the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import socket
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from poolkit import wire
from poolkit.errors import WireFault
from poolkit.events import Location
from poolkit.judge.controls import Faults, Gate
from poolkit.judge.database import DatabaseFiles, close_soon, guarded
from poolkit.judge.ledger import Ledger, LedgerFull
from poolkit.wire import Message

MAX_CONNECTIONS = 100
_MAX_SESSIONS = MAX_CONNECTIONS + 50  # those that are being opened, or refused, included
_ISOLATION_LEVELS = (None, "", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")
_BLANK = re.compile(r"(?:\s+|--[^\n]*\n?|/\*.*?\*/)*", re.DOTALL)
_NOT_BORROWED = "this connection is not borrowed from its pool, so it cannot be used"


def statement_kind(sql: str) -> str:
    """Return the ledger's kind for a statement: `commit`, `rollback` or `statement`."""
    blank = _BLANK.match(sql)
    words = sql[blank.end() if blank else 0 :][:40].casefold().replace(";", " ").split()
    if words[:1] in (["commit"], ["end"]):
        return "commit"
    if words[:1] == ["rollback"] and "to" not in words:
        return "rollback"
    return "statement"


class Witness:
    """Serves the database to one lab, or to several that are workers of one app.

    Args:
        ledger: where everything is recorded.
        files: the databases.
        faults: the failures that the suite asked for.
        token: what the lab's driver says to be let in; a connection without it did not come from the driver.
    """

    def __init__(self, ledger: Ledger, files: DatabaseFiles, faults: Faults, token: str) -> None:
        self.ledger = ledger
        self.files = files
        self.faults = faults
        self.gates: list[Gate] = []
        self.lines: list[Gate] = []
        """Gates at which statements are held before they are in the ledger."""
        self.tampering: list[str] = []
        """What broke the protocol, a sentence each."""
        self.flooded = False
        """Whether the lab made more events than a ledger holds."""
        self._token = token
        self._doors: set[socket.socket] = set()
        self._sessions: dict[asyncio.Task[None], socket.socket] = {}
        self._closings: set[asyncio.Task[None]] = set()

    def start(self, door: socket.socket) -> None:
        """Answer at `door`, the judge's end of it: for each byte from the lab, send back a connection."""
        door.setblocking(False)
        self._doors.add(door)
        asyncio.get_running_loop().add_reader(door, self._answer_door, door)

    async def close(self) -> None:
        """Stop serving: end every session and close every database connection."""
        await self.end_sessions()
        await self.files.close()

    async def end_sessions(self, door: socket.socket | None = None) -> None:
        """End every session, as when its lab has ended, and wait until it is closed; take no new one.

        Args:
            door: end only those that began there.
        """
        for each in [door] if door else list(self._doors):
            self._shut(each)
        sessions = [session for session, its in self._sessions.items() if door in (None, its)]
        for session in sessions:
            # Once only: a second cancellation would cut short the closing that the first one began.
            if not session.cancelling():
                session.cancel()
        if sessions:
            await asyncio.wait(sessions)
        if self._closings:
            await asyncio.wait(list(self._closings))

    def closes(self, closing: asyncio.Task[None]) -> None:
        """Let the end of a real connection be waited for, even if its session is cancelled meanwhile."""
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)

    def letting_in(self, token: object) -> bool:
        """Whether `token` is the one that the lab's driver was given."""
        said = token if isinstance(token, str) else ""
        return hmac.compare_digest(said.encode(errors="replace"), self._token.encode())

    @property
    def full(self) -> bool:
        """Whether there are as many connections as one lab may have."""
        return len(self._sessions) > MAX_CONNECTIONS

    def _answer_door(self, door: socket.socket) -> None:
        try:
            knocks = door.recv(64)
            for _ in knocks:
                self._hand_out(door)
        except OSError:
            # The lab has ended, or takes none of what it asked for.
            knocks = b""
        if not knocks:
            self._shut(door)

    def _hand_out(self, door: socket.socket) -> None:
        if self.tampering or len(self._sessions) >= _MAX_SESSIONS:
            door.send(b"-")
            return
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        session = asyncio.get_running_loop().create_task(self._serve(ours))
        self._sessions[session] = door
        session.add_done_callback(self._sessions.pop)
        # One that is cancelled before its first step closes nothing by itself.
        session.add_done_callback(lambda task: ours.close() if task.cancelled() else None)
        with theirs:
            socket.send_fds(door, [b"+"], [theirs.fileno()])

    def _shut(self, door: socket.socket) -> None:
        if door in self._doors:
            self._doors.remove(door)
            asyncio.get_running_loop().remove_reader(door)
            door.close()

    async def _serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection, limit=wire.MAX_MESSAGE)
        try:
            await _Session(self, reader, writer).run()
        except WireFault as fault:
            self.tampering.append(str(fault))
        except LedgerFull:
            self.flooded = True
        except (ConnectionError, asyncio.CancelledError):
            # The lab has ended, or the judge ends it: either way there is nobody left to answer.
            pass
        finally:
            writer.close()


class _Session:
    """One connection of the lab's driver."""

    def __init__(self, witness: Witness, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._witness = witness
        self._ledger = witness.ledger
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._pooled = False
        self._commits_itself = False
        self._real: aiosqlite.Connection
        self._opening: asyncio.Future[aiosqlite.Connection] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._over = threading.Event()
        self._operations: dict[str, Callable[[Message], Awaitable[Message]]] = {
            "execute": self._execute,
            "executemany": self._executemany,
            "script": self._script,
            "commit": self._commit,
            "rollback": self._rollback,
            "mark": self._mark,
        }

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            if await self._open():
                await self._serve()
        finally:
            self._witness.faults.unwatch(self._number)
            with contextlib.suppress(LedgerFull):
                # Records nothing where there was a close, or never a connection.
                self._ledger.closed(self._number, lost=True)
            await self._close_real()

    async def _serve(self) -> None:
        while (message := await self._receive()) is not None:
            if message.get("op") == "close":
                await self._close_real()
                self._ledger.closed(self._number)
                await self._send({"ok": True})
                return
            await self._send(await self._answer(message))
            # A turn for everybody else, the judge's clock included, before the next of many that have arrived.
            await asyncio.sleep(0)

    async def _open(self) -> bool:
        message = await self._receive()
        if message is None:
            return False
        if message.get("op") != "open" or not self._witness.letting_in(message.get("token")):
            raise WireFault("something other than the kit's driver connected to the database")
        level, timeout = message.get("isolation_level"), message.get("timeout")
        name, pooled, autocommit = message.get("database"), message.get("pooled"), message.get("autocommit")
        if level not in _ISOLATION_LEVELS or not isinstance(timeout, (int, float)) or not isinstance(name, str):
            raise WireFault("the driver's first message is malformed")
        if not (autocommit is None or (isinstance(autocommit, bool) and hasattr(sqlite3.Connection, "autocommit"))):
            raise WireFault("the driver asked for an autocommit that sqlite3 does not have")
        faults = self._witness.faults
        refusal = "too many connections" if self._witness.full else faults.next_connect(self._ledger.state.total)
        if refusal is not None:
            self._ledger.record("refused", detail=f"connect: {refusal}")
            await self._send(_failure("OperationalError", refusal))
            return False
        real = guarded(
            self._witness.files.path(name),
            self._over,
            self._witness.files.meter,
            isolation_level=level,
            autocommit=autocommit,
            timeout=min(60.0, max(0.0, timeout)),  # in this order, so that nan is 0
        )
        self._opening = asyncio.ensure_future(real)
        try:
            self._real = await asyncio.shield(self._opening)
        except (sqlite3.Error, MemoryError) as error:
            self._ledger.record("refused", detail=f"connect: {error}")
            await self._send(_failure("OperationalError", str(error)))
            return False
        self._pooled = pooled is True
        self._number = self._ledger.opened(pooled=self._pooled, database=Path(name).name[:80])
        self._witness.faults.watch(self._number, self._writer.transport.abort)
        self._commits_itself = autocommit is True
        await self._send({"ok": True, "connection": self._number} | self._transaction())
        return True

    async def _receive(self) -> Message | None:
        try:
            line = await self._reader.readline()
        except ValueError as error:
            raise WireFault(f"a message on the database's wire is over {wire.MAX_MESSAGE} bytes") from error
        return wire.decode(line) if line.endswith(b"\n") else None

    async def _send(self, message: Message) -> None:
        try:
            line = wire.encode(message)
        except WireFault as fault:
            line = wire.encode(_failure("DataError", f"the answer is too large: {fault}") | self._transaction())
        self._writer.write(line)
        await self._writer.drain()

    async def _answer(self, message: Message) -> Message:
        name = message.get("op")
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            raise WireFault("an unknown operation on the database's wire")
        try:
            answer = await operation(message)
        except (sqlite3.Error, sqlite3.Warning) as error:
            code, name = (getattr(error, f"sqlite_error{what}", None) for what in ("code", "name"))
            answer = _failure(type(error).__name__, str(error)) | {"code": code, "name": name}
        except (ValueError, OverflowError, TypeError) as error:
            # What sqlite3 raises for a NUL in the text, an integer of over 64 bits, a parameter it cannot bind.
            answer = _failure("ProgrammingError", str(error))
        except MemoryError:
            answer = _failure("OperationalError", "out of memory: the statement needs more than the database may use")
        # That it was refused stands in the ledger already.
        if (error_text := answer.get("message")) and error_text != _NOT_BORROWED:
            self._ledger.record("error", connection=self._number, detail=f"{answer['error']}: {error_text}")
        return answer | self._transaction()

    def _transaction(self) -> Message:
        return {"in_transaction": self._real.in_transaction, "total_changes": self._real.total_changes}

    # --- operations ---

    async def _execute(self, message: Message) -> Message:
        sql = _text(message)
        parameters = _parameters(message.get("params"))
        shown = tuple(parameters.values()) if isinstance(parameters, dict) else parameters
        if refusal := await self._admit(statement_kind(sql), sql, shown):
            return refusal
        async with await self._real.execute(sql, parameters) as cursor:
            return await _result(cursor)

    async def _executemany(self, message: Message) -> Message:
        sql = _text(message)
        rows = message.get("params")
        if not isinstance(rows, list):
            raise WireFault("executemany needs a list of parameters")
        sets = [_parameters(row) for row in rows]
        if refusal := await self._admit(statement_kind(sql), sql, ()):
            return refusal
        async with await self._real.executemany(sql, sets) as cursor:
            return await _result(cursor)

    async def _script(self, message: Message) -> Message:
        sql = _text(message)
        if refusal := await self._admit("statement", sql, ()):
            return refusal
        async with await self._real.executescript(sql) as cursor:
            return await _result(cursor)

    @property
    def _may_end_transaction(self) -> bool:
        """Whether sqlite3's own `commit` and `rollback` do anything; what they do not do is no event either."""
        return self._real.in_transaction and not self._commits_itself

    async def _commit(self, _: Message) -> Message:
        if not self._may_end_transaction:
            return {"ok": True}
        if refusal := await self._admit("commit", "COMMIT", ()):
            return refusal
        await self._real.commit()
        return {"ok": True}

    async def _rollback(self, _: Message) -> Message:
        if not self._may_end_transaction:
            return {"ok": True}
        if refusal := await self._admit("rollback", "ROLLBACK", ()):
            return refusal
        await self._real.rollback()
        return {"ok": True}

    async def _admit(self, kind: str, sql: str, parameters: tuple[Any, ...]) -> Message | None:
        """Record a statement, then hold it, fail it or let it pass (None)."""
        if not self._ledger.is_borrowed(self._number):
            self._ledger.record("refused", connection=self._number, detail=sql)
            return _failure("ProgrammingError", _NOT_BORROWED)
        await _pass(self._witness.lines, sql)
        self._ledger.record(kind, connection=self._number, detail=sql, params=parameters[:20])
        await _pass(self._witness.gates, sql)
        if fault := self._witness.faults.next_statement(sql):
            error, text, delay = fault
            if delay:
                await asyncio.sleep(delay)
            if error:
                return _failure(error, text)
        return None

    async def _mark(self, message: Message) -> Message:
        borrowed = self._ledger.is_borrowed(self._number)
        match message.get("kind"):
            case _ if not self._pooled:
                raise WireFault("a connection outside a pool was marked as borrowed or returned")
            case "borrow" if not borrowed:
                self._ledger.borrowed(self._number, _number(message.get("request")), location(message.get("at")))
            case "return" if borrowed:
                self._ledger.returned(self._number, in_transaction=self._real.in_transaction)
            case _:
                raise WireFault("a connection was marked as borrowed or returned out of turn")
        return {"ok": True}

    async def _close_real(self) -> None:
        if self._opening is None:
            return
        self._over.set()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_after(self._opening))
            self._witness.closes(self._closing)
        # Shielded, as the opening is: a cancelled session must not leave the real connection's thread behind.
        await asyncio.shield(self._closing)

    async def _close_after(self, opening: asyncio.Future[aiosqlite.Connection]) -> None:
        with contextlib.suppress(sqlite3.Error, MemoryError):
            await close_soon(await opening)


async def _result(cursor: aiosqlite.Cursor) -> Message:
    if cursor.description is None:
        return {"ok": True, "lastrowid": cursor.lastrowid, "rowcount": cursor.rowcount}
    columns = [column[0] for column in cursor.description]
    rows = [wire.pack_row(row) for row in await cursor.fetchall()]
    # Read only now: sqlite3 counts the rows of RETURNING as they are fetched.
    return {"ok": True, "lastrowid": cursor.lastrowid, "rowcount": cursor.rowcount, "columns": columns, "rows": rows}


async def _pass(gates: Sequence[Gate], sql: str) -> None:
    """Wait until no gate holds a statement; asked anew after each wait, since gates come and go meanwhile."""
    while gate := next((gate for gate in gates if gate.holds(sql)), None):
        await gate.wait()


def _failure(error: str, message: str) -> Message:
    return {"error": error, "message": message or error}


def _text(message: Message) -> str:
    sql = message.get("sql")
    if not isinstance(sql, str):
        raise WireFault("a statement must be text")
    return sql


def _parameters(packed: object) -> tuple[Any, ...] | dict[str, Any]:
    if isinstance(packed, dict):
        return {name: wire.unpack_value(value) for name, value in packed.items()}
    return wire.unpack_row(packed)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1_000_000 else None


def location(value: object) -> Location | None:
    match value:
        case [str(file), int(line), str(text)] if 0 < line < 1_000_000:
            return Location(file[:200], line, text[:200])
    return None
