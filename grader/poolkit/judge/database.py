"""The database files that the judge owns, and what a learner's SQL may do in them."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from poolkit.errors import CourseFault
from poolkit.events import Value
from poolkit.wire import MAX_MESSAGE

_MAX_PAGES = 16_384  # of 4 KiB: no file grows beyond 64 MiB
_MAX_CELL = 100_000  # bytes
_MAX_COLUMNS = 200
_MAX_WORK = 0.5  # seconds of CPU for all the statements of one lab
# Between two looks at the clock nothing can be stopped. So they are close together, and what lies between is short.
_STEPS_AT_ONCE = 2_000  # of SQLite's virtual machine, in loops; those in a row are bounded by the next
_MAX_PROGRAM = 10_000  # steps in a statement, less its loops
_MAX_CALLS = 200  # of functions in a statement's text
_MAX_SLOW_CALLS = 20  # of those that may take as long as one text times the other, such as LIKE, instr and trim
_MAX_SLOW_CELL = 1_000  # bytes, in a statement that calls such a function
_MAX_PATTERN = 100  # bytes, of a LIKE
_CLOSE_LIMIT = 5.0  # seconds
_MAX_HEAP = 128 << 20  # bytes, of all the SQLite in this process, temporary tables and sorting included

_ALLOWED_PRAGMAS = frozenset(
    {
        "busy_timeout",
        "case_sensitive_like",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "foreign_keys",
        "index_info",
        "index_list",
        "journal_mode",  # asking is fine; setting it is refused below
        "query_only",
        "synchronous",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
    }
)
_DENIED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})
_QUICK_FUNCTIONS = frozenset(
    {
        "abs",
        "avg",
        "changes",
        "char",
        "coalesce",
        "count",
        "cume_dist",
        "current_date",
        "current_time",
        "current_timestamp",
        "date",
        "datetime",
        "dense_rank",
        "first_value",
        "format",
        "group_concat",
        "hex",
        "ifnull",
        "iif",
        "json",
        "json_array",
        "json_array_length",
        "json_group_array",
        "json_group_object",
        "json_object",
        "json_quote",
        "json_type",
        "json_valid",
        "julianday",
        "lag",
        "last_insert_rowid",
        "last_value",
        "lead",
        "length",
        "likelihood",
        "likely",
        "lower",
        "max",
        "min",
        "nth_value",
        "ntile",
        "nullif",
        "percent_rank",
        "printf",
        "quote",
        "random",
        "randomblob",
        "rank",
        "round",
        "row_number",
        "sign",
        "sqlite_version",
        "strftime",
        "string_agg",
        "substr",
        "substring",
        "sum",
        "time",
        "timediff",
        "total",
        "total_changes",
        "typeof",
        "unicode",
        "unixepoch",
        "unlikely",
        "upper",
        "zeroblob",
    }
)
"""Those that take no longer than it takes to read their arguments once."""
_DENIED_ACTIONS = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_CREATE_VTABLE})


class _Authority:
    """Refuses SQL that reaches other files, that would change how the judge's own connections work, or that calls
    so many functions that it could not be stopped.

    Args:
        on_slow_call: called when a statement calls a function that may take long.
    """

    def __init__(self, on_slow_call: Callable[[], object]) -> None:
        self._on_slow_call = on_slow_call
        self.begin()

    def begin(self) -> None:
        """Count the calls of the next statement."""
        self._calls = self._slow_calls = 0

    def __call__(self, action: int, first: str | None, second: str | None, *_: object) -> int:
        refused = action in _DENIED_ACTIONS
        if action == sqlite3.SQLITE_PRAGMA:
            name = (first or "").casefold()
            refused = name not in _ALLOWED_PRAGMAS or (name == "journal_mode" and second is not None)
        elif action == sqlite3.SQLITE_FUNCTION:
            refused = self._refuses((second or "").casefold())
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    def _refuses(self, function: str) -> bool:
        self._calls += 1
        if function not in _QUICK_FUNCTIONS:
            self._slow_calls += 1
            self._on_slow_call()
        return function in _DENIED_FUNCTIONS or self._calls > _MAX_CALLS or self._slow_calls > _MAX_SLOW_CALLS


class _GuardedCursor(sqlite3.Cursor):
    def fetchall(self) -> list[Any]:
        """Return the rows.

        Raises:
            sqlite3.DataError: they are more than can cross the wire; no more than that is ever held.
        """
        rows: list[Any] = []
        size = 0
        for row in self:
            size += sum(len(cell) if isinstance(cell, (str, bytes)) else 8 for cell in row)
            if size > MAX_MESSAGE:
                raise sqlite3.DataError("the answer is over 1 MiB; fetch fewer rows at once")
            rows.append(row)
        return rows


class Meter:
    """Counts what SQL that is not the judge's own costs; once that is too much, it is interrupted."""

    def __init__(self) -> None:
        self._left = _MAX_WORK

    def run_out(self, seconds: float) -> bool:
        """Charge some seconds of CPU; tell whether that was too much."""
        self._left -= seconds
        return self._left < 0


