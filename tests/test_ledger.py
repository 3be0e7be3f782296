"""`poolkit.judge.ledger`: the one count of connections, and waiting for what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from witnessing import DEADLINE, soon

import poolkit.judge.ledger
from poolkit.events import Location, PoolState
from poolkit.judge.ledger import MAX_TEXT, Ledger, LedgerFull


@pytest.fixture
def ledger() -> Ledger:
    """A ledger whose clock moves on by a second with each look."""
    now = iter(range(100, 100_000))
    return Ledger(lambda: float(next(now)))


def test_events_are_numbered_and_timed(ledger: Ledger) -> None:
    """From 1, in seconds since the ledger was made, each with the state right after it."""
    ledger.record("startup")
    ledger.opened(pooled=True, database="shop.db")
    ledger.opened(pooled=False, database="shop.db")
    assert [(event.seq, event.at, event.kind, event.connection) for event in ledger] == [
        (1, 1.0, "startup", None),
        (2, 2.0, "open", 1),
        (3, 3.0, "open", 2),
    ]
    assert [event.state for event in ledger] == [PoolState(), PoolState(1, 1, 0), PoolState(2, 1, 1)]
    assert ledger.last is ledger.events[-1]
    assert len(ledger) == 3
    assert Ledger().last is None


def test_every_connection_is_free_or_borrowed(ledger: Ledger) -> None:
    """Through borrows, returns, closes and losses the sum stays right; an end is recorded once."""
    for pooled in (True, True, False):
        ledger.opened(pooled=pooled, database="shop.db")
    ledger.borrowed(1, None, None)
    ledger.returned(1, in_transaction=False)
    ledger.borrowed(2, None, None)
    ledger.waits(4)
    ledger.closed(2)
    ledger.closed(3, lost=True)
    ledger.closed(3, lost=True)
    ledger.closed(4711)
    ledger.closed(1)
    states = [(event.state.total, event.state.free, event.state.borrowed) for event in ledger]
    assert states == [(1, 1, 0), (2, 2, 0), (3, 2, 1), (3, 1, 2), (3, 2, 1), (3, 1, 2), (2, 1, 1), (1, 1, 0), (0, 0, 0)]
    assert all(total == free + borrowed for total, free, borrowed in states)
    assert [event.kind for event in ledger][-3:] == ["close", "lost", "close"]
    assert [event.pooled for event in ledger.of("close", "lost")] == [True, False, True]
    assert [event.state.waiting for event in ledger][5:] == [0, 4, 4, 4]


def test_events_are_found(ledger: Ledger) -> None:
    """By kind, by connection, and from a moment on."""
    for _ in range(2):
        ledger.opened(pooled=True, database="shop.db")
    seen = len(ledger)
    ledger.borrowed(2, None, None)
    ledger.returned(2, in_transaction=True)
    ledger.borrowed(1, None, None)
    assert [event.seq for event in ledger.of("open", "borrow")] == [1, 2, 3, 5]
    assert [event.seq for event in ledger.of("open", "borrow", connection=2)] == [2, 3]
    assert [event.seq for event in ledger.of("borrow", since=seen + 1)] == [5]
    assert ledger.of("close") == []


def test_what_is_kept_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long text is cut, and beyond the limit nothing is recorded any more, which is told."""
    event = ledger.record("statement", detail="x" * 5000, params=("y" * 5000, b"z" * 5000, 10**30, None))
    assert event.detail == "x" * MAX_TEXT
    assert event.params == ("y" * MAX_TEXT, b"z" * MAX_TEXT, 10**30, None)
    monkeypatch.setattr(poolkit.judge.ledger, "MAX_EVENTS", 2)
    ledger.record("statement")
    with pytest.raises(LedgerFull, match="more than 2 events in one run"):
        ledger.record("statement")
    with pytest.raises(LedgerFull, match="more than 2 events in one run"):
        ledger.request(1, "GET /")
    assert len(ledger) == 2


# --- whose event it is ---


