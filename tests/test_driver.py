"""`poolkit.lab.driver`: on the far side of a wire, everything is as with the real sqlite3, which is the oracle here."""

from __future__ import annotations

import array
import asyncio
import contextlib
import enum
import math
import socket
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import pytest
from databases import Database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from witnessing import DEADLINE, Stand, replacing_sqlite, serving, serving_aside, soon

from poolkit.lab.driver import Connection, Driver, PooledConnection

T = TypeVar("T")
Connect = Callable[..., sqlite3.Connection]
Step = tuple[Any, ...]

NAMED_BY_POSITION = pytest.mark.filterwarnings("ignore:Binding . :DeprecationWarning")
"""For what sqlite3 warns of from Python 3.12 to 3.13 and refuses later: ours is to do there what it does."""

LEVELS = ("", None, "DEFERRED", "immediate", "EXCLUSIVE")
SCHEMA = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data)"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """A witness of this test's own."""
    with serving_aside(tmp_path) as stand:
        yield stand
        assert not stand.witness.tampering


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A witness for what is asked many times, each time of a new database in memory."""
    with serving_aside(tmp_path_factory.mktemp("shared")) as stand:
        yield stand
        assert not stand.witness.tampering


def closing_all(connect: Connect) -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:

        def opened(*args: Any, **settings: Any) -> sqlite3.Connection:  # noqa: ANN401  (those of sqlite3.connect)
            connection: sqlite3.Connection = stack.enter_context(contextlib.closing(connect(*args, **settings)))
            return connection

        yield opened


@pytest.fixture
def connect(stand: Stand) -> Iterator[Connect]:
    """Connect through the driver."""
    yield from closing_all(stand.driver.connect)


@pytest.fixture
def really_connect(tmp_path: Path) -> Iterator[Connect]:
    """Connect with sqlite3 itself, to a file of the same name."""
    connect = sqlite3.connect
    yield from closing_all(lambda name, **settings: connect(tmp_path / name, **settings))


def caught(act: Callable[[], object]) -> object:
    """Return what comes of a call: its result, or all that a program can see of the exception."""
    try:
        return act()
    except Exception as error:  # whatever sqlite3 raises is to be raised by the driver
        codes = (getattr(error, name, None) for name in ("sqlite_errorcode", "sqlite_errorname"))
        return (type(error).__name__, str(error), *codes)


def take(connection: sqlite3.Connection, cursor: sqlite3.Cursor, step: Step) -> object:
    match step:
        case ("execute", str(sql), *values):
            return cursor.execute(sql, *values).fetchall()
        case ("many", str(sql), list(rows)):
            cursor.executemany(sql, rows)
        case ("script", str(sql)):
            connection.executescript(sql)
        case ("commit",):
            connection.commit()
        case ("rollback",):
            connection.rollback()
        case ("block", str(sql), *values):
            with connection:
                return connection.execute(sql, *values).fetchall()
        case ("broken block", str(sql), *values):
            with connection:
                connection.execute(sql, *values)
                raise ZeroDivisionError
        case _:
            raise AssertionError(step)
    return None


def observed(connection: sqlite3.Connection, steps: Sequence[Step]) -> list[str]:
    """Take steps; return all that a program can see after each, as text, so that 1, 1.0 and True differ."""
    seen = []
    cursor = connection.cursor()
    for step in steps:
        outcome = caught(lambda step=step: take(connection, cursor, step))  # type: ignore[misc]
        after = (cursor.description, cursor.rowcount, cursor.lastrowid)
        state = (connection.in_transaction, connection.total_changes)
        seen.append(repr((step[:2], outcome, *after, *state)))
    return seen


SCRIPTS: dict[str, list[Step]] = {
    "reading": [
        ("execute", 'SELECT 1 AS a, \'x\' AS a, NULL, 2.0 AS "a""b", x\'00ff\' AS ""'),
        ("execute", "SELECT name FROM items"),
        ("execute", "VALUES (1, 2), (3, 4)"),
        ("execute", ""),
        ("execute", "-- nothing at all"),
        ("execute", "EXPLAIN QUERY PLAN SELECT * FROM items"),
        ("execute", "PRAGMA table_info(items)"),
        ("execute", "PRAGMA foreign_keys = ON"),
        ("execute", "PRAGMA foreign_keys;"),
    ],
    "writing": [
        ("execute", "INSERT INTO items (name) VALUES ('a'), ('b')"),
        ("many", "INSERT INTO items (name) VALUES (?)", [("c",), ("d",), ("e",)]),
        ("execute", "SELECT last_insert_rowid(), changes()"),
        ("execute", "UPDATE items SET data = 1 WHERE id > 2"),
        ("execute", "REPLACE INTO items (id, name) VALUES (9, 'a')"),
        ("execute", "WITH w AS (SELECT 'f') INSERT INTO items (name) SELECT * FROM w"),
        ("many", "UPDATE items SET data = ? WHERE name = ?", [(1, "c"), (2, "nobody")]),
        ("many", "INSERT INTO items (name) VALUES (?)", []),
        ("execute", "DELETE FROM items"),
        ("commit",),
        ("commit",),
        ("rollback",),
    ],
    "returning": [
        ("execute", "INSERT INTO items (name) VALUES ('a'), ('b') RETURNING id, name"),
        ("execute", "UPDATE items SET data = id * 2 RETURNING *"),
        ("execute", "DELETE FROM items WHERE id = 1 RETURNING name"),
        ("execute", "DELETE FROM items WHERE id = 77 RETURNING name"),
        ("rollback",),
        ("execute", "SELECT * FROM items"),
    ],
    "constraints": [
        ("execute", "INSERT INTO items (id, name) VALUES (1, 'a')"),
        ("execute", "INSERT INTO items (name) VALUES ('a')"),
        ("execute", "INSERT INTO items (id) VALUES (1)"),
        ("execute", "INSERT INTO items (id) VALUES ('no number')"),
        ("many", "INSERT INTO items (name) VALUES (?)", [("b",), ("a",), ("c",)]),
        ("script", "CREATE TABLE other (a NOT NULL, b CHECK (b > 0), c REFERENCES items);PRAGMA foreign_keys = ON"),
        ("execute", "INSERT INTO other VALUES (NULL, 1, 1)"),
        ("execute", "INSERT INTO other VALUES (1, 0, 1)"),
        ("execute", "INSERT INTO other VALUES (1, 1, 4711)"),
        ("script", "CREATE TRIGGER never BEFORE DELETE ON items BEGIN SELECT RAISE(ABORT, 'not this one'); END"),
        ("execute", "DELETE FROM items"),
        ("execute", "SELECT * FROM items"),
    ],
    "mistakes": [
        ("execute", "SELEC 1"),
        ("execute", "SELECT * FROM nowhere"),
        ("execute", "SELECT nothing FROM items"),
        ("execute", "SELECT 1; SELECT 2"),
        ("execute", "SELECT 'a\0b'"),
        ("execute", "SELECT ?, ?", (1,)),
        ("execute", "SELECT ?", (1, 2)),
        ("execute", "SELECT ?", "abc"),
        ("execute", "SELECT ?", {1}),
        ("execute", "SELECT ?", iter([1])),
        ("execute", "SELECT ?", 7),
        ("execute", "SELECT ?", None),
        ("execute", "SELECT :a", {"b": 1}),
        ("execute", "SELECT ?", (2**63,)),
        ("execute", "SELECT ?", (-(2**63) - 1,)),
        ("execute", "SELECT ?", (10**5000,)),
        ("execute", "SELECT ?", (object(),)),
        ("execute", "SELECT ?, ?", (1, [])),
        ("execute", "SELECT zeroblob(2000000000)"),
        ("execute", "SELECT abs(-9223372036854775808)"),
        ("many", "SELECT ?", [(1,)]),
        ("script", "INSERT INTO items (name) VALUES ('kept'); SELEC 1; INSERT INTO items (name) VALUES ('never')"),
        ("execute", "SELECT name FROM items"),
        ("execute", "COMMIT"),
        ("execute", "ROLLBACK"),
    ],
    "transactions": [
        ("execute", "INSERT INTO items (name) VALUES ('a')"),
        ("execute", "BEGIN"),
        ("execute", "CREATE TABLE other (a)"),
        ("rollback",),
        ("execute", "BEGIN IMMEDIATE"),
        ("execute", "INSERT INTO items (name) VALUES ('b')"),
        ("execute", "SAVEPOINT one"),
        ("execute", "INSERT INTO items (name) VALUES ('c')"),
        ("execute", "ROLLBACK TO one"),
        ("execute", "RELEASE one"),
        ("execute", "RELEASE one"),
        ("commit",),
        ("execute", "SAVEPOINT two"),
        ("execute", "INSERT INTO items (name) VALUES ('d')"),
        ("script", "INSERT INTO items (name) VALUES ('e'); BEGIN; INSERT INTO items (name) VALUES ('f')"),
        ("execute", "SELECT name FROM items"),
        ("rollback",),
        ("execute", "SELECT name FROM items"),
    ],
    "blocks": [
        ("block", "INSERT INTO items (name) VALUES (?)", ("a",)),
        ("broken block", "INSERT INTO items (name) VALUES (?)", ("b",)),
        ("block", "INSERT INTO items (name) VALUES (?)", ("a",)),
        ("block", "SELECT name FROM items"),
        ("script", "PRAGMA foreign_keys = ON; CREATE TABLE o (a REFERENCES items DEFERRABLE INITIALLY DEFERRED)"),
        # The commit fails at the end of the block, which then rolls back.
        ("block", "BEGIN"),
        ("execute", "BEGIN"),
        ("block", "INSERT INTO o VALUES (4711)"),
        ("execute", "SELECT * FROM o"),
    ],
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_as_on_the_real_sqlite3(shared: Stand, script: str, level: str | None) -> None:
    """Rows, description, counts, transaction and errors (class, text, code) are the real ones, at each level."""
    steps: list[Step] = [("script", SCHEMA), *SCRIPTS[script]]
    with (
        contextlib.closing(sqlite3.connect(":memory:", isolation_level=level)) as real,  # type: ignore[arg-type]
        contextlib.closing(shared.driver.connect(":memory:", isolation_level=level)) as ours,
    ):
        assert ours.isolation_level == real.isolation_level
        assert observed(ours, steps) == observed(real, steps)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=20),
)
KEYS = st.integers(1, 5)
FREE = [
    *("BEGIN", "BEGIN EXCLUSIVE", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "END"),
    *("SELECT * FROM items ORDER BY id", "SELECT count(*), total(id) FROM items", "DELETE FROM items RETURNING *"),
    *("SELEC", "CREATE TABLE other (a)", "DROP TABLE other", "INSERT INTO items DEFAULT VALUES", "SELECT 1 WHERE 0"),
]
STEPS = st.one_of(
    st.tuples(st.just("execute"), st.sampled_from(FREE)),
    st.tuples(st.just("block"), st.sampled_from(FREE)),
    st.tuples(st.sampled_from(["commit", "rollback"])),
    st.tuples(
        st.sampled_from(["execute", "block", "broken block"]),
        st.just("INSERT INTO items VALUES (?, ?, ?)"),
        st.tuples(KEYS, VALUES, VALUES),
    ),
    st.tuples(
        st.just("execute"),
        st.just("UPDATE items SET name = :name, data = :data WHERE id = :id RETURNING *"),
        st.fixed_dictionaries({"id": KEYS, "name": VALUES, "data": VALUES}),
    ),
    st.tuples(
        st.just("many"),
        st.just("INSERT OR REPLACE INTO items VALUES (?, ?, ?)"),
        st.lists(st.tuples(KEYS, VALUES, VALUES), max_size=4),
    ),
    st.tuples(st.just("script"), st.lists(st.sampled_from(FREE), max_size=3).map("; ".join)),
)


@settings(max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(level=st.sampled_from(LEVELS), steps=st.lists(STEPS, max_size=12))
def test_any_script_runs_as_on_the_real_sqlite3(shared: Stand, level: str | None, steps: list[Step]) -> None:
    """Whatever is done in whatever order, nothing that a program can see tells the driver from sqlite3."""
    with (
        contextlib.closing(sqlite3.connect(":memory:", isolation_level=level)) as real,  # type: ignore[arg-type]
        contextlib.closing(shared.driver.connect(":memory:", isolation_level=level)) as ours,
    ):
        everything: list[Step] = [("script", SCHEMA), *steps, ("execute", "SELECT *, typeof(data) FROM items")]
        assert observed(ours, everything) == observed(real, everything)


class Colour(str, enum.Enum):  # noqa: UP042  (the str() of a StrEnum is its value, and of this one is not)
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 3


class Whole(float):
    def __float__(self) -> float:
        return -1.0


class Money:
    def __init__(self, cents: object) -> None:
        self.cents = cents

    def __conform__(self, protocol: object) -> object:
        return self.cents if protocol is sqlite3.PrepareProtocol else None


@NAMED_BY_POSITION  # 3.12.1 takes ?1 for a name
@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, -1, 2**63 - 1, -(2**63), 1.0, -0.0, 1e308, 5e-324, math.inf, -math.inf, math.nan),
        *("", "a\0b", "'; DROP TABLE items; --", "naïve ☃ 𝄞 \u202e \x1b[31m", "\x00", "é"),
        *(b"", b"\x00\xff", bytearray(b"ab"), memoryview(b"abc")[1:], array.array("h", [1, 2])),
        *(Colour.RED, Size.SMALL, Whole(2.5), Money(199), Money("text"), Money(None), Money(bytearray(b"x"))),
        *(Money([]), Money(2**64), Money(Colour.RED)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_arrives_as_the_real_sqlite3_stores_it(shared: Stand, value: object) -> None:
    """Type and value survive the way there and back, in positional and in named parameters."""
    asked = [
        ("execute", "SELECT ? AS v, typeof(?1), length(?1)", (value,)),
        ("execute", "SELECT :v, typeof($v), @other", {"v": value, "other": 1}),
    ]
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as real,
        contextlib.closing(shared.driver.connect(":memory:")) as ours,
    ):
        assert observed(ours, asked) == observed(real, asked)


def test_a_registered_adapter_is_used(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `sqlite3.register_adapter` knows is what a value is stored as."""
    key = (datetime, sqlite3.PrepareProtocol)
    adapters: dict[Any, Any] = sqlite3.dbapi2.adapters
    monkeypatch.setitem(adapters, key, adapters.get(key))
    sqlite3.register_adapter(datetime, lambda moment: moment.isoformat())
    row = connect("shop.db").execute("SELECT ?", (datetime(2026, 3, 1, 12, tzinfo=UTC),)).fetchone()
    assert row == ("2026-03-01T12:00:00+00:00",)


