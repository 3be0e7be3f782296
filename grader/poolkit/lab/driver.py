"""The database driver of a lab: `sqlite3` connections that run at the witness.

`Driver.install` puts its `connect` in the place of `sqlite3.connect`, which aiosqlite calls from its worker
thread; aiosqlite and `databases` run on it unchanged. A connection is one Unix socket to the witness, which
hands it out through the door that the lab was born with: a lab can reach no socket by its path. Rows that
come back are replayed through a local `SELECT`, so that row factories, `description` and iteration are
sqlite3's own. What cannot work this way raises `sqlite3.NotSupportedError`.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn, Self

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

_NOTHING = "DROP TABLE IF EXISTS poolkit_nothing"
"""A statement that does nothing and has no rows. An empty one would do, but from Python 3.12 on sqlite3 takes what
another cursor's statement left behind (a row that nobody has read yet) for an error of the empty one.
"""


class Link:
    """One connection to the witness: send a message, get the answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
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

    def __init__(self, link: Link, opening: Mapping[str, Any], timeout: float, **settings: Any) -> None:  # noqa: ANN401
        # sqlite3 itself judges the settings. No statement that runs here begins a transaction, at any level. By name,
        # because only the database may be given by position from Python 3.15 on.
        super().__init__(":memory:", timeout=timeout, **settings)
        self._link: Link | None = link
        self._in_transaction = False
        self._changes = 0
        self._replaying = _serve_cells(super().create_function)
        try:
            self._call(
                {
                    **opening,
                    "timeout": float(timeout),
                    "isolation_level": super().isolation_level,
                    "autocommit": self._autocommit,
                }
            )
        except BaseException:
            super().close()
            raise

    def mark(self, kind: Literal["borrow", "return"], **details: object) -> None:
        """Tell the witness that the pool lends or takes back this connection."""
        if self._link is not None:
            self._link.call({"op": "mark", "kind": kind, **details})

    def _admit(self) -> None:
        """Refuse a closed connection and another thread, in sqlite3's own words."""
        super().commit()

    def _call(self, message: Mapping[str, Any]) -> wire.Message:
        self._admit()
        assert self._link is not None
        answer = self._link.call(message)
        self._in_transaction = answer.get("in_transaction") is True
        self._changes = answer.get("total_changes", self._changes)
        if "error" in answer:
            error = _ERRORS.get(answer["error"], sqlite3.DatabaseError)(answer["message"])
            if answer.get("code") is not None:
                vars(error).update(sqlite_errorcode=answer["code"], sqlite_errorname=answer["name"])
            raise error
        return answer

    @property
    def in_transaction(self) -> bool:
        # What is here does not count; sqlite3's own property is asked because it refuses a closed connection.
        _ = super().in_transaction
        return self._in_transaction

    @property
    def total_changes(self) -> int:
        return super().total_changes + self._changes

    @property
    def isolation_level(self) -> Any:  # noqa: ANN401  (one of sqlite3's levels, or None)
        return super().isolation_level

    @isolation_level.setter
    def isolation_level(self, value: object) -> None:
        if value != super().isolation_level:
            _unsupported("changing isolation_level; give it to connect()")

    @property
    def _autocommit(self) -> bool | None:
        """What sqlite3 has since Python 3.12; None where it is not there, or where `isolation_level` says it all."""
        found = getattr(super(), "autocommit", None)
        return found if isinstance(found, bool) else None

    def cursor(self, factory: Any = None) -> Any:  # noqa: ANN401  (as in typeshed)
        if factory not in (None, sqlite3.Cursor, Cursor):
            _unsupported("a cursor factory")
        return super().cursor(Cursor)

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
        self._admit()
        # With autocommit=True it does nothing: whoever wants a transaction writes BEGIN and COMMIT.
        if self._in_transaction and self._autocommit is not True:
            self._call({"op": "commit"})

    def rollback(self) -> None:
        self._admit()
        if self._in_transaction and self._autocommit is not True:
            self._call({"op": "rollback"})

    def interrupt(self) -> None:
        """Does nothing: the witness bounds every statement itself."""

    def close(self) -> None:
        if self._link is not None:
            self._admit()
            link, self._link = self._link, None
            try:
                link.call({"op": "close"})
            except sqlite3.OperationalError:
                # The other side has hung up already, so the connection is as closed as it can be.
                pass
            finally:
                link.close()
        super().close()

    def __enter__(self) -> Self:
        return super().__enter__()

    def __exit__(self, exc_type: object, exc: object, tb: object) -> Literal[False]:
        if exc_type is not None:
            self.rollback()
            return False
        try:
            self.commit()
        except sqlite3.Error:
            # As sqlite3 does, so that a commit that failed leaves no transaction open.
            self.rollback()
            raise
        return False

    def _not_supported(self, *_: object, **__: object) -> NoReturn:
        _unsupported("this method of sqlite3.Connection")

    backup = blobopen = create_aggregate = create_collation = create_function = _not_supported
    create_window_function = deserialize = enable_load_extension = iterdump = _not_supported
    load_extension = serialize = set_authorizer = set_progress_handler = _not_supported
    set_trace_callback = setlimit = setconfig = _not_supported

    if sys.version_info >= (3, 12):

        @property
        def autocommit(self) -> Any:  # noqa: ANN401  (True, False or sqlite3.LEGACY_TRANSACTION_CONTROL)
            return super().autocommit

        @autocommit.setter
        def autocommit(self, value: object) -> None:
            if value is not super().autocommit:
                _unsupported("changing autocommit; give it to connect()")


