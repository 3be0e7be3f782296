"""How long something takes that the judge does, whatever else the machine does meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from poolkit.judge.host import Host
from poolkit.judge.pace import STEP, Pace


@dataclass
class Spent:
    """Seconds, without those for which the judge's threads or its labs' were ready and no core was free for them."""

    seconds: float = 0.0


@contextlib.contextmanager
def spent(host: Host) -> Iterator[Spent]:
    """Measure a block; `seconds` is right once the block has ended.

    By the judge's own clock (`poolkit.judge.pace`), which this looks at as often as the judge does: a thread that has
    ended tells nothing any more.
    """
    found, over, pace = Spent(), threading.Event(), Pace(host.pid)
    begin = pace.time()

    def look() -> None:
        while not over.wait(STEP):
            pace.time()

    looking = threading.Thread(target=look, name="looks at the pace")
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()
        time.sleep(STEP)  # or what was lost since the last look would not count
        found.seconds = pace.time() - begin
