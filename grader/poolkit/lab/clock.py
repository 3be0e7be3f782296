"""The lab's clock: real time plus an offset, so that a wait of half a minute takes a millisecond to test."""

from __future__ import annotations

import time


class Clock:
    """Stands in for `time.monotonic` and `time.time`, which asyncio's event loop reads too."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._latest = 0.0
        self._monotonic = time.monotonic
        self._time = time.time

    def install(self) -> None:
        """Let this process tell the time by this clock."""
        time.monotonic = self.monotonic
        time.time = self.time
        time.monotonic_ns = lambda: int(self.monotonic() * 1e9)
        time.time_ns = lambda: int(self.time() * 1e9)

    def advance(self, seconds: float) -> None:
        """Move this clock forward; by less than 0, let it stand still for so long."""
        self.monotonic()  # so that what was told before counts
        self._offset += seconds

    def monotonic(self) -> float:
        """Seconds since some moment, as `time.monotonic` counts them, plus the offset; never less than before."""
        self._latest = max(self._latest, self._monotonic() + self._offset)
        return self._latest

    def time(self) -> float:
        """Seconds since 1970, plus the offset."""
        return self._time() + self._offset


def installed() -> Clock | None:
    """Return the clock by which this process tells the time, None where that is the machine's own."""
    clock = getattr(time.monotonic, "__self__", None)
    return clock if isinstance(clock, Clock) else None
