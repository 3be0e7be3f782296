"""Runs that tests make up, row by row, on a clock of their own: a row each hundredth of a second."""

from __future__ import annotations

import itertools

from poolkit.events import Location
from poolkit.judge.ledger import Ledger
from poolkit.trace import Trace, build

WHERE = Location("app.py", 31, "async with database.connection() as connection:")


def new() -> Ledger:
    """Return an empty ledger whose clock ticks when it is asked."""
    ticks = itertools.count()
    return Ledger(clock=lambda: next(ticks) / 100)


def start(ledger: Ledger, size: int) -> Ledger:
    """Fill a pool."""
    ledger.record("startup")
    for _ in range(size):
        ledger.opened(pooled=True, database="shop.db")
    ledger.record("ready")
    return ledger


def serve(
    ledger: Ledger, number: int, connection: int, *, returns: bool = True, status: int = 200, path: str = "/items/1"
) -> None:
    """Serve a request with a connection of the pool."""
    ledger.request(number, f"GET {path}")
    ledger.borrowed(connection, number, WHERE)
    ledger.record("statement", connection=connection, detail="SELECT 1")
    if returns:
        ledger.returned(connection, in_transaction=False)
    ledger.answered(number, status=status, detail=str(status))
    ledger.record("done", request=number)


def stop(ledger: Ledger, *connections: int) -> None:
    """Shut the app down, closing these."""
    ledger.record("shutdown")
    for connection in connections:
        ledger.closed(connection)
    ledger.record("stopped")
    ledger.record("exited", detail="exit code 0")


def traced(ledger: Ledger, note: str = "", path: str = "app.py") -> Trace:
    """Return the trace of a run."""
    return build("exercise-3", path, ledger.events, note, ledger.queue)


def sound(requests: int = 2) -> Trace:
    """Return a run of a pool of two, in which all is well."""
    ledger = start(new(), 2)
    for number in range(1, requests + 1):
        serve(ledger, number, 1)
    stop(ledger, 1, 2)
    return traced(ledger)


def leaking() -> Trace:
    """Return a run of a pool of two, whose first request keeps its connection."""
    ledger = start(new(), 2)
    serve(ledger, 1, 1, returns=False)
    serve(ledger, 2, 2)
    stop(ledger, 1, 2)
    return traced(ledger)
