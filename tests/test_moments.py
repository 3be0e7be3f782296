"""`poolkit.moments`: the moment that explains a run, and the step at which two runs part."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tracing
from tracing import WHERE, leaking, serve, sound, start, stop, traced

from poolkit.judge.ledger import Ledger
from poolkit.moments import deciding, parting


def leaves_open(ledger: Ledger) -> None:
    serve(start(ledger, 2), 1, 1)
    stop(ledger, 1)


def fails(ledger: Ledger) -> None:
    start(ledger, 1).request(1, "GET /")
    ledger.borrowed(1, 1, WHERE)
    ledger.record("statement", connection=1, detail="SELECT")
    ledger.record("error", connection=1, detail="OperationalError: no such table")
    ledger.returned(1, in_transaction=False)
    ledger.answered(1, status=500, detail="500")
    stop(ledger, 1)


def says_nothing(ledger: Ledger) -> None:
    start(ledger, 1).request(1, "GET /")
    ledger.answered(1, status=None, detail="no answer")
    stop(ledger, 1)


def is_refused(ledger: Ledger) -> None:
    start(ledger, 1)
    ledger.record("refused", connection=1, detail="SELECT 1")
    stop(ledger, 1)


def loses_one(ledger: Ledger) -> None:
    start(ledger, 2)
    ledger.closed(2, lost=True)
    stop(ledger, 1)


def opens_too_early(ledger: Ledger) -> None:
    ledger.opened(pooled=True, database="shop.db")
    start(ledger, 0)
    stop(ledger, 1)


def does_not_start(ledger: Ledger) -> None:
    ledger.record("startup")
    ledger.record("refused", detail="connect: no")
    ledger.record("exited")


def leaks_at_startup(ledger: Ledger) -> None:
    ledger.record("startup")
    ledger.opened(pooled=True, database="shop.db")
    ledger.borrowed(1, None, WHERE)
    ledger.record("ready")
    stop(ledger, 1)


@pytest.mark.parametrize(
    ("happens", "kind", "told"),
    [
        (leaves_open, "stopped", "after the shutdown 1 connection still open"),
        (fails, "error", "request 1 failed here (OperationalError: no such table), and ended with 500"),
        (says_nothing, "response", "request 1: no answer"),
        (is_refused, "refused", "the database refused: on connection 1, which nobody had borrowed: SELECT 1"),
        (loses_one, "lost", "connection 2 ended without being closed"),
        (opens_too_early, "startup", "1 connection open before the startup"),
        (does_not_start, "refused", "the startup did not finish"),
        (leaks_at_startup, "borrow", "connection 1 was not returned (borrowed at app.py:31)"),
    ],
)
def test_each_trouble_has_its_row(happens: Callable[[Ledger], None], kind: str, told: str) -> None:
    """The row where it shows, the step that the row lies in, and a sentence."""
    ledger = tracing.new()
    happens(ledger)
    trace = traced(ledger)
    found = deciding(trace)
    assert found is not None
    assert (ledger.events[found.row - 1].kind, found.text) == (kind, told)
    before = [step.last for step in trace.steps if step.number < found.step]
    assert max(before, default=0) < found.row <= trace.steps[found.step - 1].last


def test_a_sound_run_has_no_deciding_moment() -> None:
    """Nor has one whose client errors were handled, or whose pool was closed while it lent."""
    assert deciding(sound()) is None
    ledger = start(tracing.new(), 2)
    serve(ledger, 1, 1, status=404)
    ledger.request(2, "POST /run")
    ledger.borrowed(1, 2, WHERE)
    ledger.closed(1)
    ledger.answered(2, status=200, detail="200")
    stop(ledger, 2)
    assert deciding(traced(ledger)) is None


def test_a_leak_decides_at_the_end_of_its_request() -> None:
    """Until then the connection may still come back; the first of several is told."""
    trace = leaking()
    found = deciding(trace)
    assert found is not None
    assert found.text == "request 1 is over, and connection 1 was not returned (borrowed at app.py:31)"
    assert (found.step, trace.events[found.row - 1].kind, trace.events[found.row - 1].request) == (5, "done", 1)


def test_a_connection_that_comes_back_later_is_no_leak() -> None:
    """A task that outlives its request may return what it has."""
    ledger = start(tracing.new(), 1)
    serve(ledger, 1, 1, returns=False)
    ledger.request(2, "GET /")
    ledger.returned(1, in_transaction=False)
    ledger.answered(2, status=200, detail="200")
    stop(ledger, 1)
    assert deciding(traced(ledger)) is None


def test_what_a_learner_wrote_is_made_plain() -> None:
    """An error's text may hold what a terminal obeys."""
    ledger = start(tracing.new(), 1)
    ledger.record("refused", detail="\x1b[31mno\n")
    found = deciding(traced(ledger))
    assert found is not None
    assert found.text == "the database refused: no "


def test_runs_part_at_the_first_step_that_differs() -> None:
    """The sentence says what each of them does there."""
    found = parting(leaking(), sound())
    assert found is not None
    assert found.step == 5
    assert found.text == (
        "here Request 1 ends: 1 of 2 free, none, answered 200, 1 not returned; "
        "in the reference Request 1 ends: 2 of 2 free, returned 1, answered 200"
    )


def test_which_connection_it_is_makes_no_difference() -> None:
    """Nor does the order in which they are closed."""
    ledger = start(tracing.new(), 2)
    serve(ledger, 1, 2)
    serve(ledger, 2, 1)
    stop(ledger, 2, 1)
    assert parting(traced(ledger), sound()) is None


@pytest.mark.parametrize(
    ("mine", "reference", "step", "told"),
    [(1, 2, 6, "in the reference Request 2 arrives"), (2, 1, 6, "here Request 2 arrives")],
)
def test_a_run_with_other_steps_parts_there(mine: int, reference: int, step: int, told: str) -> None:
    """A request more, or less."""
    found = parting(sound(mine), sound(reference))
    assert found is not None
    assert found.step == step
    assert told in found.text


def test_a_run_that_ends_early_parts_where_it_ends() -> None:
    """And the other way round."""
    short = traced(start(tracing.new(), 2))
    found = parting(short, sound())
    assert found is not None
    assert (found.step, found.row) == (2, short.steps[-1].last)
    assert found.text.startswith("this run ends here; the reference goes on with Request 1 arrives")
    longer = parting(sound(), short)
    assert longer is not None
    assert longer.step == 3
    assert longer.text.endswith("the reference has ended before")