class PooledConnection(Connection):
    """A connection that a pool opens: not usable before the pool marks it as borrowed."""

    pooled = True


class Cursor(sqlite3.Cursor):
    """A `sqlite3.Cursor` that runs its statements at the witness and replays the rows."""

    _rowcount = -1
    _lastrowid: int | None = None
    _rows: Sequence[tuple[Value, ...]] = ()

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
        # Drops the rows of the statement before; sqlite3 itself refuses a closed cursor and another thread.
        super().execute(_NOTHING)
        self._rowcount = -1
        self._rows = ()
        answer = connection._call(message)
        self._rowcount = answer["rowcount"]
        if answer["lastrowid"] is not None:
            self._lastrowid = answer["lastrowid"]
        if "columns" in answer:
            self._rows = [wire.unpack_row(row) for row in answer["rows"]]
            connection._replaying[id(self)] = self
            self._replay(answer["columns"])
        return self

    def _replay(self, columns: Sequence[str]) -> None:
        names = ['"' + name.replace('"', '""') + '"' for name in columns]
        cells = ", ".join(f"poolkit_cell(cursor, i, {place}) AS {name}" for place, name in enumerate(names))
        super().execute(
            "WITH RECURSIVE rows(cursor, i) AS (SELECT ?, 0 UNION ALL SELECT cursor, i + 1 FROM rows LIMIT ?)"
            f" SELECT {cells} FROM rows",
            (id(self), len(self._rows)),
        )


def _serve_cells(create_function: Callable[..., None]) -> weakref.WeakValueDictionary[int, Cursor]:
    """Let the local SQL ask for the cells that came over the wire; return where cursors put themselves for that.

    A function has no limit on how many values it gives, and leaves nothing to clean up when a cursor is dropped.
    """
    replaying: weakref.WeakValueDictionary[int, Cursor] = weakref.WeakValueDictionary()
    create_function("poolkit_cell", 3, lambda cursor, row, column: replaying[cursor]._rows[row][column])
    return replaying


class Driver:
    """Connects to one witness.

    Args:
        door: a Unix socket; for each byte that goes out, the witness sends back a connection to itself.
        token: what lets this driver in.
    """

    def __init__(self, door: socket.socket, token: str) -> None:
        self._door = door
        self._token = token

    def dial(self) -> socket.socket:
        """Return a new socket to the witness.

        Raises:
            sqlite3.OperationalError: the witness gives none.
        """
        try:
            self._door.sendall(b"?")
            # Threads may take each other's; one is as good as another.
            _, descriptors, _, _ = socket.recv_fds(self._door, 1, 1)
        except OSError:
            descriptors = []
        if not descriptors:
            raise sqlite3.OperationalError("unable to open database file")
        return socket.socket(fileno=descriptors[0])

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
        **autocommit: Any,  # noqa: ANN401  (sqlite3 itself knows whether it has it, and what it takes)
    ) -> Connection:
        """Open a connection; the arguments are those of `sqlite3.connect`.

        Raises:
            sqlite3.OperationalError: the database refuses it.
            sqlite3.NotSupportedError: `detect_types`, or a `factory` that is not of this module.
            TypeError, ValueError: a setting that sqlite3 does not take either.
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
            "pooled": factory.pooled,
        }
        link = Link(self.dial())
        try:
            return factory(
                link,
                opening,
                timeout,
                isolation_level=isolation_level,
                check_same_thread=check_same_thread,
                cached_statements=cached_statements,
                **autocommit,
            )
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


def _bind(parameters: Any) -> Any:  # noqa: ANN401  (anything; JSON)
    if isinstance(parameters, Mapping):
        values = enumerate(parameters.items(), 1)
        return {str(name): wire.pack_value(_adapt(value, place)) for place, (name, value) in values}
    if hasattr(parameters, "__getitem__"):  # what sqlite3 takes for a sequence, text included
        return [wire.pack_value(_adapt(value, place)) for place, value in enumerate(parameters, 1)]
    raise sqlite3.ProgrammingError("parameters are of unsupported type")


def _adapt(value: Any, place: int) -> Value:  # noqa: ANN401  (anything)
    """Turn a Python value into one that SQLite stores, by the adapters that sqlite3 knows."""
    if type(value) not in (int, float, str):
        value = sqlite3.adapt(value, sqlite3.PrepareProtocol, value)
    # The base's own conversion: a subclass, such as an enum of texts, may say something else.
    match value:
        case None:
            return None
        case int():
            if not -(1 << 63) <= value < 1 << 63:
                raise OverflowError("Python int too large to convert to SQLite INTEGER")
            return int.__int__(value)
        case float():
            return float.__float__(value)
        case str():
            return str.__str__(value)
    try:
        return memoryview(value).tobytes()
    except TypeError:
        problem = f"Error binding parameter {place}: type '{type(value).__name__}' is not supported"
        raise sqlite3.ProgrammingError(problem) from None
