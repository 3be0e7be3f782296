"""What the judge promises to suites and to learners, each shown with a small suite of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from timing import spent

from poolkit.course import Course, Exercise, ExerciseFile, Limits
from poolkit.errors import GraderFault
from poolkit.judge.host import Host
from poolkit.judge.printed import LEFT_OUT
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate
from poolkit.report import CheckReport, Report, Status

APP = """
from contextlib import asynccontextmanager
from databases import Database
from fastapi import FastAPI
database = Database("sqlite:///shop.db", timeout=30)

@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def read():
    return await database.fetch_val("SELECT 6 * 7")
"""

HEAD = """
import asyncio
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Lab
"""

Grading = Callable[..., Report]


@pytest.fixture
def grading(tmp_path: Path, course: Course, host: Host) -> Grading:
    """Grade an app by a suite: `grading(suite, app)`."""

    def run(suite: str, app: str = APP, limits: Limits | None = None, seed: int = 1) -> Report:
        (tmp_path / "grader" / "suites").mkdir(parents=True, exist_ok=True)
        (tmp_path / "exercises" / "mini").mkdir(parents=True, exist_ok=True)
        (tmp_path / "grader" / "suites" / "test_mini.py").write_text(HEAD + textwrap.dedent(suite))
        file = tmp_path / "work" / "app.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(app))
        about = ExerciseFile.model_validate(
            {
                "title": "Mini",
                "concepts": ["x"],
                "difficulty": 1,
                "trace": ["/"],
                "hints": ["a", "b", "c"],
                "misconceptions": {"a-mistake": "It hurts."},
                "limits": limits or Limits(),
            }
        )
        return grade(host, Exercise("mini", tmp_path, about), locate(file.parent, "app.py"), seed=seed)

    return run


def only(report: Report) -> CheckReport:
    """Return the report's one check."""
    assert report.fault is None, report.fault
    assert len(report.checks) == 1
    return report.checks[0]


def test_checks_pass_fail_and_are_not_reached(grading: Grading) -> None:
    """A check whose need failed is not reached and earns nothing; the others are judged all the same."""
    report = grading("""
        @check("one", points=2)
        async def test_first_one(lab): await lab.start()
        @check("two", points=3)
        async def test_two(lab): expect(False, expected="E.", happened="H.", misconception="a-mistake")
        @check("three", points=4, needs=["two"])
        async def test_three(lab): raise RuntimeError("never run")
        @check("four", points=5, needs=["first-one"])
        async def test_four(lab): pass
    """)
    assert [(c.id, c.status.value, c.points) for c in report.checks] == [
        ("first-one", "pass", 2),
        ("two", "fail", 0),
        ("three", "not_reached", 0),
        ("four", "pass", 5),
    ]
    assert (report.status, report.points, report.max_points) == (Status.FAIL, 7, 14)
    failed = report.first_failure
    assert failed
    assert (failed.expected, failed.happened, failed.why) == ("E.", "H.", "It hurts.")


def test_a_suite_that_breaks_costs_no_points(grading: Grading) -> None:
    """An exception of the suite's is a grader fault: not counted, and never a learner's failure."""
    report = grading("""
        @check("one", points=2)
        async def test_one(lab): {}["missing"]
        @check("two", points=3)
        async def test_two(lab): pass
    """)
    assert report.status is Status.GRADER_FAULT
    assert [c.status for c in report.checks] == [Status.GRADER_FAULT, Status.PASS]
    assert (report.points, report.max_points) == (3, 3)
    assert report.fault
    assert "KeyError" in report.fault


@pytest.mark.parametrize(
    ("suite", "told"),
    [
        ("import nonsense", "nonsense"),
        ("async def test_it(lab): pass", "is no check"),
        ("@check('x')\nasync def test_it(lab, tmp_path): pass", "is no check"),
        ("x = 1", "holds no check"),
    ],
)
def test_a_broken_suite_is_the_graders_fault(grading: Grading, suite: str, told: str) -> None:
    """A suite that cannot be read or holds no check is an error of ours, in a line."""
    with pytest.raises(GraderFault, match=told):
        grading(suite)


@pytest.mark.parametrize("outcome", ["pytest.skip('x')", "pytest.xfail('x')"])
def test_a_skip_earns_nothing(grading: Grading, outcome: str) -> None:
    """Neither a skip nor an expected failure counts as a pass."""
    report = grading(f"import pytest\n@check('x')\nasync def test_x(lab): {outcome}")
    assert report.points == 0
    assert report.status is not Status.PASS


