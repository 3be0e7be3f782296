"""`poolkit.session`: what leaked, which requests belong together, and what is left out of a long table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from poolkit.events import Event, Location, PoolState
from poolkit.session import FIRST, LAST, Session, headline, summarize

WHERE = Location("app.py", 33, "connection = await pool.acquire()")


class Rows:
    """Writes a ledger's rows, a tenth of a second apart, with a pool of 2."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self.free = 0
        self.total = 0
        self.now = 0.0

    def add(self, kind: str, request: int | None = None, connection: int | None = None, detail: str = "") -> None:
        """Write one row."""
        self.total += {"open": 1, "close": -1, "lost": -1}.get(kind, 0)
        self.free += {"open": 1, "return": 1, "borrow": -1, "close": -1}.get(kind, 0)
        self.now += 0.1
        state = PoolState(self.total, self.free, self.total - self.free)
        where = WHERE if kind == "borrow" else None
        self.all.append(
            Event(len(self.all) + 1, self.now, kind, connection, request, detail, state, where, connection is not None)
        )

    def start(self) -> None:
        """The startup of a pool of 2."""
        self.add("startup")
        self.add("open", connection=1)
        self.add("open", connection=2)
        self.add("ready")

    def visit(self, number: int, connection: int = 1, *, leak: bool = False) -> None:
        """One request, from its arrival to its answer."""
        self.add("request", number, detail=f"GET /items/{number}")
        self.add("borrow", number, connection)
        self.add("statement", number, connection, "SELECT 1")
        if not leak:
            self.add("return", number, connection)
        self.add("done", number)
        self.add("response", number, detail="200")

    def stop(self, *connections: int) -> None:
        """The shutdown, which closes these."""
        self.add("shutdown")
        for number in connections:
            self.add("close", connection=number)
        self.add("stopped")


@pytest.fixture
def rows() -> Rows:
    """A ledger in which the app has started."""
    rows = Rows()
    rows.start()
    return rows


def sum_up(rows: Rows, **more: object) -> Session:
    return summarize("exercise-3", "app.py", rows.all, **more)  # type: ignore[arg-type]


def test_a_clean_session(rows: Rows) -> None:
    """Nothing leaked, and the steps are those of a trace."""
    rows.visit(1)
    rows.visit(2, 2)
    rows.stop(1, 2)
    session = sum_up(rows)
    assert session.clean
    assert [step.event for step in session.trace.steps] == [
        "App starts",
        "Startup",
        *(f"Request {number} {what}" for number in (1, 2) for what in ("arrives", "queries", "ends")),
        "Shutdown",
    ]
    assert headline(session) == "2 requests: 2 × 200"


def test_a_leak_is_who_borrowed_what_where(rows: Rows) -> None:
    """The row of the borrow and what the request asked for; a pool that closes it at last makes it no better."""
    rows.visit(1, leak=True)
    rows.visit(2, 2)
    rows.stop(2, 1)
    (leak,) = sum_up(rows).leaks
    assert (leak.borrow.connection, leak.borrow.request, leak.call) == (1, 1, "GET /items/1")
    assert leak.borrow.where == WHERE
    assert not sum_up(rows).clean


def test_what_a_request_under_way_has_is_no_leak(rows: Rows) -> None:
    """The app is shut down in the middle of it."""
    rows.add("request", 1, detail="GET /slow")
    rows.add("borrow", 1, 1)
    rows.stop(2)
    assert sum_up(rows, unfinished=frozenset({1})).leaks == ()
    assert len(sum_up(rows).leaks) == 1


def test_what_nobody_closed_is_told(rows: Rows) -> None:
    """A connection whose end came with the process is one that the shutdown forgot."""
    rows.visit(1)
    rows.stop(1)
    rows.add("lost", connection=2)
    assert sum_up(rows).unclosed == (2,)