def test_a_value_without_an_adapter_is_refused(connect: Connect) -> None:
    """The error tells the parameter and its type, and nothing was executed."""
    connection = connect("shop.db", isolation_level=None)
    connection.execute(SCHEMA)
    with pytest.raises(sqlite3.ProgrammingError, match=r"Error binding parameter 2: type 'Decimal' is not supported"):
        connection.execute("INSERT INTO items (name, data) VALUES (?, ?)", ("a", Decimal("1.5")))
    assert connection.execute("SELECT * FROM items").fetchall() == []


# --- rows, as a program takes them ---


def test_factories_are_the_real_ones(connect: Connect) -> None:
    """`sqlite3.Row`, a function of one's own and `text_factory` work, set on a connection or on a cursor."""
    connection = connect("shop.db")
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT 1 AS id, 'a' AS Name").fetchone()
    assert isinstance(row, sqlite3.Row)
    assert (row["id"], row["name"], row[1], row.keys()) == (1, "a", "a", ["id", "Name"])
    cursor = connection.cursor()
    cursor.row_factory = lambda cursor, row: {c[0]: v for c, v in zip(cursor.description, row, strict=True)}
    assert cursor.execute("SELECT 1 AS a, 2 AS b").fetchall() == [{"a": 1, "b": 2}]
    connection.row_factory = None
    connection.text_factory = bytes
    assert connection.execute("SELECT 'é', 1").fetchone() == ("é".encode(), 1)


