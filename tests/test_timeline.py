"""`poolkit.timeline`: a run laid out as lanes, bars and marks."""

from __future__ import annotations

import itertools

import tracing
from tracing import leaking, serve, sound, start, stop, traced

from poolkit.judge.ledger import Ledger
from poolkit.moments import deciding
from poolkit.timeline import MAX_LANES, MAX_ROWS, Bar, Lane, alone, beside, build


def kinds(lane: Lane) -> list[str]:
    return [mark.kind for mark in lane.marks]


def test_a_borrow_is_a_bar_from_its_row_to_the_return() -> None:
    """In the lane of its connection, with its request and its line."""
    trace = sound(1)
    first, second = build(trace).lanes
    rows = {event.kind: event.seq for event in trace.events if event.connection == 1}
    assert (first.connection, first.opened, first.closed) == (1, rows["open"], rows["close"])
    assert first.bars == (Bar(rows["borrow"], rows["return"], 1, given_back=True, pooled=True, where="app.py:31"),)
    assert kinds(first) == ["statement"]
    assert (second.bars, second.marks) == ((), ())


def test_what_is_not_given_back_is_a_bar_to_the_close() -> None:
    """Or to the end of the run, where it is not closed either."""
    bars = [bar for lane in build(leaking()).lanes for bar in lane.bars]
    assert [bar.given_back for bar in bars] == [False, True]
    ledger = start(tracing.new(), 1)
    serve(ledger, 1, 1, returns=False)
    stop(ledger)
    lane = build(traced(ledger)).lanes[0]
    assert (lane.closed, lane.bars[0].last, lane.bars[0].given_back) == (None, len(ledger), False)


def test_a_connection_outside_a_pool_is_a_bar_while_it_is_open() -> None:
    """Closing it is giving it back; losing it is not."""
    ledger = start(tracing.new(), 0)
    ledger.request(1, "GET /")
    for _ in range(2):
        ledger.opened(pooled=False, database="shop.db")
    ledger.closed(1)
    ledger.closed(2, lost=True)
    ledger.answered(1, status=200, detail="200")
    lanes = build(traced(ledger)).lanes
    assert [(bar.pooled, bar.given_back, bar.request) for lane in lanes for bar in lane.bars] == [
        (False, True, 1),
        (False, False, 1),
    ]
    assert kinds(lanes[1]) == ["lost"]


def test_a_request_lasts_until_all_its_work_is_over() -> None:
    """One without an answer lasts to the end."""
    ledger = start(tracing.new(), 1)
    serve(ledger, 1, 1)
    ledger.request(2, "GET /slow")
    calls = build(traced(ledger)).calls
    done = next(event.seq for event in ledger if event.kind == "done")
    assert [(call.number, call.last, call.outcome) for call in calls] == [
        (1, done, "200"),
        (2, len(ledger), "no answer"),
    ]


def test_waits_are_what_the_queue_was() -> None:
    """Each stretch of time with as many in the queue; a clock's tick is a hundredth of a second."""
    ledger = start(tracing.new(), 1)
    ledger.waits(1)
    ledger.waits(2)
    ledger.waits(0)
    stop(ledger, 1)
    trace = traced(ledger)
    assert [(wait.tasks, wait.begins, wait.ends) for wait in build(trace).waits] == [
        (change.tasks, change.at, after.at) for change, after in itertools.pairwise(trace.queue)
    ]
    assert [change.tasks for change in trace.queue] == [1, 2, 0]


def test_a_wait_without_an_end_lasts_to_the_end_of_the_run() -> None:
    """A picture has no more than the run."""
    ledger = start(tracing.new(), 1)
    ledger.waits(3)
    stop(ledger, 1)
    (wait,) = build(traced(ledger)).waits
    assert (wait.tasks, wait.ends) == (3, ledger.events[-1].at)


def test_a_refused_connect_belongs_to_no_lane() -> None:
    """It stands outside."""
    ledger = start(tracing.new(), 1)
    ledger.record("refused", detail="connect: no")
    assert [(mark.kind, mark.text) for mark in build(traced(ledger)).outside] == [("refused", "connect: no")]


def test_a_picture_is_bounded() -> None:
    """What has no room is counted."""
    ledger = start(tracing.new(), 0)
    ledger.request(1, "GET /")
    for _ in range(MAX_ROWS):
        number = ledger.opened(pooled=False, database="shop.db")
        ledger.closed(number)
    ledger.answered(1, status=200, detail="200")
    found = build(traced(ledger))
    assert (len(found.rows), len(found.lanes)) == (MAX_ROWS, MAX_LANES)
    assert found.rows[-1].seq <= found.steps[-1].last
    rows, lanes = len(ledger) - MAX_ROWS, len({e.connection for e in found.rows if e.connection}) - MAX_LANES
    assert found.left_out == f"{lanes} more connections and {rows} more rows"


def test_one_run_shows_its_deciding_moment() -> None:
    """And a sound one none."""
    assert alone(leaking()).mine.deciding == deciding(leaking())
    assert alone(sound()).mine.deciding is None


def test_two_runs_show_where_they_part() -> None:
    """In both of them; each has a name."""
    found = beside(leaking(), sound())
    assert found.names == ("yours", "reference")
    assert [run.deciding.step if run.deciding else None for run in found.runs] == [5, 5]
    same = beside(sound(), sound())
    assert [run.deciding for run in same.runs] == [None, None]


def test_a_run_without_a_row_can_be_laid_out() -> None:
    """Nothing was recorded then."""
    found = build(traced(Ledger()))
    assert (found.rows, found.lanes, found.calls) == ((), (), ())
