"""What happens in a live session, one thing after the other, and as much of it as somebody can look at."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from poolkit.events import Event
from poolkit.report import AppError

SHOWN_A_SECOND = 200
"""How many things of one kind."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The app is served at `url`."""

    url: str


@dataclass(frozen=True, slots=True)
class Printed:
    """The app printed a line."""

    line: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The app raised, while it served `request` where that is known."""

    request: int | None
    error: AppError


@dataclass(frozen=True, slots=True)
class StillOut:
    """A request is over, and a connection that it borrowed is not back."""

    borrow: Event


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell about the session itself."""

    text: str


Happening = Event | Ready | Printed | Raised | StillOut | Note
Tell = Callable[[Happening], None]


class Feed:
    """Shows what happens, in order and beside it, and of a flood only as much as somebody can look at."""

    def __init__(self, show: Tell) -> None:
        self._show = show
        self._queue: asyncio.Queue[Happening | None] = asyncio.Queue()
        self._second = 0
        self._shown: Counter[type] = Counter()
        self._skipped = 0

    def put(self, happening: Happening) -> None:
        """Have something shown."""
        self._queue.put_nowait(happening)

    async def run(self) -> None:
        """Show what comes, until `end`. Returns early when nobody reads it any more."""
        try:
            while (happening := await self._next()) is not None:
                if self._has_room(happening):
                    self._show(happening)
                else:
                    self._skipped += 1
            self._tell_skipped()
        except BrokenPipeError:
            return

    async def end(self, running: asyncio.Task[None]) -> None:
        """Show what is left, and no more."""
        self._queue.put_nowait(None)
        await running

    async def _next(self) -> Happening | None:
        while True:
            try:
                return await asyncio.wait_for(self._queue.get(), 1.0 if self._skipped else None)
            except TimeoutError:
                self._tell_skipped()

    def _has_room(self, happening: Happening) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._shown.clear()
            self._tell_skipped()
        self._shown[type(happening)] += 1
        return self._shown[type(happening)] <= SHOWN_A_SECOND

    def _tell_skipped(self) -> None:
        if self._skipped:
            skipped, self._skipped = self._skipped, 0
            self._show(Note(f"{skipped:,} lines are not shown: there were over {SHOWN_A_SECOND} in a second."))