def test_a_process_that_died_leaks_what_was_lent_before(rows: Rows) -> None:
    """Its end takes every connection, which returns none of them."""
    rows.visit(1, leak=True)
    rows.add("lost", connection=1)
    rows.add("lost", connection=2)
    rows.add("exited", detail="exit code 3")
    session = sum_up(rows, note="The app's process ended by itself (exit code 3).")
    assert [leak.borrow.connection for leak in session.leaks] == [1]
    assert session.unclosed == ()
    assert not session.clean


def test_requests_that_overlap_are_one_step(rows: Rows) -> None:
    """With how each of them ended; what follows has steps of its own again."""
    for number in (1, 2, 3):
        rows.add("request", number)
    for number, answer in ((2, "200"), (1, "200"), (3, "hung up")):
        rows.add("done", number)
        rows.add("response", number, detail=answer)
    rows.visit(4)
    rows.stop(1, 2)
    steps = sum_up(rows).trace.steps
    assert [step.event for step in steps][2:4] == ["Requests 1 to 3", "Request 4 arrives"]
    assert steps[2].result == "200 (2 times), hung up"


@pytest.mark.parametrize(("before", "together"), [("done", False), ("return", True)])
def test_a_request_is_over_when_it_is_answered_and_has_nothing(rows: Rows, before: str, together: bool) -> None:
    """That the app is done with it may be heard of a moment later; a connection that comes back late is its own."""
    rows.add("request", 1)
    rows.add("borrow", 1, 1)
    ends = ["return", "response", "done"]
    if before == "return":
        ends = ["response", "return", "done"]
    for kind in ends:
        if kind == before:
            rows.add("request", 2)
        rows.add(kind, 1, 1 if kind == "return" else None, detail="200")
    rows.add("response", 2, detail="200")
    rows.stop(1, 2)
    assert ("Requests 1 and 2" in [step.event for step in sum_up(rows).trace.steps]) is together


def test_a_request_without_an_answer_says_just_that(rows: Rows) -> None:
    """`answered hung up` would be nonsense."""
    rows.add("request", 1)
    rows.add("response", 1, detail="hung up")
    rows.add("done", 1)
    rows.stop(1, 2)
    assert sum_up(rows).trace.steps[3].result == "hung up"


def numbers(session: Session) -> Iterator[int]:
    """The requests that have steps in the table."""
    return (int(step.event.split()[1]) for step in session.trace.steps if step.event.endswith("arrives"))


def test_a_long_table_has_its_beginning_and_its_end(rows: Rows) -> None:
    """And says how many requests it leaves out, and where."""
    for number in range(1, 101):
        rows.visit(number)
    rows.stop(1, 2)
    session = sum_up(rows)
    shown = list(numbers(session))
    assert shown == [*range(1, FIRST), *range(102 - LAST, 101)]
    assert session.left_out == 100 - len(shown)
    assert session.trace.steps[session.left_out_after - 1].event == f"Request {FIRST - 1} ends"
    assert session.trace.steps[session.left_out_after].event == f"Request {102 - LAST} arrives"


@pytest.mark.parametrize(
    "kept",
    [
        lambda row: row.seq < 10 or row.seq > 200,
        lambda row: row.seq < 12 or row.seq > 203,
        lambda row: row.seq < 10 or row.seq > 200 or (row.request == 5 and row.kind == "borrow"),
    ],
)
def test_rows_that_are_gone_make_no_step(rows: Rows, kept: Callable[[Event], bool]) -> None:
    """Half a request at the edge of the gap is left out, and every request that is not shown is counted."""
    for number in range(1, 41):
        rows.visit(number)
    rows.stop(1, 2)
    rows.all = [row for row in rows.all if kept(row)]
    session = sum_up(rows, answers={"200": 40})
    assert len(set(numbers(session))) + session.left_out == 40
    assert headline(session) == "40 requests: 40 × 200"
    assert session.trace.steps[-1].result == "pool gone"
