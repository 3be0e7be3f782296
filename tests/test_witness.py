"""`poolkit.judge.witness`, `.database` and `.controls`: the database's own record, which nothing in a lab can bend."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from witnessing import DEADLINE, Stand, dialled, serving, soon

import poolkit.judge.database
import poolkit.judge.ledger
import poolkit.judge.witness
from poolkit import wire
from poolkit.errors import CourseFault
from poolkit.events import Location
from poolkit.judge.controls import Gate, matching
from poolkit.judge.database import DatabaseFiles, build_template
from poolkit.judge.witness import statement_kind

SCHEMA = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE); INSERT INTO items VALUES (1, 'first')"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
READ = "SELECT name FROM items"


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """A witness that leaves no thread behind."""
    async with serving(tmp_path, SCHEMA, ("shop.db", "other.db")) as stand:
        yield stand
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "a real connection is still open"


def told(stand: Stand) -> list[tuple[str, int, int, int]]:
    """Return each event's kind with the pool's total, free and borrowed after it."""
    return [(e.kind, e.state.total, e.state.free, e.state.borrowed) for e in stand.ledger]


# --- what is recorded ---


async def test_a_connection_outside_a_pool_is_borrowed_from_open_to_close(stand: Stand) -> None:
    """The state after every event counts it as in somebody's hands."""
    async with dialled(stand) as client:
        await client.execute(READ)
        await client.execute("BEGIN")
        await client.execute("COMMIT")
        await client.execute("SELEC")
        await client.ask(op="close")
    assert told(stand) == [
        ("open", 1, 0, 1),
        ("statement", 1, 0, 1),
        ("statement", 1, 0, 1),
        ("commit", 1, 0, 1),
        ("statement", 1, 0, 1),
        ("error", 1, 0, 1),
        ("close", 0, 0, 0),
    ]
    assert stand.ledger.events[5].detail == 'OperationalError: near "SELEC": syntax error'


async def test_a_pooled_connection_is_free_until_it_is_borrowed(stand: Stand) -> None:
    """Free and borrowed change at the marks, and nowhere else."""
    async with dialled(stand, pooled=True) as one, dialled(stand, pooled=True) as two:
        await one.ask(op="mark", kind="borrow", request=7, at=["app.py", 12, "async with database:"])
        await one.execute(READ)
        await two.ask(op="mark", kind="borrow")
        await one.ask(op="mark", kind="return")
        await one.ask(op="close")
        await two.ask(op="mark", kind="return")
        await two.ask(op="close")
    assert told(stand) == [
        ("open", 1, 1, 0),
        ("open", 2, 2, 0),
        ("borrow", 2, 1, 1),
        ("statement", 2, 1, 1),
        ("borrow", 2, 0, 2),
        ("return", 2, 1, 1),
        ("close", 1, 0, 1),
        ("return", 1, 1, 0),
        ("close", 0, 0, 0),
    ]
    borrow, statement = stand.ledger.events[2:4]
    assert (borrow.request, statement.request) == (7, 7)
    assert borrow.where == Location("app.py", 12, "async with database:")
    assert all(event.pooled for event in stand.ledger)


@pytest.mark.parametrize(
    "claims",
    [
        *({"at": at} for at in (7, [], ["app.py", "12", ""], ["app.py", 0, ""], ["app.py", 1], {"file": 1})),
        {"request": "7"},
        *({"request": number} for number in (0, -1, True, 1e9, 10**7)),
    ],
    ids=repr,
)
async def test_a_claim_of_a_wrong_form_is_dropped(stand: Stand, claims: dict[str, object]) -> None:
    """A place or a request that is none is not shown; the borrow itself stands."""
    async with dialled(stand, pooled=True) as client:
        assert await client.ask(op="mark", kind="borrow", **claims)
        [borrow] = stand.ledger.of("borrow")
        assert (borrow.where, borrow.request) == (None, None)
    assert not stand.witness.tampering


async def test_a_return_tells_of_an_open_transaction(stand: Stand) -> None:
    """The row says that the next borrower gets a transaction that somebody began."""
    async with dialled(stand, pooled=True, isolation_level="") as client:
        for change in ("INSERT INTO items (name) VALUES ('left')", None):
            await client.ask(op="mark", kind="borrow")
            await (client.execute(change) if change else client.ask(op="rollback"))
            await client.ask(op="mark", kind="return")
    assert [event.in_transaction for event in stand.ledger.of("return")] == [True, False]


