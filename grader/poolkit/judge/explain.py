"""Chooses which rows of a ledger a learner is shown for a failure."""

from __future__ import annotations

from collections.abc import Sequence

from poolkit.events import Event

BEFORE = 6
AFTER = 2


def rows_around(events: Sequence[Event], deciding: Event | None) -> tuple[Event, ...]:
    """Return the rows around the deciding one, and the borrow that it goes back to if that lies further off.

    `exited` rows, which explain nothing by themselves, are left out unless they decide.
    """
    if deciding is None:
        return tuple(events[-BEFORE:])
    shown = [e for e in events if e.kind != "exited" or e is deciding]
    place = shown.index(deciding)
    first = max(0, place - BEFORE)
    rows = shown[first : place + AFTER + 1]
    borrow = next(
        (
            event
            for event in reversed(shown[:place])
            if event.kind in ("borrow", "open") and event.connection == deciding.connection is not None
        ),
        None,
    )
    if borrow is not None and borrow not in rows:
        rows = [borrow, *rows]
    return tuple(rows)