def test_rows_are_taken_in_every_way(connect: Connect) -> None:
    """Iteration, `fetchone`, `fetchmany` and `fetchall` share one position."""
    cursor = connect("shop.db").execute("VALUES (1), (2), (3), (4), (5), (6)")
    assert next(cursor) == (1,)
    assert cursor.fetchone() == (2,)
    assert cursor.fetchmany(2) == [(3,), (4,)]
    assert list(cursor) == [(5,), (6,)]
    assert cursor.fetchone() is None
    assert cursor.fetchall() == []


def test_cursors_of_one_connection_do_not_disturb_each_other(connect: Connect) -> None:
    """A result that is half read goes on while others are read, used again, closed or forgotten."""
    connection = connect("shop.db")
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000) SELECT i, i, i, i FROM n"
    half = connection.execute(many)
    assert half.fetchone() == (1, 1, 1, 1)
    for _ in range(2):
        assert len(connection.execute(many).fetchall()) == 9000
        connection.execute(many).fetchone()
    again = connection.execute(many)
    again.fetchone()
    again.execute("SELECT 'new'")
    assert half.fetchone() == (2, 2, 2, 2)
    assert again.fetchall() == [("new",)]
    assert len(half.fetchall()) == 8998


def test_rows_that_nobody_reads_are_in_nobody_s_way(connect: Connect, really_connect: Connect) -> None:
    """A cursor whose rows were not taken, as of a borrower who was cancelled, disturbs no statement of another."""

    def story(connect: Connect) -> list[object]:
        connection = connect("shop.db", isolation_level=None)
        connection.executescript(SCHEMA)
        left = connection.execute("SELECT 1 UNION SELECT 2")
        seen: list[object] = [connection.execute("SELECT ?", (number,)).fetchall() for number in range(3)]
        seen += [connection.execute("INSERT INTO items (name) VALUES ('a')").rowcount, left.fetchone()]
        return [*seen, connection.execute("SELECT name FROM items").fetchall(), left.fetchall()]

    assert story(connect) == story(really_connect)