def test_the_users_pytest_settings_do_not_reach_the_judge(grading: Grading, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTEST_ADDOPTS and plugins of the environment change nothing."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only -p no:anyio")
    monkeypatch.setenv("PYTEST_PLUGINS", "nonsense")
    assert grading("@check('x')\nasync def test_x(lab): await lab.start()").status is Status.PASS


def test_the_seed_makes_the_random_choices(grading: Grading) -> None:
    """The same seed gives a check the same random numbers, another seed others."""
    suite = "@check('x')\nasync def test_x(lab): expect(False, expected='', happened=str(lab.random.random()))"
    first, again, other = (only(grading(suite, seed=seed)).happened for seed in (1, 1, 2))
    assert first == again != other


def test_a_request_that_never_ends_is_decided_by_the_deadline(grading: Grading, host: Host) -> None:
    """A handler that hangs fails its check when the check's time is up."""
    app = APP.replace('return await database.fetch_val("SELECT 6 * 7")', "import asyncio; await asyncio.Event().wait()")
    suite = "@check('x')\nasync def test_x(lab):\n    await lab.start()\n    await lab.get('/')"
    with spent(host) as took:
        check = only(grading(suite, app, Limits(check_s=1)))
    assert check.status is Status.FAIL
    assert "After 1 s" in check.happened
    assert took.seconds < 3


def test_the_exercise_has_a_time_limit_of_its_own(grading: Grading) -> None:
    """Checks that the exercise's time does not reach are not reached."""
    suite = "".join(
        f"@check('x')\nasync def test_x{n}(lab):\n    import asyncio; await asyncio.Event().wait()\n" for n in range(3)
    )
    # Long enough for the first two to begin on a busy machine: what begins later is not reached either.
    report = grading(suite, limits=Limits(check_s=4, exercise_s=4))
    assert [check.status for check in report.checks] == [Status.FAIL, Status.FAIL, Status.NOT_REACHED]


def test_only_the_first_of_what_a_learner_prints_is_kept(grading: Grading) -> None:
    """64 KiB of prints are kept for each check, however many there are."""
    app = "print('y' * 10_000_000, flush=True)\n" + APP
    check = only(grading("@check('x')\nasync def test_x(lab): expect(False, expected='', happened='')", app))
    assert len(check.output) == 64 << 10


PRINTS = """
import asyncio, sys, time
from fastapi import FastAPI
app = FastAPI()

@app.get("/")
async def read():
    print("no line end", end="")
    raise RuntimeError("the last of it")

@app.get("/late")
async def late():
    asyncio.get_running_loop().call_soon(print, "after the answer")

@app.get("/blocks")
async def block():
    print("before it blocks")
    time.sleep(60)
"""


@pytest.mark.parametrize("attempt", range(10))
def test_what_was_printed_up_to_the_end_of_a_request_is_in_the_report(grading: Grading, attempt: int) -> None:
    """Though uvicorn logs the exception after the answer is sent, and the judge ends the lab right then."""
    check = only(
        grading(
            """
            @check("one", points=1)
            async def test_one(lab):
                await lab.start()
                await lab.get("/late")
                await lab.get("/")
                expect(False, expected="E.", happened="H.")
            """,
            PRINTS,
            seed=attempt,
        )
    )
    first, *rest = check.output.splitlines()
    assert first == "after the answer"
    assert rest[0].startswith("no line end")
    assert rest[1:3] == ["Traceback (most recent call last):", LEFT_OUT]
    # What is between them is the learner's line alone, under the name that they know.
    assert [line.strip() for line in rest[3:]] == [
        'File "app.py", line 9, in read',
        'raise RuntimeError("the last of it")',
        "RuntimeError: the last of it",
    ]


def test_who_blocks_the_event_loop_has_printed_too(grading: Grading) -> None:
    """There is nobody to ask; what lies in the pipe is taken."""
    check = only(
        grading(
            """
            @check("one", points=1)
            async def test_one(lab):
                await lab.start()
                lab.send("GET", "/blocks")
                await lab.until(lambda ledger: ledger.of("request"))
                while b"before" not in lab.process.output:
                    await asyncio.sleep(0.001)
                expect(False, expected="E.", happened="H.")
            """,
            PRINTS,
        )
    )
    assert check.output == "before it blocks\n"


def test_a_worker_prints_too(grading: Grading) -> None:
    """What the second process printed last is not lost either."""
    check = only(
        grading(
            """
            @check("one", points=1)
            async def test_one(lab):
                await lab.start()
                worker = await lab.worker()
                await worker.start()
                await worker.get("/late")
                expect(False, expected="E.", happened="H.")
            """,
            PRINTS,
        )
    )
    assert check.output == "after the answer\n"


