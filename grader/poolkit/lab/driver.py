"""The database driver of a lab: `sqlite3` connections that run at the witness.

`Driver.install` puts its `connect` in the place of `sqlite3.connect`, which aiosqlite calls from its worker
thread; aiosqlite and `databases` run on it unchanged. A connection is one Unix socket to the witness. Rows that
come back are replayed through a local `SELECT`, so that row factories, `description` and iteration are
sqlite3's own. What cannot work this way raises `sqlite3.NotSupportedError`.
"""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn

from poolkit import wire
from poolkit.errors import WireFault
from poolkit.events import Value

_ERRORS: dict[str, type[Exception]] = {
    name: getattr(sqlite3, name)
    for name in (
        "Warning",
        "Error",
        "InterfaceError",
        "DatabaseError",
        "DataError",
        "OperationalError",
        "IntegrityError",
        "InternalError",
        "ProgrammingError",
        "NotSupportedError",
    )
}
_MAX_VARIABLES = 32_000  # SQLite's own limit for one statement is 32 766


class Link:
    """One connection to the witness: send a message, get the answer."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise sqlite3.OperationalError("unable to open database file") from error
        self._file = self._socket.makefile("rb")
        # A mark comes from the event loop's thread, a statement from aiosqlite's.
        self._lock = threading.Lock()

    def call(self, message: Mapping[str, Any]) -> wire.Message:
        """Send one message and return its answer.

        Raises:
            sqlite3.Error: what the database says, in sqlite3's own classes.
        """
        try:
            line = wire.encode(message)
        except WireFault as fault:
            raise sqlite3.DataError(f"statement too large: {fault}") from fault
        with self._lock:
            try:
                self._socket.sendall(line)
                answer = self._file.readline(wire.MAX_MESSAGE)
            except (OSError, ValueError) as error:
                raise sqlite3.OperationalError("the connection to the database is broken") from error
        if not answer:
            raise sqlite3.OperationalError("the database closed the connection")
        return wire.decode(answer)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


class Connection(sqlite3.Connection):
    """A `sqlite3.Connection` whose database is at the witness."""

    pooled = False

    def __init__(
        self, link: Link, opening: Mapping[str, Any], *, check_same_thread: bool, cached_statements: int
    ) -> None:
        super().__init__(
            ":memory:",
            isolation_level=None,
            check_same_thread=check_same_thread,
            cached_statements=cached_statements,
        )
        self._link: Link | None = link
        self._thread = threading.get_ident() if check_same_thread else None
        self._level: str | None = opening["isolation_level"]
        self._in_transaction = False
        self._changes = 0
        self._call(opening)

    def mark(self, kind: Literal["borrow", "return"], **details: object) -> None:
        """Tell the witness that the pool lends or takes back this connection."""
        if self._link is not None:
            self._link.call({"op": "mark", "kind": kind, **details})

    def _call(self, message: Mapping[str, Any]) -> wire.Message:
        if self._link is None:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        if self._thread not in (None, threading.get_ident()):
            raise sqlite3.ProgrammingError("SQLite objects created in a thread can only be used in that same thread.")
        answer = self._link.call(message)
        self._in_transaction = answer.get("in_transaction") is True
        self._changes = answer.get("total_changes", self._changes)
        if "error" in answer:
            error = _ERRORS.get(answer["error"], sqlite3.DatabaseError)(answer["message"])
            error.sqlite_errorcode = answer.get("code")  # type: ignore[attr-defined]  # as sqlite3 sets it
            raise error
        return answer

    @property
    def in_transaction(self) -> bool:
        return self._in_transaction

    @property
    def total_changes(self) -> int:
        return self._changes

    @property
    def isolation_level(self) -> Any:  # noqa: ANN401  (one of sqlite3's levels, or None)
        return self._level

    @isolation_level.setter
    def isolation_level(self, value: object) -> None:
        if value != self._level:
            _unsupported("changing isolation_level; give it to connect()")

    def cursor(self, factory: Any = None) -> Any:  # noqa: ANN401  (as in typeshed)
        return super().cursor(Cursor if factory is None else factory)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401  (as in typeshed)
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.executescript(sql_script)

    def commit(self) -> None:
        if self._in_transaction or self._link is None:
            self._call({"op": "commit"})

    def rollback(self) -> None:
        if self._in_transaction or self._link is None:
            self._call({"op": "rollback"})

    def interrupt(self) -> None:
        """Does nothing: the witness bounds every statement itself."""

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            try:
                link.call({"op": "close"})
            except sqlite3.OperationalError:
                # The other side has hung up already, so the connection is as closed as it can be.
                pass
            finally:
                link.close()
        super().close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, exc_type: object, exc: object, tb: object) -> Literal[False]:
        if exc_type is None:
            self.commit()
        else:
            self.rollback()
        return False

    def _not_supported(self, *_: object, **__: object) -> NoReturn:
        _unsupported("this method of sqlite3.Connection")

    backup = blobopen = create_aggregate = create_collation = create_function = _not_supported
    create_window_function = deserialize = enable_load_extension = iterdump = _not_supported
    load_extension = serialize = set_authorizer = set_progress_handler = _not_supported
    set_trace_callback = setlimit = _not_supported


class PooledConnection(Connection):
    """A connection that a pool opens: not usable before the pool marks it as borrowed."""

    pooled = True


class Cursor(sqlite3.Cursor):
    """A `sqlite3.Cursor` that runs its statements at the witness and replays the rows."""

    _rowcount = -1
    _lastrowid: int | None = None
    _spill: str | None = None

    @property
    def rowcount(self) -> int:
        return self._rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._lastrowid

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:  # noqa: ANN401  (as in typeshed)
        return self._run({"op": "execute", "sql": _sql(sql), "params": _bind(parameters)})

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        return self._run({"op": "executemany", "sql": _sql(sql), "params": [_bind(row) for row in parameters]})

    def executescript(self, sql_script: str, /) -> Cursor:
        return self._run({"op": "script", "sql": _sql(sql_script)})

    def _run(self, message: Mapping[str, Any]) -> Cursor:
        connection = self.connection
        assert isinstance(connection, Connection)
        answer = connection._call(message)
        self._rowcount = answer.get("rowcount", -1)
        self._lastrowid = answer.get("lastrowid")
        if self._spill is not None:
            super().execute(f'DROP TABLE "{self._spill}"')
            self._spill = None
        if "columns" in answer:
            self._replay(answer["columns"], [wire.unpack_row(row) for row in answer["rows"]])
        else:
            super().execute("")
        return self

    def _replay(self, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        names = ['"' + name.replace('"', '""') + '"' for name in columns]
        if not rows:
            super().execute(f"SELECT {', '.join(f'NULL AS {name}' for name in names)} WHERE 0")
            return
        marks = f"({', '.join('?' * len(names))})"
        chosen = ", ".join(f"column{place} AS {name}" for place, name in enumerate(names, 1))
        if len(rows) * len(names) <= _MAX_VARIABLES:
            values = [value for row in rows for value in row]
            super().execute(f"SELECT {chosen} FROM (VALUES {', '.join([marks] * len(rows))})", values)
            return
        self._spill = f"spill{id(self)}"
        places = ", ".join(f"column{place}" for place in range(1, len(names) + 1))
        super().execute(f'CREATE TEMP TABLE "{self._spill}" ({places})')
        super().executemany(f'INSERT INTO "{self._spill}" VALUES {marks}', rows)
        super().execute(f'SELECT {chosen} FROM "{self._spill}" ORDER BY rowid')


class Driver:
    """Connects to one witness.

    Args:
        path: the witness's Unix socket.
        token: what lets this driver in.
    """

    def __init__(self, path: str, token: str) -> None:
        self._path = path
        self._token = token

    def install(self) -> None:
        """Put `connect` in the place of `sqlite3.connect`."""
        sqlite3.connect = sqlite3.dbapi2.connect = self.connect  # type: ignore[assignment]  # overloaded

    def connect(
        self,
        database: Any,  # noqa: ANN401  (as in typeshed: text, bytes or a path)
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        factory: type[sqlite3.Connection] | None = None,
        cached_statements: int = 128,
        uri: bool = False,
    ) -> Connection:
        """Open a connection; the arguments are those of `sqlite3.connect`.

        Raises:
            sqlite3.OperationalError: the database refuses it.
            sqlite3.NotSupportedError: `detect_types`, or a `factory` that is not of this module.
        """
        if detect_types:
            _unsupported("detect_types; convert values in your own code")
        factory = Connection if factory in (None, sqlite3.Connection) else factory
        if factory is None or not issubclass(factory, Connection):
            _unsupported("a connection factory")
        opening = {
            "op": "open",
            "token": self._token,
            "database": _path_text(database),
            "isolation_level": isolation_level,
            "timeout": timeout,
            "pooled": factory.pooled,
        }
        link = Link(self._path)
        try:
            return factory(link, opening, check_same_thread=check_same_thread, cached_statements=cached_statements)
        except BaseException:
            link.close()
            raise


def _unsupported(what: str) -> NoReturn:
    raise sqlite3.NotSupportedError(f"poolkit's driver does not support {what}")


def _path_text(database: object) -> str:
    if isinstance(database, bytes):
        return database.decode(errors="replace")
    return str(database)


def _sql(sql: object) -> str:
    if not isinstance(sql, str):
        raise TypeError(f"execute() argument 1 must be str, not {type(sql).__name__}")
    return sql


def _bind(parameters: object) -> Any:  # noqa: ANN401  (JSON)
    if isinstance(parameters, Mapping):
        return {str(name): wire.pack_value(_adapt(value)) for name, value in parameters.items()}
    if isinstance(parameters, Iterable) and not isinstance(parameters, (str, bytes)):
        return [wire.pack_value(_adapt(value)) for value in parameters]
    raise sqlite3.ProgrammingError("parameters are of unsupported type")


def _adapt(value: object) -> Value:
    """Turn a Python value into one that SQLite stores, by the adapters that sqlite3 knows."""
    if value is None or type(value) in (int, float, str, bytes):
        return value  # type: ignore[return-value]  # one of the types above
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    adapted = value
    if not isinstance(value, (int, float, str)):
        try:
            adapted = sqlite3.adapt(value)  # type: ignore[call-overload]  # typeshed asks for a protocol
        except sqlite3.ProgrammingError:
            raise sqlite3.ProgrammingError(
                f"Error binding parameter: type '{type(value).__name__}' is not supported"
            ) from None
    for plain in (int, float, str, bytes):
        if isinstance(adapted, plain):
            return plain(adapted)  # type: ignore[arg-type]  # of that very type, less a subclass
    return None