async def test_nothing_to_commit_is_not_recorded(stand: Stand) -> None:
    """A commit or rollback outside a transaction does nothing in SQLite either."""
    async with dialled(stand, isolation_level="") as client:
        await client.ask(op="commit")
        await client.ask(op="rollback")
        await client.execute("INSERT INTO items (name) VALUES ('a')")
        answer = await client.ask(op="commit")
    assert stand.kinds[:3] == ["open", "statement", "commit"]
    assert answer
    assert answer["in_transaction"] is False
    assert await stand.witness.files.fetch(READ) == [("first",), ("a",)]


async def test_what_is_kept_of_a_statement_is_bounded(stand: Stand) -> None:
    """Its text and its parameters are cut, so that a flood of large ones fills no memory."""
    async with dialled(stand) as client:
        blob = wire.pack_value(b"\xff" * 100_000)
        await client.execute("SELECT 1 -- " + "x" * 100_000, *["y" * 10_000, blob, 5, None] * 6)
    [event] = stand.ledger.of("statement")
    limit = poolkit.judge.ledger.MAX_TEXT
    assert len(event.detail) == limit
    assert event.params == ("y" * limit, b"\xff" * limit, 5, None) * 5


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("COMMIT", "commit"),
        (" \n-- done\n/* really */ commit transaction;", "commit"),
        ("END", "commit"),
        ("end;", "commit"),
        ("ROLLBACK", "rollback"),
        ("ROLLBACK TO SAVEPOINT one", "statement"),
        ("RELEASE one", "statement"),
        ("SELECT 'COMMIT'", "statement"),
        ("/* never closed", "statement"),
        ("", "statement"),
        ("ENDLESS", "statement"),
    ],
)
def test_a_statement_is_recorded_for_what_it_is(sql: str, kind: str) -> None:
    """Comments and blanks before it do not hide the end of a transaction."""
    assert statement_kind(sql) == kind


# --- what is refused ---


async def test_a_connection_that_is_not_borrowed_executes_nothing(stand: Stand) -> None:
    """Before its borrow and after its return every operation is refused, and the database is unchanged."""
    insert = "INSERT INTO items (name) VALUES ('sneaked in')"
    async with dialled(stand, pooled=True) as client:
        operations: list[dict[str, Any]] = [
            {"op": "execute", "sql": insert, "params": []},
            {"op": "executemany", "sql": "INSERT INTO items (name) VALUES (?)", "params": [["a"]]},
            {"op": "script", "sql": insert},
        ]
        for _ in range(2):
            for operation in operations:
                answer = await client.ask(**operation)
                assert answer
                assert answer["error"] == "ProgrammingError"
                assert "not borrowed" in answer["message"]
            await client.ask(op="mark", kind="borrow")
            await client.ask(op="mark", kind="return")
        await client.ask(op="mark", kind="borrow")
        await client.execute("BEGIN")
        await client.execute(insert)
        await client.ask(op="mark", kind="return")
        for end in ("commit", "rollback"):
            answer = await client.ask(op=end)
            assert answer
            assert answer["error"] == "ProgrammingError"
            assert answer["in_transaction"] is True
    assert len(stand.ledger.of("refused")) == 8
    assert len(stand.ledger.of("statement")) == 2
    assert not stand.witness.tampering
    await stand.recorded("lost")
    assert await stand.witness.files.fetch(READ) == [("first",)]


@pytest.mark.parametrize(
    ("pooled", "marks"),
    [
        (True, ["return"]),
        (True, ["borrow", "borrow"]),
        (True, ["borrow", "return", "return"]),
        (True, ["lend"]),
        (True, [None]),
        (False, ["borrow"]),
        (False, ["return"]),
    ],
)
async def test_a_mark_out_of_turn_is_tampering(stand: Stand, pooled: bool, marks: list[str]) -> None:
    """The kit's own pool never does that; the connection ends there, and the count stays right."""
    async with dialled(stand, pooled=pooled) as client:
        for kind in marks[:-1]:
            await client.ask(op="mark", kind=kind)
        assert await client.ask(op="mark", kind=marks[-1]) is None
    await stand.recorded("lost")
    assert len(stand.witness.tampering) == 1
    assert stand.ledger.state.total == 0