def test_the_clock_of_a_lab_moves_when_told(grading: Grading, host: Host) -> None:
    """A wait of half a minute for a connection is over in an instant."""
    suite = """
        @check("x")
        async def test_x(lab):
            await lab.start(pool_size=1)
            async with lab.gate("SELECT"):
                first = lab.send("GET", "/")
                await lab.until(lambda ledger: bool(ledger.of("statement")))
                second = lab.send("GET", "/")
                await lab.until(lambda ledger: ledger.state.waiting == 1)
                lab.advance(31)
                answer = await second
                expect(answer.status == 500, expected="", happened=str(answer.status))
                error = lab.request_error(answer.request)
                expect(error.type == "PoolTimeout", expected="", happened=str(error))
            expect((await first).json() == 42, expected="", happened="")
    """
    with spent(host) as took:
        check = only(grading(suite))
    assert check.status is Status.PASS, check.happened
    assert took.seconds < 3


def test_faults_reach_the_app(grading: Grading) -> None:
    """The k-th connect refused, a statement failed, a connection killed: each is seen by the app and recorded."""
    suite = """
        @check("refused")
        async def test_refused(lab):
            lab.faults.refuse_connection(2)
            started = await lab.try_start()
            expect(not started and "unable to open" in lab.startup_error.message, expected="", happened="")
            expect(len(lab.ledger.of("refused")) == 1 and lab.pool.total == 0, expected="", happened=str(lab.pool))
        @check("failed")
        async def test_failed(lab):
            await lab.start()
            lab.faults.fail_statement("6 * 7", "disk I/O error")
            answer = await lab.get("/")
            expect(answer.status == 500, expected="", happened=str(answer.status))
            expect((await lab.get("/")).json() == 42, expected="", happened="")
        @check("killed")
        async def test_killed(lab):
            await lab.start()
            lab.faults.kill(1)
            await lab.until(lambda ledger: bool(ledger.of("lost")))
            expect(lab.pool.total == 3, expected="", happened=str(lab.pool))
    """
    report = grading(suite)
    assert report.status is Status.PASS, [(c.id, c.happened) for c in report.checks] + [report.fault]


def test_a_client_can_hang_up(grading: Grading) -> None:
    """Cancelling a request's task closes its connection; a streaming answer is cancelled by that."""
    app = APP + textwrap.dedent("""
        from fastapi.responses import StreamingResponse
        @app.get("/stream")
        async def stream():
            async def rows():
                async with database.connection() as connection:
                    await connection.fetch_val("SELECT 1")
                    while True:
                        yield b"x"
                        import asyncio; await asyncio.sleep(0)
            return StreamingResponse(rows())
    """)
    suite = """
        @check("x")
        async def test_x(lab):
            await lab.start()
            call = lab.send("GET", "/stream")
            await lab.until(lambda ledger: bool(ledger.of("borrow")))
            call.cancel()
            came_back = await lab.until(lambda ledger: bool(ledger.of("return")))
            expect(came_back and lab.pool.free == 4, expected="", happened=str(lab.pool))
    """
    check = only(grading(suite, app))
    assert check.status is Status.PASS, check.happened


def test_an_import_that_fails_reaches_no_check(grading: Grading) -> None:
    """A file that cannot be imported is an error with the learner's line, and costs every point."""
    report = grading("@check('x')\nasync def test_x(lab): pass", "import fastapi\nraise ValueError('no')\n")
    assert (report.status, report.points) == (Status.ERROR, 0)
    assert str(report.error) == "ValueError: no (app.py:2)"
    assert [check.status for check in report.checks] == [Status.NOT_REACHED]


@pytest.mark.parametrize("stuck", ["while True: pass", "time.sleep(1000)", "wait()"])
def test_an_import_that_never_ends_names_its_line(grading: Grading, stuck: str) -> None:
    """The line of the learner's file where it is, whether it works or sleeps."""
    report = grading(
        "@check('x')\nasync def test_x(lab): pass", f"import time\nwait = lambda: time.sleep(9)\n{stuck}\n"
    )
    assert report.error is not None
    assert report.error.message.startswith("importing the file did not finish within ")
    assert report.error.message.endswith("; it was at this line")
    assert report.error.where is not None
    assert (report.error.where.file, report.error.where.line) == ("app.py", 2 if stuck == "wait()" else 3)
    assert report.points == 0


def test_every_layer_that_the_machine_has_is_reported(grading: Grading) -> None:
    """The report says which layers of the sandbox held."""
    report = grading("@check('x')\nasync def test_x(lab): pass")
    assert {"session", "limits"} <= set(report.assurance.layers)
    assert report.assurance.level in ("full", "partial")


