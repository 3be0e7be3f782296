"""Ends a run early from another thread, such as when the file that it judges has been saved again."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Halt:
    """Belongs to one run. What a halted run reports is of no use."""

    def __init__(self) -> None:
        # The run's event loop must not be closed between the question whether it is there and the call.
        self._lock = threading.Lock()
        self._end: Callable[[], object] | None = None
        self.called = False

    def call(self) -> None:
        """End the run as soon as it can be ended; it is still to be waited for."""
        with self._lock:
            self.called = True
            if self._end is not None:
                self._end()

    def arm(self, end: Callable[[], object]) -> None:
        """Name what ends the run from now on; it is called in the thread that calls `call`."""
        with self._lock:
            self._end = end
            if self.called:
                end()

    def disarm(self) -> None:
        """Forget what ends the run, which is over."""
        with self._lock:
            self._end = None