@NAMED_BY_POSITION
def test_a_name_takes_its_value_from_a_sequence_as_far_as_sqlite3_does(
    connect: Connect, really_connect: Connect
) -> None:
    """Up to Python 3.13 it does; later it is the error that sqlite3 makes of it."""
    asked = ("execute", "SELECT :a, @b, $c", (1, 2, 3))
    ours, real = connect("shop.db"), really_connect("shop.db")
    assert observed(ours, [asked]) == observed(real, [asked])


def test_many_cells_arrive(connect: Connect) -> None:
    """A result of more cells than SQLite has variables comes whole and in order."""
    connection = connect("shop.db")
    count = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 12000)"
    rows = connection.execute(f"{count} SELECT i, 'n' || i, i * 0.5, NULL FROM n").fetchall()
    assert rows == [(i, f"n{i}", i * 0.5, None) for i in range(12000)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + ", ".join(["zeroblob(90000)"] * 12),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, 'text' FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT zeroblob(90000) FROM n",
        "SELECT " + ", ".join(["printf('%.*c', 90000, '\u0001')"] * 12),
    ],
)
def test_a_result_over_a_mebibyte_is_refused(connect: Connect, sql: str) -> None:
    """The error says what is wrong, an endless result included, and the connection goes on."""
    connection = connect("shop.db")
    with pytest.raises(sqlite3.DataError, match="over 1 MiB|too large"):
        connection.execute(sql)
    assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_a_statement_over_a_mebibyte_is_refused(connect: Connect) -> None:
    """Nothing is sent, the error says what is wrong, and the connection goes on."""
    connection = connect("shop.db")
    with pytest.raises(sqlite3.DataError, match="too large"):
        connection.execute("SELECT length(?)", (b"x" * 900_000,))
    assert connection.execute("SELECT length(?)", (b"x" * 99_000,)).fetchall() == [(99_000,)]