# --- several workers of one app ---

WORKERS = """
from contextlib import asynccontextmanager
import os
from databases import Database
from fastapi import FastAPI
import poolkit.sqlite_pool
database = Database("sqlite+pool:///shop.db", min_size=int(os.environ.get("SIZE", "1")))
@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()
app = FastAPI(lifespan=lifespan)
@app.get("/")
async def read():
    return {"size": os.environ.get("SIZE"), "items": await database.fetch_val("SELECT count(*) FROM items")}
"""


def _schema(tmp_path: Path) -> None:
    (tmp_path / "exercises" / "mini").mkdir(parents=True)
    (tmp_path / "exercises" / "mini" / "schema.sql").write_text("CREATE TABLE items (id INTEGER PRIMARY KEY);")


def test_workers_share_the_database_and_the_ledger(grading: Grading, tmp_path: Path) -> None:
    """Each has its own environment; one ledger counts the connections of all, and a request's number is its own."""
    _schema(tmp_path)
    suite = """
    @check('x')
    async def test_x(lab):
        one, two = await lab.worker(SIZE="2"), await lab.worker(SIZE="3")
        await one.start()
        await two.start()
        expect(lab.pool.free == lab.pool.total == 5, expected="5", happened=str(lab.pool))
        await lab.sql("INSERT INTO items (id) VALUES (7)")
        answers = [await one.get("/"), await two.get("/")]
        told = [(a.json()["size"], a.json()["items"]) for a in answers]
        expect(told == [("2", 1), ("3", 1)], expected="", happened=str(told))
        expect(len({a.request for a in answers}) == 2, expected="", happened=str(answers))
        await one.stop()
        expect(lab.pool.free == lab.pool.total == 3, expected="3", happened=str(lab.pool))
        expect((await two.get("/")).status == 200, expected="", happened="it ended with the other")
    """
    check = only(grading(suite, app=WORKERS))
    assert check.status is Status.PASS, check.happened


def test_a_database_takes_so_many_connections(grading: Grading, tmp_path: Path) -> None:
    """All workers together; one more is refused, and is served when others have closed."""
    _schema(tmp_path)
    suite = """
    @check('x')
    async def test_x(lab):
        lab.faults.max_connections = 4
        one, two = await lab.worker(SIZE="3"), await lab.worker(SIZE="2")
        await one.start()
        expect(not await two.try_start(), expected="", happened="two pools fit")
        refused = lab.ledger.of("refused")
        expect([e.detail for e in refused] == ["connect: too many connections"], expected="", happened=str(refused))
        await one.stop()
        three = await lab.worker(SIZE="4")
        await three.start()
        expect(lab.pool.total == 4, expected="", happened=str(lab.pool))
    """
    check = only(grading(suite, app=WORKERS))
    assert check.status is Status.PASS, check.happened


def test_what_a_worker_breaks_is_seen(grading: Grading, tmp_path: Path) -> None:
    """Its process writes nonsense on its line: that is the run's, whichever worker did it."""
    _schema(tmp_path)
    trick = """
if os.environ.get("SIZE") == "2":
    import gc
    from poolkit.lab.control import Control
    next(thing for thing in gc.get_objects() if isinstance(thing, Control))._socket.sendall(b"nonsense\\n")
"""
    suite = """
    @check('x')
    async def test_x(lab):
        await (await lab.worker(SIZE="2")).try_start()
    """
    assert only(grading(suite, app=WORKERS + trick)).status is Status.TAMPERING


def test_a_lifespan_can_be_cancelled(grading: Grading) -> None:
    """What stands in its `finally` runs, what stands after a bare yield does not."""
    suite = """
    @check('x')
    async def test_x(lab):
        await lab.start()
        lab.interrupt()
        closed = await lab.until(lambda ledger: ledger.state.total == 0, within=1.0)
        expect(closed, expected="", happened=f"{lab.pool.total} are open")
    """
    bare = only(grading(suite))
    assert (bare.status, bare.happened) == (Status.FAIL, "4 are open")
    careful = APP.replace("    yield\n    await", "    try:\n        yield\n    finally:\n        await")
    assert only(grading(suite, app=careful)).status is Status.PASS


def test_a_check_needs_only_what_stands_above_it(grading: Grading) -> None:
    """One that names a check below it, or none, would never wait for it: the suite is refused."""
    suite = """
    @check('x', needs=["y"])
    async def test_x(lab): pass
    @check('y')
    async def test_y(lab): pass
    """
    with pytest.raises(GraderFault, match="x needs 'y', which is no check above it"):
        grading(suite)


