"""A clock for the judge that goes slower while the machine keeps those waiting who have work to do.

A check waits for what has to happen for a second or two, and takes for settled what has not. On a machine that is busy
with something else that second may be over before the learner's app, though ready to go on, was let to. Linux counts
that time: `schedstat` in proc(5) says of each thread for how many nanoseconds it was runnable and did not run. What the
lab's threads and the judge's own have lost in this way is not counted.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

PROC = Path("/proc")
STEP = 0.05
"""Seconds from look to look; what was lost in between is known at the end of it."""
SLOWEST = 0.25
"""How much of a second counts at least, whatever is lost: several threads that wait lose it several times."""
MOST = 120.0
"""Seconds that are not counted at most, so that no run goes on and on."""


class Pace:
    """Tells the time, in seconds since some moment, without what was lost.

    Args:
        host: the process that the labs are children of.
        proc: where the system tells of its processes; where it does not, nothing is lost.
    """

    def __init__(self, host: int, proc: Path = PROC) -> None:
        self._host = host
        self._proc = proc
        self._delays: dict[str, int] = {}
        self.lost = 0.0
        self._looked = self._told = time.monotonic()
        self._look()

    @contextlib.contextmanager
    def of(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Let an event loop go by this clock until the block ends: every timeout in it is longer by what was lost."""
        vars(loop)["time"] = self.time
        try:
            yield
        finally:
            del vars(loop)["time"]

    def time(self) -> float:
        """Tell the time; never less than before."""
        now = time.monotonic()
        if now - self._looked >= STEP and self.lost < MOST:
            self.lost += min(self._look() / 1e9, (now - self._looked) * (1 - SLOWEST))
            self._looked = now
        self._told = max(self._told, now - self.lost)
        return self._told

    def _look(self) -> int:
        """Return the nanoseconds that all threads together have lost since the last look."""
        found = dict(self._delays_now())
        # A number may be another thread's by now, which has lost less.
        lost = sum(max(0, delay - self._delays.get(thread, 0)) for thread, delay in found.items())
        self._delays = found
        return lost

    def _delays_now(self) -> Iterator[tuple[str, int]]:
        for process in ("self", *self._children()):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                for thread in os.listdir(f"{self._proc}/{process}/task"):
                    told = _read(f"{self._proc}/{process}/task/{thread}/schedstat").split()
                    if len(told) == 3:
                        yield thread, int(told[1])

    def _children(self) -> list[str]:
        return _read(f"{self._proc}/{self._host}/task/{self._host}/children").split()


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


__all__ = ["Pace"]