def test_a_cell_over_a_hundred_kilobytes_is_refused(connect: Connect) -> None:
    """The database's own error says so, and the functions that take long on long texts can all be used."""
    connection = connect("shop.db")
    with pytest.raises(sqlite3.Error) as refused:
        connection.execute("SELECT length(?)", (b"x" * 101_000,))
    assert refused.value.sqlite_errorname == "SQLITE_TOOBIG"
    row = connection.execute("SELECT replace(trim(' a-b '), '-', '+'), instr('abc', 'c')").fetchone()
    assert row == ("a+b", 3)


def test_text_that_is_no_utf8_is_an_error(connect: Connect) -> None:
    """SQLite can hold it, sqlite3 refuses it, and so does the driver."""
    connection = connect("shop.db")
    with contextlib.closing(sqlite3.connect(":memory:")) as real:
        text = "SELECT CAST(x'ff' AS TEXT)"
        assert caught(lambda: connection.execute(text).fetchall()) == caught(lambda: real.execute(text).fetchall())
    assert connection.execute("SELECT 1").fetchall() == [(1,)]


# --- connections ---

METHODS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "execute": lambda c: c.execute("SELECT 1"),
    "executemany": lambda c: c.executemany("INSERT INTO t VALUES (?)", [(1,)]),
    "executescript": lambda c: c.executescript("SELECT 1"),
    "cursor": lambda c: c.cursor(),
    "commit": lambda c: c.commit(),
    "rollback": lambda c: c.rollback(),
    "in_transaction": lambda c: c.in_transaction,
    "total_changes": lambda c: c.total_changes,
    "with": lambda c: c.__enter__(),
    "close": lambda c: c.close(),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_closed_connection_is_closed(connect: Connect, really_connect: Connect, method: str) -> None:
    """Whatever is asked of it, the answer is sqlite3's; closing twice is no error."""
    ours, real = connect("shop.db"), really_connect("shop.db")
    for connection in (ours, real):
        connection.close()
    assert caught(lambda: METHODS[method](ours)) == caught(lambda: METHODS[method](real))


def test_a_closed_cursor_sends_nothing(connect: Connect, stand: Stand) -> None:
    """It raises what sqlite3 raises, and the statement is not executed."""
    cursor = connect("shop.db").execute("SELECT 1")
    cursor.close()
    before = len(stand.ledger)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        real = connection.execute("SELECT 1")
        real.close()
        assert caught(lambda: cursor.execute("CREATE TABLE never (a)")) == caught(lambda: real.execute("SELECT 1"))
        assert caught(cursor.fetchone) == caught(real.fetchone)
    assert len(stand.ledger) == before


@pytest.mark.parametrize("method", ["execute", "executemany", "cursor", "commit", "rollback", "close"])
def test_a_connection_stays_in_its_thread(connect: Connect, method: str) -> None:
    """Another thread is refused as by sqlite3, its own goes on."""
    connection = connect("shop.db")
    errors: list[object] = []
    thread = threading.Thread(target=lambda: errors.append(caught(lambda: METHODS[method](connection))))
    thread.start()
    thread.join(DEADLINE)
    [error] = errors
    refusal = "SQLite objects created in a thread can only be used in that same thread."
    assert str(error).startswith(f"('ProgrammingError', '{refusal}")
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_may_be_shared_when_asked_for(connect: Connect) -> None:
    """`check_same_thread=False` lets another thread use it."""
    connection = connect("shop.db", check_same_thread=False)
    rows: list[object] = []
    thread = threading.Thread(target=lambda: rows.append(connection.execute("SELECT 1").fetchone()))
    thread.start()
    thread.join(DEADLINE)
    assert rows == [(1,)]