def test_a_turn_leaves_no_row(grading: Grading) -> None:
    """A round trip to make sure of the order of things is not the learner's to read about."""
    suite = """
    @check('x')
    async def test_x(lab):
        await lab.start()
        before = len(lab.ledger)
        await lab.turn()
        expect(len(lab.ledger) == before, expected="", happened=str(lab.ledger.events[before:]))
        expect((await lab.get("/")).status == 200, expected="", happened="")
    """
    assert only(grading(suite)).status is Status.PASS


def test_a_peek_leaves_no_row(grading: Grading) -> None:
    """What a suite asks only to know where it stands is not the learner's to read about; what it does there is."""
    state = '@app.get("/state/{name}")\nasync def state(name): return {"state": name}\n'
    suite = """
    @check('x')
    async def test_x(lab):
        await lab.start()
        before = len(lab.ledger)
        answer = await lab.peek("/state/open")
        expect(len(lab.ledger) == before, expected="", happened=str(lab.ledger.events[before:]))
        expect(answer.json() == {"state": "open"} and answer.request == 0, expected="", happened=str(answer))
        expect((await lab.peek("/")).json() == 42, expected="", happened="")
        kinds = {event.kind for event in lab.ledger.events[before:]}
        expect({"borrow", "return"} <= kinds and not kinds & {"request", "response", "done"},
               expected="", happened=str(kinds))
    """
    check = only(grading(suite, APP + state))
    assert check.status is Status.PASS, check.happened


def test_a_condition_may_ask_whether_a_call_is_done(grading: Grading, host: Host) -> None:
    """It is tried again when the call ends, which is after the ledger's last row of it."""
    suite = """
    @check('x')
    async def test_x(lab):
        await lab.start()
        call = lab.send("GET", "/")
        expect(await lab.until(lambda ledger: call.done(), within=4.0), expected="", happened="it was not told")
    """
    with spent(host) as took:
        check = only(grading(suite))
    assert check.status is Status.PASS
    assert took.seconds < 3


def test_a_worker_that_cannot_be_imported_fails_its_check(grading: Grading, tmp_path: Path) -> None:
    """Only its environment is another, so that is what the report says."""
    _schema(tmp_path)
    suite = """
    @check('x')
    async def test_x(lab):
        await lab.worker(SIZE="many")
    """
    check = only(grading(suite, app=WORKERS))
    assert check.status is Status.FAIL
    assert check.expected == "The file can be imported with SIZE=many."
    assert "ValueError" in check.happened


def test_those_who_wait_at_all_workers_are_counted(grading: Grading, tmp_path: Path) -> None:
    """And no more when a worker has ended."""
    _schema(tmp_path)
    suite = """
    @check('x')
    async def test_x(lab):
        one, two = await lab.worker(SIZE="1"), await lab.worker(SIZE="1")
        await one.start(pool_size=1)
        await two.start(pool_size=1)
        async with lab.gate("count"):
            calls = [one.send("GET", "/") for _ in range(3)] + [two.send("GET", "/") for _ in range(2)]
            told = await lab.until(lambda ledger: ledger.state.waiting == 3)
            expect(told, expected="", happened=str(lab.pool))
            one.process.kill()
            await one.exits(5.0)
            expect(lab.pool.waiting == 1, expected="", happened=str(lab.pool))
    """
    assert only(grading(suite, app=WORKERS)).status is Status.PASS


def test_a_pool_may_have_an_observer_of_the_learners(grading: Grading) -> None:
    """It is told as it is outside a lab, and the witness is told too."""
    app = """
    from contextlib import asynccontextmanager
    from fastapi import FastAPI
    from poolkit.sqlite_pool import SQLitePool
    class Counter:
        borrows = returns = waits = 0
        def borrowed(self, connection): self.borrows += 1
        def returned(self, connection): self.returns += 1
        def waiting(self, tasks): self.waits += 1
    counter = Counter()
    pool = SQLitePool("shop.db", min_size=2, observer=counter)
    @asynccontextmanager
    async def lifespan(app):
        async with pool:
            yield
    app = FastAPI(lifespan=lifespan)
    @app.get("/")
    async def read():
        async with pool.connection():
            return [counter.borrows, counter.returns]
    """
    suite = """
    @check('x')
    async def test_x(lab):
        await lab.start()
        found = [(await lab.get("/")).json() for _ in range(2)]
        expect(found == [[1, 0], [2, 1]], expected="", happened=str(found))
        expect(len(lab.ledger.of("borrow")) == 2, expected="", happened="")
    """
    assert only(grading(suite, app=app)).status is Status.PASS
