"""`poolkit.judge.explain`: the rows that a learner is shown hold the deciding one and what it goes back to."""

from __future__ import annotations

import pytest

from poolkit.events import Event
from poolkit.judge.explain import AFTER, BEFORE, rows_around


def ledger(*kinds: str, connection: int | None = None) -> list[Event]:
    return [Event(number, number / 1000, kind, connection) for number, kind in enumerate(kinds, 1)]


def numbers(events: list[Event], deciding: Event | None) -> list[int]:
    return [event.seq for event in rows_around(events, deciding)]


def test_the_deciding_row_stands_among_its_neighbours() -> None:
    """Six before it and two after, fewer at either end."""
    events = ledger(*["request"] * 30)
    assert (BEFORE, AFTER) == (6, 2)
    assert numbers(events, events[14]) == list(range(9, 18))
    assert numbers(events, events[0]) == [1, 2, 3]
    assert numbers(events, events[29]) == list(range(24, 31))
    assert numbers(events[:1], events[0]) == [1]


def test_without_a_deciding_row_the_last_ones_are_shown() -> None:
    """A failure that no event decides is explained by how it ended."""
    assert numbers(ledger(*["request"] * 30), None) == list(range(25, 31))
    assert numbers([], None) == []


@pytest.mark.parametrize("kind", ["borrow", "open"])
def test_the_borrow_of_the_connection_is_always_there(kind: str) -> None:
    """However far back it lies; of several the latest one before the deciding row, and of no other connection."""
    events = ledger(kind, "return", kind, *["statement"] * 20, "error", connection=1)
    events += [Event(25, 1.0, "borrow", 1)]
    events[9] = Event(10, 0.01, "borrow", 2)
    assert numbers(events, events[23]) == [3, 18, 19, 20, 21, 22, 23, 24, 25]


def test_a_borrow_among_the_neighbours_is_not_repeated() -> None:
    """Each row is shown once."""
    events = ledger("open", "borrow", "statement", "error", connection=1)
    assert numbers(events, events[3]) == [1, 2, 3, 4]


def test_an_event_of_no_connection_goes_back_to_none() -> None:
    """A response does not drag in the borrow of whoever came before."""
    events = [Event(1, 0.0, "borrow", 1), *ledger(*["request"] * 20)[1:]]
    assert numbers(events, events[19])[0] == 14


def test_the_end_of_the_process_is_shown_where_it_decides() -> None:
    """Elsewhere it explains nothing: every lab ends."""
    events = ledger("startup", "ready", "request", "exited", "response")
    assert numbers(events, events[2]) == [1, 2, 3, 5]
    assert numbers(events, events[3]) == [1, 2, 3, 4, 5]
