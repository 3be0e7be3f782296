"""The ledger: the one append-only list of what happened in a lab, and the only count of its connections."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from poolkit.events import Event, Location, PoolState, Queue, Value

MAX_EVENTS = 20_000
MAX_TEXT = 2_000


class LedgerFull(Exception):
    """A lab made more events than a ledger holds."""


@dataclass(slots=True)
class _Connection:
    pooled: bool
    borrowed: bool
    request: int | None = None


class Ledger:
    """Records events, keeps the pool's state, and wakes whoever waits for a condition.

    Args:
        clock: seconds, ever growing; the judge's own clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._events: list[Event] = []
        self._connections: dict[int, _Connection] = {}
        self._recorded = 0
        self._opened = 0
        self._waiting: dict[object, int] = {}
        self._queue: deque[Queue] = deque(maxlen=MAX_EVENTS)
        self._in_flight: list[int] = []
        self._watchers: list[tuple[Callable[[Ledger], bool], asyncio.Future[None]]] = []

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event so far, the oldest first."""
        return tuple(self._events)

    @property
    def last(self) -> Event | None:
        """The newest event."""
        return self._events[-1] if self._events else None

    @property
    def queue(self) -> tuple[Queue, ...]:
        """The last changes, `MAX_EVENTS` at most, in how many tasks are said to be queued; the oldest first."""
        return tuple(self._queue)

    @property
    def state(self) -> PoolState:
        """The pool's state now."""
        free = sum(1 for c in self._connections.values() if c.pooled and not c.borrowed)
        total = len(self._connections)
        return PoolState(total=total, free=free, borrowed=total - free, waiting=sum(self._waiting.values()))

    def of(self, *kinds: str, since: int = 0, connection: int | None = None) -> list[Event]:
        """Return the events of these kinds after number `since`, those of one connection where it is given."""
        return [
            event
            for event in self._events[since:]
            if event.kind in kinds and (connection is None or event.connection == connection)
        ]

    # --- recording; only the witness and the lab's handle call these ---

    def opened(self, *, pooled: bool, database: str) -> int:
        """Record a new connection and return its number."""
        self._opened += 1
        self._connections[self._opened] = _Connection(pooled=pooled, borrowed=not pooled)
        self.record("open", connection=self._opened, detail=database, pooled=pooled)
        return self._opened

    def borrowed(self, connection: int, request: int | None, where: Location | None) -> None:
        """Record that a pooled connection was handed to a borrower."""
        entry = self._connections[connection]
        entry.borrowed = True
        entry.request = request
        self.record("borrow", connection=connection, request=request, where=where)

    def returned(self, connection: int, *, in_transaction: bool) -> None:
        """Record that a borrowed connection came back to its pool."""
        entry = self._connections[connection]
        entry.borrowed = False
        self.record("return", connection=connection, in_transaction=in_transaction)
        entry.request = None

    def closed(self, connection: int, *, lost: bool = False) -> None:
        """Record the end of a connection; `lost` when nobody closed it."""
        entry = self._connections.pop(connection, None)
        if entry is not None:
            self.record("lost" if lost else "close", connection=connection, pooled=entry.pooled)

    def is_borrowed(self, connection: int) -> bool:
        """Whether a connection may be used: borrowed, or opened outside a pool."""
        return self._connections[connection].borrowed

    def waits(self, tasks: int, where: object = None) -> None:
        """Note how many tasks the pool of a lab, `where`, says are queued; shown, never judged."""
        before = sum(self._waiting.values())
        self._waiting[where] = tasks
        now = sum(self._waiting.values())
        if now != before:
            self._queue.append(Queue(self._clock() - self._start, now))
        self.wake()

    def request(self, number: int, detail: str) -> Event:
        """Record a request that is being sent."""
        self._in_flight.append(number)
        return self.record("request", request=number, detail=detail)

    def answered(self, number: int, *, status: int | None, detail: str) -> Event:
        """Record the end of a request, as the client sees it."""
        event = self.record("response", request=number, status=status, detail=detail)
        if number in self._in_flight:
            self._in_flight.remove(number)
        return event

    def record(
        self,
        kind: str,
        *,
        connection: int | None = None,
        request: int | None = None,
        detail: str = "",
        where: Location | None = None,
        pooled: bool | None = None,
        in_transaction: bool = False,
        params: tuple[Value, ...] = (),
        status: int | None = None,
    ) -> Event:
        """Append one event.

        Raises:
            LedgerFull: there are `MAX_EVENTS` already.
        """
        self._make_room()
        entry = self._connections.get(connection) if connection is not None else None
        if request is None:
            request = self._attribute(entry)
        event = Event(
            seq=self._recorded + 1,
            at=self._clock() - self._start,
            kind=kind,
            connection=connection,
            request=request,
            detail=detail[:MAX_TEXT],
            state=self.state,
            where=where,
            pooled=entry.pooled if entry and pooled is None else bool(pooled),
            in_transaction=in_transaction,
            params=tuple(value[:MAX_TEXT] if isinstance(value, (str, bytes)) else value for value in params),
            status=status,
        )
        self._keep(event)
        return event

    def _keep(self, event: Event) -> None:
        self._recorded += 1
        self._events.append(event)
        self.wake()

    def _make_room(self) -> None:
        if len(self._events) >= MAX_EVENTS:
            raise LedgerFull(f"more than {MAX_EVENTS} events in one run")

    def _attribute(self, entry: _Connection | None) -> int | None:
        """The request that an event on a connection belongs to, where that is certain or was claimed."""
        if entry is None:
            return None
        if entry.request is not None:
            return entry.request
        return self._in_flight[0] if len(self._in_flight) == 1 else None

    # --- waiting ---

    async def until(self, condition: Callable[[Ledger], bool], within: float) -> bool:
        """Wait for a condition, which is tried after each event; tell whether it came true in time.

        Args:
            condition: called with this ledger.
            within: the most seconds to wait.
        """
        if condition(self):
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watcher = (condition, future)
        self._watchers.append(watcher)
        try:
            await asyncio.wait((future,), timeout=within)
        finally:
            self._watchers.remove(watcher)
        return future.done() or condition(self)

    def wake(self) -> None:
        """Have every condition tried again, because of something that leaves no event."""
        for condition, future in self._watchers:
            if not future.done() and condition(self):
                future.set_result(None)