@pytest.mark.parametrize(
    "opening",
    [
        {"token": "guessed"},
        {"token": ""},
        {"token": None},
        {"token": ["let me in"]},
        {"token": "\ud800"},
        {"op": "execute"},
        {"op": None},
        {"isolation_level": "SOMETIMES"},
        {"isolation_level": []},
        {"timeout": "5"},
        {"timeout": None},
        {"database": None},
    ],
    ids=repr,
)
async def test_a_stranger_is_not_let_in(stand: Stand, opening: dict[str, Any]) -> None:
    """Without the token, or with what the driver never says, there is no connection and a person is told."""
    connection = await asyncio.to_thread(stand.driver.dial)
    reader, writer = await asyncio.open_connection(sock=connection)
    usual = {
        "op": "open",
        "token": "let me in",
        "database": "x",
        "isolation_level": None,
        "timeout": 1,
        "pooled": False,
    }
    writer.write(wire.encode(usual | opening))
    assert await soon(reader.read()) == b""
    writer.close()
    assert len(stand.witness.tampering) == 1
    assert stand.kinds == []


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"[1]\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b'{"op": "steal"}\n',
        b'{"op": "open"}\n',
        b'{"op": "execute", "sql": 1, "params": []}\n',
        b'{"op": "execute", "sql": "SELECT 1"}\n',
        b'{"op": "execute", "sql": "SELECT ?", "params": [{"b": "***"}]}\n',
        b'{"op": "execute", "sql": "SELECT ?", "params": [{"b": "\\u00e9"}]}\n',
        b'{"op": "execute", "sql": "SELECT ?", "params": [[1]]}\n',
        b'{"op": "executemany", "sql": "SELECT ?", "params": 7}\n',
        b'{"op": "execute", "sql": "SELECT ' + b"9" * 5000 + b'", "params": [' + b"9" * 5000 + b"]}\n",
        b" " * (wire.MAX_MESSAGE + 1),
    ],
    ids=lambda line: str(line[:60]),
)
async def test_a_message_that_the_driver_never_sends_is_tampering(stand: Stand, line: bytes) -> None:
    """The connection ends, the witness stays up and tells what happened in a sentence."""
    async with dialled(stand) as honest, dialled(stand) as client:
        client.writer.write(line)
        assert await client.receive() is None
        await stand.recorded("lost")
        assert len(stand.witness.tampering) == 1
        assert "\n" not in stand.witness.tampering[0]
        assert await honest.execute(READ)
        assert stand.ledger.state.total == 1


@pytest.mark.parametrize("said", [b"", b'{"op": "execute", "sql": "SEL'])
async def test_hanging_up_is_no_tampering(stand: Stand, said: bytes) -> None:
    """A process that dies in the middle of a line breaks no rule; its connection is recorded as lost."""
    async with dialled(stand) as client:
        client.writer.write(said)
    await stand.recorded("lost")
    assert told(stand) == [("open", 1, 0, 1), ("lost", 0, 0, 0)]
    assert not stand.witness.tampering


async def test_one_who_never_waits_for_the_answer_is_counted_out(stand: Stand) -> None:
    """A lab that ends while its connection is being opened leaves nothing in the count."""
    for _ in range(20):
        connection = await asyncio.to_thread(stand.driver.dial)
        opening = {"token": "let me in", "database": "x", "isolation_level": None, "timeout": 1, "pooled": True}
        connection.sendall(wire.encode({"op": "open", **opening}))
        connection.close()
    await stand.recorded("lost", times=20)
    assert stand.ledger.state.total == 0


