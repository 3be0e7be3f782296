"""`poolkit.trace`: the lesson's table, made of what was recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tracing import WHERE, serve, stop

from poolkit.judge.ledger import Ledger
from poolkit.trace import Trace, build, pool_words


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger."""
    return Ledger()


def traced(ledger: Ledger) -> Trace:
    return build("exercise-3", "app.py", ledger.events, "a note")


def rows(ledger: Ledger) -> list[tuple[str, str, str, str, tuple[int, ...]]]:
    return [(step.event, pool_words(step.pool), step.action, step.result, step.lent) for step in traced(ledger).steps]


def started(ledger: Ledger, size: int) -> Ledger:
    ledger.record("startup")
    for _ in range(size):
        ledger.opened(pooled=True, database="shop.db")
    ledger.record("ready")
    return ledger


def test_a_sound_run_has_nine_steps(ledger: Ledger) -> None:
    """Start, pool filled, two requests that each borrow, use and return one connection, pool emptied."""
    started(ledger, 3)
    serve(ledger, 1, 1)
    serve(ledger, 2, 1)
    stop(ledger, 1, 2, 3)
    has_it = "the request has it"
    assert rows(ledger) == [
        ("App starts", "empty", "none", "ready to start up", ()),
        ("Startup", "3 of 3 free", "opened 1 to 3", "pool ready", ()),
        ("Request 1 arrives", "2 of 3 free", "borrowed 1", has_it, (1,)),
        ("Request 1 queries", "2 of 3 free", "used 1", "rows", (1,)),
        ("Request 1 ends", "3 of 3 free", "returned 1", "answered 200", ()),
        ("Request 2 arrives", "2 of 3 free", "borrowed 1", has_it, (1,)),
        ("Request 2 queries", "2 of 3 free", "used 1", "rows", (1,)),
        ("Request 2 ends", "3 of 3 free", "returned 1", "answered 200", ()),
        ("Shutdown", "empty", "closed 1 to 3", "pool gone", ()),
    ]
    trace = traced(ledger)
    assert [step.number for step in trace.steps] == list(range(1, 10))
    assert (trace.exercise, trace.path, trace.note) == ("exercise-3", "app.py", "a note")
    assert set(trace.borrowed_at) == {WHERE}


def test_a_leak_is_seen(ledger: Ledger) -> None:
    """Who still has a connection when it has been answered, and what is open after the shutdown."""
    started(ledger, 2)
    serve(ledger, 1, 1, returns=False)
    serve(ledger, 2, 2, returns=False)
    stop(ledger, 1)
    found = rows(ledger)
    assert found[4] == ("Request 1 ends", "1 of 2 free", "none", "answered 200, 1 not returned", (1,))
    assert found[7] == ("Request 2 ends", "0 of 2 free", "none", "answered 200, 2 not returned", (1, 2))
    assert found[8] == ("Shutdown", "0 of 1 free", "closed 1", "1 connection still open", (2,))


def test_connections_outside_a_pool_are_lent_while_they_are_open(ledger: Ledger) -> None:
    """A request that opens its own is seen to do so."""
    started(ledger, 0)
    ledger.request(1, "GET /")
    ledger.opened(pooled=False, database="shop.db")
    ledger.record("statement", connection=1)
    ledger.closed(1)
    ledger.answered(1, status=200, detail="200")
    stop(ledger)
    assert rows(ledger)[1:] == [
        ("Startup", "empty", "none", "pool ready", ()),
        ("Request 1 arrives", "0 of 1 free", "opened 1", "GET /", (1,)),
        ("Request 1 queries", "0 of 1 free", "used 1", "rows", (1,)),
        ("Request 1 ends", "empty", "closed 1", "answered 200", ()),
        ("Shutdown", "empty", "none", "pool gone", ()),
    ]


def test_a_request_that_asks_nothing_has_two_steps(ledger: Ledger) -> None:
    """There is no step for queries where there were none."""
    started(ledger, 1)
    ledger.request(1, "GET /missing")
    ledger.answered(1, status=404, detail="404")
    assert rows(ledger)[2:] == [
        ("Request 1 arrives", "1 of 1 free", "none", "GET /missing", ()),
        ("Request 1 ends", "1 of 1 free", "none", "answered 404", ()),
    ]


def test_a_connection_lost_while_it_rested_belongs_to_the_next_request(ledger: Ledger) -> None:
    """It is the one that finds it missing; the request before had given it back in order."""
    started(ledger, 2)
    serve(ledger, 1, 1)
    ledger.closed(1, lost=True)
    ledger.request(2, "GET /")
    ledger.answered(2, status=200, detail="200")
    ledger.record("done", request=2)
    ledger.closed(2, lost=True)
    ledger.record("shutdown")
    assert rows(ledger)[4:] == [
        ("Request 1 ends", "2 of 2 free", "returned 1", "answered 200", ()),
        ("Request 2 arrives", "1 of 1 free", "lost 1", "GET /", ()),
        ("Request 2 ends", "1 of 1 free", "none", "answered 200", ()),
        ("Shutdown", "empty", "lost 2", "pool gone", ()),
    ]


def test_an_error_of_the_database_is_the_result(ledger: Ledger) -> None:
    """And a lost or refused connection an action."""
    started(ledger, 1)
    ledger.request(1, "GET /")
    ledger.borrowed(1, 1, None)
    ledger.record("statement", connection=1)
    ledger.record("error", connection=1, detail="OperationalError: \x1b[31mno such table")
    ledger.record("rollback", connection=1)
    ledger.closed(1, lost=True)
    ledger.record("refused", detail="connect: too many connections")
    ledger.answered(1, status=500, detail="500")
    assert rows(ledger)[2:] == [
        ("Request 1 arrives", "0 of 1 free", "borrowed 1", "the request has it", (1,)),
        ("Request 1 queries", "0 of 1 free", "used 1; rolled back 1", "OperationalError: no such table", (1,)),
        ("Request 1 ends", "empty", "lost 1; refused", "answered 500", ()),
    ]


def test_connections_that_are_open_too_early_are_told(ledger: Ledger) -> None:
    """A pool that is filled at import is not filled at startup."""
    ledger.opened(pooled=True, database="shop.db")
    ledger.opened(pooled=True, database="shop.db")
    started(ledger, 0)
    assert rows(ledger)[0] == ("App starts", "2 of 2 free", "opened 1, 2", "2 connections open too early", ())


@pytest.mark.parametrize(
    ("happens", "steps"),
    [
        (lambda ledger: None, []),
        (lambda ledger: ledger.record("exited"), []),
        (lambda ledger: ledger.record("startup"), ["App starts"]),
        (lambda ledger: (ledger.record("startup"), ledger.record("exited")), ["App starts", "Startup"]),
        (lambda ledger: started(ledger, 1).request(1, "GET /"), ["App starts", "Startup", "Request 1 arrives"]),
    ],
)
def test_a_run_that_ends_early_has_the_steps_that_it_came_to(
    ledger: Ledger, happens: Callable[[Ledger], object], steps: list[str]
) -> None:
    """However early that is."""
    happens(ledger)
    assert [step.event for step in traced(ledger).steps] == steps


def test_a_startup_that_fails_says_so(ledger: Ledger) -> None:
    """There is no pool to speak of then."""
    ledger.record("startup")
    ledger.record("exited", detail="exit code 3")
    assert rows(ledger)[1] == ("Startup", "empty", "none", "startup failed", ())
