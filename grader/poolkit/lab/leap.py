"""Lets a lab's clock leap over waits in which nothing can happen: a timeout then costs only the work before it.

An event loop that has nothing to do waits for the next of its timers, or for somebody else: here the threads of
aiosqlite, the only others that work for it. When each of these has done all that it was given, nothing comes before
that timer, and the clock may as well say that it is due. It is never guessed: while a statement is under way, or any
thread runs that is not aiosqlite's, time passes as it does.
"""

from __future__ import annotations

import queue
import selectors
import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import aiosqlite.core

from poolkit.lab.clock import Clock

_LOOK = 0.005
"""Seconds after which a wait is looked at again: the threads may have come to rest."""
_A_BIT = 1e-6
"""Seconds more than a timer needs, since sums of floats are not exact."""


_Found = TypeVar("_Found", bound=list[Any])


class _Inbox(queue.SimpleQueue[Any]):
    """What a connection's thread is given to do; knows whether it has done all of it."""

    by_thread: ClassVar[WeakKeyDictionary[threading.Thread, _Inbox]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._given = self._taken = self._done = 0

    @property
    def is_done(self) -> bool:
        """Whether the thread has nothing to do, and all that it did has been told to the event loop."""
        return self._given == self._done

    def put_nowait(self, item: Any) -> None:  # noqa: ANN401  (aiosqlite's)
        self._given += 1
        super().put_nowait(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401
        # Who asks for the next has done the one before.
        self._done = self._taken
        self.by_thread[threading.current_thread()] = self
        item = super().get(block, timeout)
        self._taken += 1
        return item


class Leaps:
    """Decides when a clock leaps.

    Args:
        clock: this process's.
        most: seconds by that clock, from now on, within which it may. A wait that goes on for longer has no end:
            whoever set that limit will not wait for it either.
    """

    def __init__(self, clock: Clock, most: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + most

    def install(self) -> None:
        """Let every event loop that is made from now on leap, and every connection tell when it has nothing to do."""
        leaps = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
                return leaps.wait(super().select, timeout)

        vars(aiosqlite.core)["SimpleQueue"] = _Inbox
        vars(selectors)["DefaultSelector"] = Selector

    def wait(self, select: Callable[[float | None], _Found], timeout: float | None) -> _Found | list[Any]:
        """Wait for what comes first, as `select` does; when that can only be the end of `timeout`, leap there."""
        if timeout is None or timeout <= 0:
            return select(timeout)
        end = self._clock.monotonic() + timeout
        while (left := end - self._clock.monotonic()) > 0:
            quiet = _nobody_works()
            # What the threads have told until then is there to be found now.
            found = select(0 if quiet else min(left, _LOOK))
            if found:
                return found
            if quiet:
                self._leap(left)
        return []

    def _leap(self, seconds: float) -> None:
        if self._clock.monotonic() + seconds > self._end:
            hang()
        self._clock.advance(seconds + _A_BIT)


def hang() -> None:
    """Wait without an end."""
    threading.Event().wait()


def _nobody_works() -> bool:
    """Whether no other thread has anything to do; the main one serves the app, and waits for this one."""
    quiet = {threading.main_thread(), threading.current_thread()}
    return all(
        thread in quiet or ((inbox := _Inbox.by_thread.get(thread)) is not None and inbox.is_done)
        for thread in threading.enumerate()
    )