async def test_too_many_connections_are_refused(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """One over the limit gets an error of the database's, and the next one a connection again."""
    monkeypatch.setattr(poolkit.judge.witness, "MAX_CONNECTIONS", 2)
    async with dialled(stand) as one, dialled(stand):
        async with dialled(stand):
            pass
        [refused] = stand.ledger.of("refused")
        assert (refused.connection, refused.detail) == (None, "connect: too many connections")
        await one.ask(op="close")
        assert await one.receive() is None
        async with dialled(stand) as other:
            assert await other.execute(READ)
    assert not stand.witness.tampering


async def test_a_full_ledger_ends_the_connection(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called a flood, not tampering, and gives the real connection back."""
    monkeypatch.setattr(poolkit.judge.ledger, "MAX_EVENTS", 3)
    async with dialled(stand) as client:
        for _ in range(2):
            assert await client.execute(READ)
        assert await client.execute(READ) is None
        async with dialled(stand) as late:
            assert await late.receive() is None
    assert stand.witness.flooded
    assert not stand.witness.tampering
    assert stand.kinds == ["open", "statement", "statement"]


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH '{folder}/stolen.db' AS stolen",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO '{folder}/stolen.db'",
        "SELECT load_extension('{folder}/evil')",
        "PRAGMA journal_mode = WAL",
        "PRAGMA main.journal_mode(OFF)",
        "SELECT * FROM pragma_journal_mode('wal')",
        "PRAGMA writable_schema = 1",
        "PRAGMA max_page_count = 1000000",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA temp_store_directory = '{folder}'",
        "PRAGMA mmap_size = 1",
        "PRAGMA page_size = 512",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA wal_checkpoint",
    ],
)
async def test_sql_that_reaches_beyond_its_file_is_refused(stand: Stand, sql: str) -> None:
    """An ordinary error of the database, no new file, and the connection goes on."""
    async with dialled(stand) as client:
        before = sorted(path.name for path in stand.folder.rglob("*"))
        answer = await client.execute(sql.format(folder=stand.folder))
        assert answer
        assert issubclass(getattr(sqlite3, answer["error"]), sqlite3.DatabaseError)
        assert sorted(path.name for path in stand.folder.rglob("*")) == before
        answer = await client.execute("SELECT * FROM pragma_journal_mode")
        assert answer
        assert answer["rows"] == [["delete"]]
    assert not stand.witness.tampering


@pytest.mark.parametrize(
    "sql", ["PRAGMA foreign_keys = ON", "PRAGMA journal_mode", "PRAGMA busy_timeout = 5", "PRAGMA table_info(items)"]
)
async def test_pragmas_of_everyday_use_work(stand: Stand, sql: str) -> None:
    """What a learner may well write is allowed."""
    async with dialled(stand) as client:
        answer = await client.execute(sql)
        assert answer
        assert "error" not in answer


async def test_a_database_grows_only_so_far(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner's loop fills no disk: the database says that it is full."""
    monkeypatch.setattr(poolkit.judge.database, "_MAX_PAGES", 100)
    async with dialled(stand) as client:
        grow = "INSERT INTO items (name) SELECT hex(randomblob(2000)) FROM items, items, items"
        answers = [await client.execute(grow) for _ in range(8)]
        last = answers[-1]
        assert last
        assert (last["error"], last["message"]) == ("OperationalError", "database or disk is full")


def test_a_statement_gets_only_so_much_memory(tmp_path: Path) -> None:
    """Sorting and temporary tables cannot use up the judge's memory, and the database goes on afterwards."""
    # In a process of its own, since SQLite never takes such a limit back.
    script = """if True:
        import asyncio, json, pathlib, sys
        import poolkit.judge.database
        poolkit.judge.database._MAX_HEAP = 16 << 20
        from witnessing import dialled, serving

        async def main():
            async with serving(pathlib.Path(sys.argv[1])) as stand, dialled(stand) as client:
                many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)"
                wide = f"{many} SELECT randomblob(90000) AS b FROM n"
                for sql in (f"CREATE TEMP TABLE t AS {wide}", f"SELECT count(*) FROM ({wide} ORDER BY b)", "SELECT 1"):
                    answer = await client.execute(sql)
                    print(json.dumps(answer.get("error") or answer["rows"]))
                print(json.dumps(stand.witness.tampering))

        asyncio.run(main())
    """
    folders = [str(Path(__file__).parent), str(Path(poolkit.judge.database.__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={"PYTHONPATH": ":".join(folders)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        "OperationalError",
        "OperationalError",
        [[1]],
        [],
    ]


# --- how it ends ---


async def test_ending_the_sessions_records_each_as_lost(stand: Stand) -> None:
    """When a lab has ended, every connection that it left open is counted out."""
    async with dialled(stand), dialled(stand, pooled=True) as pooled:
        await pooled.ask(op="mark", kind="borrow")
        await soon(stand.witness.end_sessions())
        assert told(stand)[-2:] == [("lost", 1, 0, 1), ("lost", 0, 0, 0)]
    assert not stand.witness.tampering


@pytest.mark.parametrize("op", ["execute", "script"])
async def test_an_endless_statement_ends_with_its_session(tmp_path: Path, op: str) -> None:
    """However shortly before the end it was sent, it holds nothing up."""
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with serving(folder) as stand, dialled(stand) as client:
            client.send(op=op, sql=ENDLESS, params=[])
            await stand.recorded("statement")
            await soon(stand.witness.close())
            assert stand.ledger.state.total == 0


async def test_ending_while_connections_are_opened(stand: Stand) -> None:
    """Whatever step the opening of a connection has reached, nothing is left of it."""

    async def come_and_wait() -> None:
        with contextlib.suppress(sqlite3.OperationalError):
            async with dialled(stand) as client:
                await client.receive()

    tasks = [asyncio.create_task(come_and_wait()) for _ in range(15)]
    await stand.recorded("open")
    await soon(stand.witness.close())
    await soon(asyncio.gather(*tasks))
    assert stand.ledger.state.total == 0
    assert stand.kinds.count("open") == stand.kinds.count("lost")


# --- gates ---


async def test_a_gate_holds_what_matches_and_lets_it_go(stand: Stand) -> None:
    """A held statement is recorded and unanswered, other connections go on, and leaving the block releases it."""
    gate = Gate(matching("select NAME"))
    stand.witness.gates.append(gate)
    async with dialled(stand) as held, dialled(stand) as free:
        async with gate:
            held.send(op="execute", sql=READ, params=[])
            await stand.recorded("statement")
            answer = await free.execute("SELECT 1")
            assert answer
            assert answer["rows"] == [[1]]
            # One event loop serves both: what was not answered before the later statement is held.
            assert held.reader._buffer == b""  # type: ignore[attr-defined]  # what has arrived
        answer = await held.receive()
        assert answer
        assert answer["rows"] == [["first"]]
        answer = await free.execute(READ)
        assert answer
        assert answer["rows"] == [["first"]]


async def test_every_gate_holds(stand: Stand) -> None:
    """A statement that one gate lets go still waits at another, even as gates are taken away meanwhile."""
    first, second = Gate(matching("")), Gate(matching(""))
    waits = asyncio.Event()
    wait = second.wait

    async def told_wait() -> None:
        waits.set()
        await wait()

    second.wait = told_wait  # type: ignore[method-assign]
    stand.witness.gates[:] = [first, second]
    async with dialled(stand) as client:
        client.send(op="execute", sql=READ, params=[])
        await stand.recorded("statement")
        first.open()
        stand.witness.gates.remove(first)
        await soon(waits.wait())
        second.open()
        assert await client.receive()


async def test_a_gate_holds_a_commit(stand: Stand) -> None:
    """A commit is matched as COMMIT, however it was asked for; nothing is committed before it is released."""
    stand.witness.gates.append(gate := Gate(matching("commit")))
    for ask in ({"op": "commit"}, {"op": "execute", "sql": "COMMIT", "params": []}):
        async with dialled(stand) as client:
            before = len(stand.ledger.of("commit"))
            await client.execute("BEGIN")
            await client.execute("INSERT INTO items (name) VALUES (hex(randomblob(8)))")
            client.send(**ask)
            await stand.recorded("commit", times=before + 1)
            assert gate.holds("COMMIT")
            assert await stand.witness.files.fetch(READ) == [("first",)]
    gate.open()
    await stand.recorded("lost", times=2)


# --- faults ---


async def test_a_chosen_connection_is_refused(stand: Stand) -> None:
    """Counted from the moment at which the suite asks; all others are served."""
    async with dialled(stand):
        stand.faults.refuse_connection(2)
        outcomes = []
        for _ in range(4):
            async with dialled(stand) as client:
                outcomes.append(bool(await client.execute(READ)))
    assert outcomes == [True, False, True, True]
    assert [event.detail for event in stand.ledger.of("refused")] == ["connect: unable to open database file"]


async def test_a_chosen_statement_fails(stand: Stand) -> None:
    """As often as was asked for, with the class and text that were asked for, and without being executed."""
    stand.faults.fail_statement("insert", "disk I/O error", times=2)
    stand.faults.fail_statement("insert", "it happens", error="IntegrityError")
    insert = "INSERT INTO items (name) VALUES ('new')"
    async with dialled(stand) as client:
        answers = [await client.execute(sql) for sql in (READ, insert, insert, insert, insert)]
    errors = [(answer or {}).get("error") for answer in answers]
    assert errors == [None, "OperationalError", "OperationalError", "IntegrityError", None]
    assert [event.detail for event in stand.ledger.of("error")] == [
        "OperationalError: disk I/O error",
        "OperationalError: disk I/O error",
        "IntegrityError: it happens",
    ]
    assert await stand.witness.files.fetch(READ) == [("first",), ("new",)]


async def test_a_commit_can_fail(stand: Stand) -> None:
    """The transaction is still open then, as after a real failure, and may be rolled back."""
    stand.faults.fail_statement("COMMIT", "disk I/O error")
    async with dialled(stand, isolation_level="") as client:
        await client.execute("INSERT INTO items (name) VALUES ('new')")
        answer = await client.ask(op="commit")
        assert answer
        assert (answer["message"], answer["in_transaction"]) == ("disk I/O error", True)
        answer = await client.ask(op="rollback")
        assert answer
        assert answer["in_transaction"] is False
    assert stand.kinds[:5] == ["open", "statement", "commit", "error", "rollback"]


async def test_an_answer_can_be_late(stand: Stand) -> None:
    """It comes after the delay, and only the one that was chosen."""
    stand.faults.delay_statement("items", 0.05)
    loop = asyncio.get_running_loop()
    async with dialled(stand) as slow, dialled(stand) as quick:
        begin = loop.time()
        slow.send(op="execute", sql=READ, params=[])
        await stand.recorded("statement")
        answer = await quick.execute(READ)
        assert answer
        assert answer["rows"] == [["first"]]
        assert await slow.receive()
        assert loop.time() - begin >= 0.05


async def test_a_connection_can_be_cut(stand: Stand) -> None:
    """It is recorded as lost, the others live, and cutting what is gone does nothing."""
    async with dialled(stand) as one, dialled(stand) as two:
        stand.faults.kill(1)
        assert await one.receive() is None
        await stand.recorded("lost")
        assert await two.execute(READ)
        stand.faults.kill(1)
        stand.faults.kill(4711)
    await stand.recorded("lost", times=2)
    assert [event.connection for event in stand.ledger.of("lost")] == [1, 2]


# --- the files ---


async def test_each_name_of_the_exercise_is_a_database_of_its_own(stand: Stand) -> None:
    """Whatever folder a learner's code puts before it; any other name stands for the first."""
    async with dialled(stand, database="/srv/data/shop.db") as shop, dialled(stand, database="other.db") as other:
        await shop.execute("INSERT INTO items (name) VALUES ('shop')")
        answer = await other.execute(READ)
        assert answer
        assert answer["rows"] == [["first"]]
        for name in ("shop.db", "file:shop.db?mode=ro", "unknown.db", "../../etc/passwd", "x" * 5000, "a\0b", "\ud800"):
            async with dialled(stand, database=name) as same:
                answer = await same.execute(READ)
                assert answer
                assert answer["rows"] == [["first"], ["shop"]], name
    assert [path.suffix for path in (stand.folder / "judge").iterdir()] == [".sqlite"] * 2


@pytest.mark.parametrize("name", ["", ":memory:", "file::memory:?cache=shared", "file:x?mode=memory&cache=shared"])
async def test_a_database_in_memory_is_empty_and_no_file(stand: Stand, name: str) -> None:
    """Asking for one gives one, not the exercise's database."""
    async with dialled(stand, database=name) as client:
        answer = await client.execute("SELECT count(*) FROM sqlite_master")
        assert answer
        assert answer["rows"] == [[0]]


async def test_the_judge_reads_and_writes_past_the_app(stand: Stand) -> None:
    """What it writes the app sees at once; an app that holds the lock is an error, not a wait without end."""
    files = stand.witness.files
    assert await files.fetch("INSERT INTO items (name) VALUES (?) RETURNING id", ("judge's",)) == [(2,)]
    async with dialled(stand) as client:
        answer = await client.execute(READ)
        assert answer
        assert answer["rows"] == [["first"], ["judge's"]]
        await files.fetch("PRAGMA busy_timeout = 0")
        await client.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as refused:
            await soon(files.fetch(READ))
        assert refused.value.sqlite_errorname == "SQLITE_BUSY"


async def test_the_template_stays_as_it_is(stand: Stand) -> None:
    """Each lab's database is a copy."""
    async with dialled(stand) as client:
        await client.execute("DROP TABLE items")
    fresh = DatabaseFiles(stand.folder / "fresh", stand.folder / "template.sqlite", ("shop.db",))
    assert await fresh.fetch(READ) == [("first",)]
    await fresh.close()


@pytest.mark.parametrize("schema", [b"CREATE TABLE (", b"\xff\xfe", None])
def test_a_broken_schema_is_the_course_s_fault(tmp_path: Path, schema: bytes | None) -> None:
    """The message names the file and what it should be."""
    path = tmp_path / "schema.sql"
    if schema is not None:
        path.write_bytes(schema)
    with pytest.raises(CourseFault, match=r"schema\.sql: .*; a schema is a file of SQL statements in UTF-8"):
        build_template(path, tmp_path / "template.sqlite")