@pytest.mark.parametrize("level", LEVELS)
def test_connections_lock_each_other_as_in_the_real_sqlite3(
    connect: Connect, really_connect: Connect, level: str | None
) -> None:
    """Two connections to one file see locks, each other's commits and nothing earlier, at each level."""

    def story(connect: Connect) -> list[object]:
        one, two = (connect("shop.db", timeout=0.0, isolation_level=level) for _ in range(2))
        steps: list[tuple[sqlite3.Connection, Step]] = [
            (one, ("script", SCHEMA)),
            (two, ("execute", "SELECT name FROM items")),
            (one, ("execute", "INSERT INTO items (name) VALUES ('one')")),
            (two, ("execute", "SELECT name FROM items")),
            (two, ("execute", "INSERT INTO items (name) VALUES ('two')")),
            (two, ("execute", "BEGIN IMMEDIATE")),
            (one, ("commit",)),
            (two, ("execute", "SELECT name FROM items")),
            (two, ("rollback",)),
            (two, ("execute", "BEGIN EXCLUSIVE")),
            (one, ("execute", "SELECT name FROM items")),
            (two, ("rollback",)),
            (one, ("execute", "SELECT name FROM items")),
        ]
        return [(observed(connection, [step]), one.in_transaction, two.in_transaction) for connection, step in steps]

    assert story(connect) == story(really_connect)


def test_closing_rolls_back(connect: Connect) -> None:
    """What was not committed is gone with the connection."""
    one = connect("shop.db")
    one.executescript(SCHEMA)
    one.execute("INSERT INTO items (name) VALUES ('lost')")
    one.close()
    assert connect("shop.db").execute("SELECT * FROM items").fetchall() == []


if sys.version_info >= (3, 12):  # from where on sqlite3 has autocommit

    @pytest.mark.parametrize("autocommit", [True, False, -1])  # the last is LEGACY_TRANSACTION_CONTROL
    @pytest.mark.parametrize("script", SCRIPTS)
    def test_autocommit_is_sqlite3_s_own(shared: Stand, script: str, autocommit: bool) -> None:
        """All that a program can see is the same: True never begins a transaction, with False there always is one."""
        with (
            contextlib.closing(sqlite3.connect(":memory:", autocommit=autocommit)) as real,
            contextlib.closing(shared.driver.connect(":memory:", autocommit=autocommit)) as ours,
        ):
            assert ours.autocommit == real.autocommit
            assert ours.in_transaction == real.in_transaction
            for each in (real, ours):
                each.executescript(SCHEMA)
            assert observed(ours, SCRIPTS[script]) == observed(real, SCRIPTS[script])

    def test_what_autocommit_does_not_do_is_no_event(connect: Connect, stand: Stand) -> None:
        """A commit() that sqlite3 takes for nothing is not in the ledger, whoever sends it; a COMMIT is."""
        connection = connect("shop.db", autocommit=True)
        connection.execute("BEGIN")
        connection.commit()
        connection.rollback()
        assert isinstance(connection, Connection)
        connection._call({"op": "commit"})  # as a driver that a learner has changed may do
        assert connection.in_transaction
        connection.execute("COMMIT")
        connection.autocommit = True  # what it is already
        with pytest.raises(sqlite3.NotSupportedError, match="changing autocommit"):
            connection.autocommit = False
        assert stand.kinds == ["open", "statement", "commit"]


@pytest.mark.parametrize(
    "settings",
    [
        {"autocommit": 7},
        {"autocommit": None},
        {"autocommmit": True},
        {"isolation_level": "SOMETIMES"},
        {"isolation_level": 3},
        {"timeout": "5"},
        {"cached_statements": "x"},
    ],
    ids=repr,
)
def test_a_wrong_setting_is_refused_as_by_sqlite3(connect: Connect, stand: Stand, settings: dict[str, Any]) -> None:
    """It is the learner's slip and raises where it stands; it is not taken for a broken protocol."""
    expected = caught(lambda: sqlite3.connect(":memory:", **settings))
    assert caught(lambda: connect("shop.db", **settings)) == expected
    assert stand.kinds == []  # and the fixture sees that there was no tampering


@pytest.mark.parametrize("timeout", [0, -1, 1e300, math.inf, math.nan])
def test_any_number_is_a_timeout(connect: Connect, timeout: float) -> None:
    """However odd, it neither breaks the protocol nor the connection."""
    assert connect("shop.db", timeout=timeout).execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["shop.db", b"shop.db", Path("somewhere/else/shop.db"), "file:shop.db?mode=ro"])
def test_a_database_is_found_by_its_name(connect: Connect, name: object) -> None:
    """Text, bytes, paths and URIs of one name are one database."""
    connect("shop.db").executescript(SCHEMA)
    assert connect(name, uri=True).execute("SELECT name FROM items").fetchall() == []