def test_one_request_in_flight_owns_what_happens(ledger: Ledger) -> None:
    """Without any claim of the lab's, and only while it is the only one."""
    ledger.opened(pooled=False, database="shop.db")

    def statement() -> int | None:
        return ledger.record("statement", connection=1).request

    assert statement() is None
    ledger.request(1, "GET /")
    assert statement() == 1
    ledger.request(2, "GET /")
    assert statement() is None
    ledger.answered(1, status=200, detail="200")
    assert statement() == 2
    ledger.answered(2, status=200, detail="200")
    ledger.answered(2, status=200, detail="twice")
    assert statement() is None


def test_a_borrow_s_request_owns_the_connection_until_its_return(ledger: Ledger) -> None:
    """With many in flight, and after the response too; the next borrower's events are its own."""
    ledger.opened(pooled=True, database="shop.db")
    for number in (1, 2, 3):
        ledger.request(number, "GET /")
    ledger.borrowed(1, 2, Location("app.py", 3, "x"))
    ledger.answered(2, status=200, detail="200")
    ledger.record("statement", connection=1)
    ledger.returned(1, in_transaction=False)
    ledger.borrowed(1, None, None)
    ledger.record("statement", connection=1)
    found = [(event.kind, event.request) for event in ledger.of("borrow", "statement", "return")]
    assert found == [("borrow", 2), ("statement", 2), ("return", 2), ("borrow", None), ("statement", None)]


def test_an_event_of_no_connection_belongs_to_nobody(ledger: Ledger) -> None:
    """The app's own events are not put on the request that happens to be under way."""
    ledger.request(1, "GET /")
    assert ledger.record("shutdown").request is None
    assert ledger.record("refused", detail="connect: too many connections").request is None


# --- waiting ---


def kind(name: str) -> Callable[[Ledger], bool]:
    return lambda ledger: bool(ledger.of(name))


def test_the_queue_is_its_changes() -> None:
    """All labs' tasks together, with the time; a claim that changes nothing leaves no trace."""
    ledger = Ledger(clock=iter(range(99)).__next__)
    for tasks, where in ((1, "a"), (1, "a"), (2, "b"), (0, "a")):
        ledger.waits(tasks, where)
    assert [(change.at, change.tasks) for change in ledger.queue] == [(1, 1), (2, 3), (3, 2)]


async def test_waiting_ends_with_the_event_and_not_before(ledger: Ledger) -> None:
    """Other events do not wake it, the one that it waits for does at once."""
    waiting = asyncio.create_task(ledger.until(kind("ready"), DEADLINE))
    for _ in range(5):
        ledger.record("statement")
        await asyncio.sleep(0)
    assert not waiting.done()
    ledger.record("ready")
    assert await soon(waiting) is True


async def test_what_holds_already_needs_no_waiting(ledger: Ledger) -> None:
    """Even with no time at all."""
    ledger.record("ready")
    assert await ledger.until(kind("ready"), 0.0) is True


async def test_waiting_has_an_end(ledger: Ledger) -> None:
    """When the time is up the answer is no, and later events find nobody who waits."""
    assert await soon(ledger.until(kind("ready"), 0.01)) is False
    assert await soon(ledger.until(kind("ready"), -1.0)) is False
    assert ledger._watchers == []


async def test_a_condition_that_comes_and_goes_was_seen(ledger: Ledger) -> None:
    """A state that lasts for one event only is enough, however late the waiting task runs."""
    ledger.opened(pooled=True, database="shop.db")
    waiting = asyncio.create_task(ledger.until(lambda ledger: ledger.state.borrowed == 1, DEADLINE))
    await asyncio.sleep(0)
    ledger.borrowed(1, None, None)
    ledger.returned(1, in_transaction=False)
    assert await soon(waiting) is True


async def test_many_wait_for_different_things(ledger: Ledger) -> None:
    """Each wakes for its own; the queue's length, which is no event, wakes too; one that is cancelled is forgotten."""
    names = ("open", "close", "ready")
    waiting = {name: asyncio.create_task(ledger.until(kind(name), DEADLINE)) for name in names}
    queue = asyncio.create_task(ledger.until(lambda ledger: ledger.state.waiting == 2, DEADLINE))
    await asyncio.sleep(0)
    ledger.opened(pooled=True, database="shop.db")
    assert await soon(waiting["open"])
    ledger.waits(2)
    assert await soon(queue)
    assert not waiting["close"].done()
    waiting["ready"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting["ready"]
    ledger.closed(1)
    assert await soon(waiting["close"])
    assert ledger._watchers == []