class GuardedConnection(sqlite3.Connection):
    """A connection that runs a learner's SQL inside the judge: bounded, and shut into its one file.

    Args:
        over: once it is set, every statement fails, one that is running or about to run included.
        meter: what the connection's statements may use up together with others'.
        autocommit: that of `sqlite3.connect`, which has it from Python 3.12 on; None leaves it as it is.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  (those of sqlite3)
        over: threading.Event,
        meter: Meter,
        autocommit: bool | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        try:
            self._guard(over, meter)
            if autocommit is not None:
                # False begins a transaction at once, and in one nothing can be set any more.
                self.autocommit = autocommit
        except BaseException:
            super().close()
            raise

    def _guard(self, over: threading.Event, meter: Meter) -> None:
        used = time.thread_time()

        def must_stop() -> bool:
            nonlocal used
            before, used = used, time.thread_time()  # aiosqlite gives each connection a thread of its own
            return over.is_set() or meter.run_out(used - before)

        self._must_stop = must_stop
        # Unlike interrupt(), which a statement that starts a moment later does not see.
        self.set_progress_handler(must_stop, _STEPS_AT_ONCE)
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL)
        self.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, _MAX_COLUMNS)
        self.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _MAX_PATTERN)
        self.setlimit(sqlite3.SQLITE_LIMIT_VDBE_OP, _MAX_PROGRAM)
        for setting in (
            "synchronous = OFF",
            "temp_store = MEMORY",
            f"max_page_count = {_MAX_PAGES}",
            f"hard_heap_limit = {_MAX_HEAP}",
        ):
            super().execute(f"PRAGMA {setting}").close()
        self._authority = _Authority(lambda: self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_SLOW_CELL))
        self.set_authorizer(self._authority)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401  (as in typeshed)
        self._begin()
        return super().cursor(_GuardedCursor).execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        self._begin()
        return super().executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        self._begin()
        return super().executescript(sql_script)

    def _begin(self) -> None:
        self._authority.begin()
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL)
        if self._must_stop():  # a statement without a loop is not asked while it runs
            raise sqlite3.OperationalError("interrupted")


def guarded(
    path: str,
    over: threading.Event,
    meter: Meter,
    *,
    autocommit: bool | None = None,
    **settings: Any,  # noqa: ANN401
) -> aiosqlite.Connection:
    """Return a guarded connection to await; the settings are those of `sqlite3.connect`."""
    connection = aiosqlite.connect(
        path,
        factory=partial(GuardedConnection, over=over, meter=meter, autocommit=autocommit),
        cached_statements=0,  # so that each statement's functions are counted
        **settings,
    )
    # So that a statement that does not end keeps no process from ending. Before aiosqlite 0.22 it was the thread.
    thread: Any = getattr(connection, "_thread", connection)
    thread.daemon = True
    return connection


async def close_soon(connection: aiosqlite.Connection) -> None:
    """Close a connection that is over; leave it to itself when its statement does not end."""
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait((closing,), timeout=_CLOSE_LIMIT)
    if closing.done():
        closing.result()


class DatabaseFiles:
    """The database files of one lab, each made from the exercise's schema when it is first asked for.

    Args:
        folder: the judge's own, where no lab can reach.
        template: the database to copy, or None for an empty one.
        names: the files that the exercise has; any other name stands for the first of them.
    """

    def __init__(self, folder: Path, template: Path | None, names: Sequence[str]) -> None:
        self._folder = folder
        self._template = template
        self._names = tuple(names)
        self.meter = Meter()
        """The work of all the lab's statements."""
        self._own: aiosqlite.Connection | None = None
        self._over = threading.Event()

    def path(self, name: str) -> str:
        """Return what to give SQLite for the database that a learner's code calls `name`."""
        base = Path(name.partition("?")[0].removeprefix("file:")).name
        if base in ("", ":memory:") or "mode=memory" in name:
            return ":memory:"
        if base not in self._names:
            base = self._names[0]
        path = self._folder / f"{hashlib.sha256(base.encode()).hexdigest()[:12]}.sqlite"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._template:
                shutil.copyfile(self._template, path)
        return str(path)

    async def fetch(self, sql: str, parameters: Iterable[Value] = ()) -> list[tuple[Value, ...]]:
        """Run a statement of the judge's own on the first database, and commit it.

        Raises:
            sqlite3.Error: what SQLite says; `OperationalError` when a transaction of the lab holds the lock.
        """
        if self._own is None:
            # Guarded as well: a trigger of the lab's would run in it.
            path = self.path(self._names[0])
            self._own = await guarded(path, self._over, Meter(), isolation_level=None, timeout=2.0)
        rows = await self._own.execute_fetchall(sql, tuple(parameters))
        return [tuple(row) for row in rows]

    async def close(self) -> None:
        """Close the judge's own connection and remove the files."""
        self._over.set()
        if self._own is not None:
            await close_soon(self._own)
            self._own = None
        shutil.rmtree(self._folder, ignore_errors=True)


def build_template(schema: Path, target: Path) -> None:
    """Make the database that a schema file describes.

    Raises:
        CourseFault: the schema cannot be read or is not valid SQL.
    """
    connection = sqlite3.connect(target)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # it is made anew for every run; no disk need be waited for
        connection.executescript(schema.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, sqlite3.Error) as error:
        raise CourseFault(f"{schema}: {error}; a schema is a file of SQL statements in UTF-8") from error
    finally:
        connection.close()