def test_nobody_answers() -> None:
    """A witness that is gone looks like a database that cannot be opened."""
    door, other = socket.socketpair()
    other.close()
    with door, pytest.raises(sqlite3.OperationalError, match="^unable to open database file$"):
        Driver(door, "token").connect("shop.db")


def test_a_refused_connection_is_an_operational_error(connect: Connect, stand: Stand) -> None:
    """The text is the database's, and the next try is a new one."""
    stand.faults.refuse_connection(1, "too many connections")
    with pytest.raises(sqlite3.OperationalError, match="^too many connections$"):
        connect("shop.db")
    assert connect("shop.db").execute("SELECT 1").fetchone() == (1,)


def test_a_lost_connection_is_an_operational_error(connect: Connect, stand: Stand) -> None:
    """Every later call says so, and closing what is lost is no error."""
    connection = connect("shop.db")
    stand.loop.call_soon_threadsafe(stand.faults.kill, 1)
    stand.wait_for(lambda ledger: bool(ledger.of("lost")))
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="the database|the connection to the database is broken"):
            connection.execute("SELECT 1")
    connection.close()
    real = sqlite3.connect(":memory:")
    real.close()
    assert caught(lambda: connection.execute("SELECT 1")) == caught(lambda: real.execute("SELECT 1"))


UNSUPPORTED: dict[str, Callable[[sqlite3.Connection], object]] = {
    "backup": lambda c: c.backup(c),
    "blobopen": lambda c: c.blobopen("items", "data", 1),
    "create_function": lambda c: c.create_function("f", 0, lambda: 1),
    "create_collation": lambda c: c.create_collation("c", lambda a, b: 0),
    "enable_load_extension": lambda c: c.enable_load_extension(True),
    "iterdump": lambda c: c.iterdump(),
    "serialize": lambda c: c.serialize(),
    "set_authorizer": lambda c: c.set_authorizer(None),
    "set_progress_handler": lambda c: c.set_progress_handler(None, 1),
    "set_trace_callback": lambda c: c.set_trace_callback(None),
    "isolation_level": lambda c: setattr(c, "isolation_level", "IMMEDIATE"),
    "cursor factory": lambda c: c.cursor(type("Mine", (sqlite3.Cursor,), {})),
}


@pytest.mark.parametrize("what", UNSUPPORTED)
def test_what_cannot_work_says_so(connect: Connect, what: str) -> None:
    """It raises NotSupportedError with a text of ours; it does nothing to some database of its own instead."""
    connection = connect("shop.db")
    with pytest.raises(sqlite3.NotSupportedError, match="^poolkit's driver does not support "):
        UNSUPPORTED[what](connection)
    assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "settings", [{"detect_types": sqlite3.PARSE_DECLTYPES}, {"factory": type("Mine", (sqlite3.Connection,), {})}]
)
def test_an_option_that_cannot_work_says_so(connect: Connect, settings: dict[str, Any]) -> None:
    """Converters and connection classes of the learner's own are refused when the connection is opened."""
    with pytest.raises(sqlite3.NotSupportedError, match="^poolkit's driver does not support "):
        connect("shop.db", **settings)


def test_the_usual_factories_are_no_obstacle(connect: Connect) -> None:
    """Naming sqlite3's own classes is the same as naming none."""
    connection = connect("shop.db", factory=sqlite3.Connection)
    assert isinstance(connection, Connection)
    assert connection.cursor(sqlite3.Cursor).execute("SELECT 1").fetchone() == (1,)


def test_a_pooled_connection_is_marked_from_any_thread(stand: Stand) -> None:
    """The pool marks from the event loop's thread what aiosqlite uses in another; after a close it is silent."""
    with contextlib.closing(stand.driver.connect("shop.db", factory=PooledConnection)) as connection:
        assert isinstance(connection, PooledConnection)
        for kind in ("borrow", "return"):
            thread = threading.Thread(target=connection.mark, args=(kind,))
            thread.start()
            thread.join(DEADLINE)
    connection.mark("borrow")
    assert stand.kinds == ["open", "borrow", "return", "close"]


