"""`poolkit.judge.unlimited` and `feed`: what a long session keeps, and what it lets go."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from poolkit.events import Event
from poolkit.judge import unlimited
from poolkit.judge.feed import SHOWN_A_SECOND, Feed, Happening, Note, Printed, Raised, StillOut
from poolkit.judge.host import Host
from poolkit.judge.printed import LEFT_OUT
from poolkit.judge.process import LabPlan
from poolkit.judge.unlimited import FIRST_ROWS, KEPT_CLAIMS, KEPT_ROWS, LongLedger, LongProcess, MeterBySecond


@pytest.fixture
def told() -> list[Happening]:
    """What was told."""
    return []


@pytest.fixture
def ledger(told: list[Happening]) -> LongLedger:
    """A ledger of an app that has started, with a pool of 2."""
    ledger = LongLedger(told.append)
    ledger.record("startup")
    for _ in range(2):
        ledger.opened(pooled=True, database="shop.db")
    ledger.record("ready")
    return ledger


def visit(ledger: LongLedger, number: int, connection: int = 2, *, leak: bool = False) -> None:
    """One request."""
    ledger.request(number, f"GET /items/{number}")
    ledger.borrowed(connection, number, None)
    if not leak:
        ledger.returned(connection, in_transaction=False)
    ledger.record("done", request=number)
    ledger.answered(number, status=200, detail="200")


def test_rows_are_bounded_and_numbered_on(ledger: LongLedger) -> None:
    """The first rows and the newest are there, and each has the number that it always had."""
    for number in range(1, 10_001):
        visit(ledger, number)
    assert len(ledger) <= KEPT_ROWS
    rows = ledger.events
    assert [row.seq for row in rows[:FIRST_ROWS]] == list(range(1, FIRST_ROWS + 1))
    assert rows[-1].seq == 4 + 5 * 10_000
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})
    assert ledger.answers == {"200": 10_000}


def test_who_has_a_connection_is_never_forgotten(ledger: LongLedger) -> None:
    """However long ago it was borrowed, and what was asked for then."""
    for number in range(1, 101):
        visit(ledger, number)
    visit(ledger, 101, 1, leak=True)
    for number in range(102, 10_000):
        visit(ledger, number)
    kept = [row for row in ledger if row.request == 101]
    assert [row.kind for row in kept] == ["request", "borrow"]
    assert kept[0].detail == "GET /items/101"
    # What is not lent any more goes in its turn.
    ledger.returned(1, in_transaction=False)
    for number in range(10_000, 14_000):
        visit(ledger, number)
    assert [row.kind for row in ledger if row.request == 101] == []


def test_a_connection_that_is_not_back_is_told_when_its_request_is_over(
    ledger: LongLedger, told: list[Happening]
) -> None:
    """Once, and of that request only."""
    visit(ledger, 1, 1, leak=True)
    visit(ledger, 2)
    out = [each.borrow for each in told if isinstance(each, StillOut)]
    assert [(borrow.connection, borrow.request) for borrow in out] == [(1, 1)]


def test_the_end_of_a_process_that_was_asked_to_is_not_told(ledger: LongLedger, told: list[Happening]) -> None:
    """It may be killed after its shutdown, which would look like a fault of the app's."""
    ledger.record("shutdown")
    ledger.record("exited", detail="killed by SIGKILL")
    assert [each.kind for each in told if isinstance(each, Event)][-1] == "shutdown"


@pytest.fixture
def process(host: Host, tmp_path: Path, told: list[Happening]) -> LongProcess:
    """A lab that is never launched."""
    plan = LabPlan(tmp_path, "app:app", ("shop.db",), None, 1 << 30, 10, names={"app.py": "mine.py"})
    return LongProcess(host, plan, LongLedger(told.append), told.append)


def test_claims_are_bounded(process: LongProcess) -> None:
    """The first ones, which say how the app started, and the newest are kept."""
    for number in range(10 * KEPT_CLAIMS):
        process._bound_claims()
        process._take({"event": "waiting", "tasks": number})
    kept = [claim["tasks"] for claim in process.claims]
    assert len(kept) <= 2 * KEPT_CLAIMS
    assert kept[:100] == list(range(100))
    assert kept[-1] == 10 * KEPT_CLAIMS - 1


def test_what_a_request_raised_is_told(process: LongProcess, told: list[Happening]) -> None:
    """With its request; what the lifespan raised is told elsewhere."""
    error = {"type": "ValueError", "message": "no", "at": ["mine.py", 3, "raise"]}
    process._take({"event": "raised", "during": "lifespan", "request": None, "error": error})
    process._take({"event": "raised", "during": "http", "request": 4, "error": error})
    process._take({"event": "raised", "during": "http", "request": "4", "error": error})
    raised = [each for each in told if isinstance(each, Raised)]
    assert [(each.request, str(each.error)) for each in raised] == [
        (4, "ValueError: no (mine.py:3)"),
        (None, "ValueError: no (mine.py:3)"),
    ]


def test_what_an_app_prints_is_lines(process: LongProcess, told: list[Happening], tmp_path: Path) -> None:
    """Whole ones, however they arrive; one without an end is cut; of a traceback the learner's own lines are kept."""
    loop = asyncio.new_event_loop()
    try:
        output = process._output_to(loop.create_future())
        traceback = f"""\
Traceback (most recent call last):
  File "/usr/lib/python3/starlette/routing.py", line 683, in app
    await handler()
          ^^^^^^^^^
  File "{tmp_path}/app.py", line 3, in shop
    raise ValueError
ValueError
"""
        for data in ("one\ntw", "o\n", "x" * (unlimited.MAX_LINE + 1), "\n", traceback, "last"):
            output.data_received(data.encode())
        output.connection_lost(None)
    finally:
        loop.close()
    assert [each.line for each in told if isinstance(each, Printed)] == [
        "one",
        "two",
        "x" * (unlimited.MAX_LINE + 1),
        "Traceback (most recent call last):",
        LEFT_OUT,
        '  File "mine.py", line 3, in shop',
        "    raise ValueError",
        "ValueError",
        "last",
    ]


def test_work_is_limited_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one goes on for ever; more than that at once does not."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    meter = MeterBySecond()
    for _ in range(1000):
        now += 1.0
        assert not meter.run_out(0.4)
    assert meter.run_out(0.6)


@pytest.mark.anyio
async def test_a_flood_is_shown_in_part(told: list[Happening]) -> None:
    """And how much was left out; what else happens is shown all the same."""
    feed = Feed(told.append)
    for number in range(50 * SHOWN_A_SECOND):
        feed.put(Printed(str(number)))
    feed.put(Note("the end"))
    await feed.end(asyncio.create_task(feed.run()))
    printed = [each for each in told if isinstance(each, Printed)]
    notes = [each.text for each in told if isinstance(each, Note)]
    skipped = sum(int(text.split()[0].replace(",", "")) for text in notes if "not shown" in text)
    assert len(printed) + skipped == 50 * SHOWN_A_SECOND
    assert skipped > 0
    assert "the end" in notes


@pytest.mark.anyio
async def test_a_reader_that_went_away_ends_the_feed() -> None:
    """Without an error that somebody else would trip over."""

    def nobody(_: Happening) -> None:
        raise BrokenPipeError

    feed = Feed(nobody)
    showing = asyncio.create_task(feed.run())
    feed.put(Note("hello"))
    await showing
    await feed.end(showing)