def test_installing_replaces_both_names(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sqlite3.connect` and `sqlite3.dbapi2.connect` both lead to the witness."""
    driver = stand.driver
    with monkeypatch.context() as context:
        for module in (sqlite3, sqlite3.dbapi2):
            context.setattr(module, "connect", module.connect)  # puts it back at the end
        driver.install()
        assert sqlite3.connect == sqlite3.dbapi2.connect == driver.connect


# --- under aiosqlite and databases, which are the real ones ---


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Stand]:
    """A witness on this loop, with `sqlite3.connect` in the driver's hands."""
    async with serving(tmp_path, SCHEMA) as stand:
        with replacing_sqlite(stand):
            yield stand
        assert not stand.witness.tampering


async def test_aiosqlite_runs_on_it(lab: Stand) -> None:
    """Rows, iteration, scripts, transactions and errors are what aiosqlite promises."""
    async with aiosqlite.connect("shop.db") as connection:
        connection.row_factory = aiosqlite.Row
        cursor = await connection.execute("INSERT INTO items (name) VALUES (?)", ("a",))
        assert (cursor.lastrowid, cursor.rowcount, connection.in_transaction) == (1, 1, True)
        await connection.commit()
        await connection.executemany("INSERT INTO items (name) VALUES (?)", [("b",), ("c",)])
        await connection.rollback()
        async with connection.execute("SELECT id, name FROM items") as rows:
            assert [dict(row) async for row in rows] == [{"id": 1, "name": "a"}]
        assert await connection.execute_insert("INSERT INTO items (name) VALUES ('d')") is not None
        with pytest.raises(sqlite3.IntegrityError) as refused:
            await connection.execute("INSERT INTO items (name) VALUES ('a')")
        assert refused.value.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE"
        with pytest.raises(sqlite3.NotSupportedError):
            await connection.create_function("f", 0, lambda: 1)
    assert lab.kinds[-1] == "close"
    assert lab.ledger.state.total == 0


async def session(database: Database) -> list[object]:
    """Use everything that `databases` has; return what came of it."""
    seen: list[object] = []
    insert = "INSERT INTO items (name, data) VALUES (:name, :data)"
    async with database:
        seen.append(await database.execute(insert, {"name": "a", "data": 1.5}))
        await database.execute_many(insert, [{"name": "b", "data": None}, {"name": "c", "data": b"\x00"}])
        seen.append([tuple(row) for row in await database.fetch_all("SELECT * FROM items ORDER BY id")])
        row = await database.fetch_one("SELECT id, name FROM items WHERE name = :name", {"name": "b"})
        assert row is not None
        seen.append((row["id"], row["name"], dict(row._mapping)))
        seen.append(await database.fetch_one("SELECT 1 WHERE 0"))
        seen.append(await database.fetch_val("SELECT count(*) FROM items"))
        seen.append([tuple(row) async for row in database.iterate("SELECT name FROM items ORDER BY id")])
        async with database.transaction():
            await database.execute(insert, {"name": "kept", "data": 1})
            with contextlib.suppress(ZeroDivisionError):
                async with database.transaction():
                    await database.execute(insert, {"name": "inner", "data": 2})
                    raise ZeroDivisionError
        with contextlib.suppress(ZeroDivisionError):
            async with database.transaction():
                await database.execute(insert, {"name": "outer", "data": 3})
                raise ZeroDivisionError
        transaction = await database.transaction()
        seen.append(await database.execute("UPDATE items SET data = 0"))
        await transaction.rollback()
        for sql in ("INSERT INTO items (name) VALUES ('a')", "SELEC", "SELECT * FROM nowhere"):
            try:
                await database.execute(sql)
            except sqlite3.Error as error:
                seen.append((type(error), str(error), error.sqlite_errorcode, error.sqlite_errorname))
        async with database.connection() as connection:
            seen.append([tuple(row) for row in await connection.fetch_all("SELECT name, data FROM items")])
    return seen


async def test_databases_runs_on_it_as_on_the_real_sqlite3(lab: Stand, tmp_path: Path) -> None:
    """With its own SQLite backend, `databases` gives the same answers, transactions and errors on both."""
    name = tmp_path / "judge" / "real.sqlite"  # the fixture leaves what lies there to the real sqlite3
    name.parent.mkdir(exist_ok=True)
    async with aiosqlite.connect(name) as connection:
        assert not isinstance(connection._conn, Connection)
        await connection.executescript(SCHEMA)
    real = await soon(session(Database(f"sqlite:///{name}")))
    before = len(lab.ledger)
    assert await soon(session(Database("sqlite:///shop.db"))) == real
    kinds = lab.kinds[before:]
    assert kinds.count("open") == kinds.count("close") > 5
    assert kinds.count("commit") == 2  # of the transaction, and of the one that iterate() makes
    assert lab.ledger.state.total == 0


async def test_tasks_share_a_database(lab: Stand) -> None:
    """Many tasks at once, each on a connection of its own, lose nothing."""
    database = Database("sqlite:///shop.db", timeout=DEADLINE)
    async with database:
        queries = (database.execute("INSERT INTO items (name) VALUES (:n)", {"n": f"item {n}"}) for n in range(20))
        ids = await soon(asyncio.gather(*queries))
        assert sorted(ids) == list(range(1, 21))
    assert max(event.state.total for event in lab.ledger) > 1
    assert lab.ledger.state.total == 0
