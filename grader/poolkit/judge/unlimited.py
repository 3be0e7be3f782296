"""A lab's process, its ledger and its meter for a session that may last as long as somebody likes.

A check's limits end what takes too long or says too much. Here they would end an honest session, so that they are
bounds on what is kept instead: old rows and claims go, and a database's work is limited by the second.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping

from poolkit.events import Event
from poolkit.judge.database import Meter
from poolkit.judge.feed import Printed, Raised, StillOut, Tell
from poolkit.judge.host import Host
from poolkit.judge.ledger import Ledger
from poolkit.judge.printed import Fold
from poolkit.judge.process import LabPlan, LabProcess, Output, app_error
from poolkit.wire import Message

KEPT_ROWS = 10_000
"""When there are so many rows, the older half goes."""
FIRST_ROWS = 100
"""How many of the first rows stay for good: the startup's are among them."""
KEPT_CLAIMS = 1_000
MAX_LINE = 2_000
"""How many bytes of a line without an end are waited for, of what the app prints."""
_WORK_A_SECOND = 0.5
"""Seconds of CPU that statements may use in each second."""


class LongLedger(Ledger):
    """A ledger that lets its older rows go, but for the first ones and those of connections that are still lent.

    `unfinished` are the requests that the app is not done with; `answers` counts how requests ended.

    Args:
        tell: called with each row, and with each connection that is not back when its request is over.
    """

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell
        self._lent: dict[int, Event] = {}
        self.unfinished: set[int] = set()
        self.answers: Counter[str] = Counter()

    def _keep(self, event: Event) -> None:
        super()._keep(event)
        # How a process ended says something only of one that served, and that nobody asked to end.
        if event.kind != "exited" or (self.of("ready") and not self.of("shutdown")):
            self._tell(event)
        self._follow(event)

    def _follow(self, event: Event) -> None:
        if event.kind == "borrow" and event.connection is not None:
            self._lent[event.connection] = event
        elif event.kind in ("return", "close", "lost") and event.connection is not None:
            self._lent.pop(event.connection, None)
        elif event.kind == "response":
            self.answers[event.detail] += 1
        elif event.kind == "request" and event.request is not None:
            self.unfinished.add(event.request)
        elif event.kind == "done" and event.request in self.unfinished:
            self.unfinished.discard(event.request)
            for borrow in self._lent.values():
                if borrow.request == event.request:
                    self._tell(StillOut(borrow))

    def _make_room(self) -> None:
        if len(self._events) < KEPT_ROWS:
            return
        half = len(self._events) // 2
        self._events[FIRST_ROWS:half] = filter(self._is_needed, self._events[FIRST_ROWS:half])

    def _is_needed(self, event: Event) -> bool:
        """Whether a row says where a connection comes from that is open now, or who has it."""
        match event.kind:
            case "open":
                return event.connection in self._connections
            case "borrow":
                return event in self._lent.values()
            case "request":
                return any(borrow.request == event.request for borrow in self._lent.values())
        return False


class LongProcess(LabProcess):
    """A lab that may say as much as it likes; of what it said, the first and the newest are kept."""

    def __init__(self, host: Host, plan: LabPlan, ledger: Ledger, tell: Tell) -> None:
        super().__init__(host, plan, ledger=ledger)
        self._tell = tell
        self._code = str(plan.code)
        self._names = plan.names

    def _bound_claims(self) -> None:
        if len(self.claims) >= 2 * KEPT_CLAIMS:
            del self.claims[KEPT_CLAIMS // 10 : KEPT_CLAIMS]

    def _output_to(self, end: asyncio.Future[None]) -> Output:
        return _Lines(self.output, end, self._tell, self._code, self._names)

    def _take(self, message: Message) -> None:
        super()._take(message)
        if message["event"] == "raised" and message.get("during") == "http" and (error := app_error(message)):
            request = message.get("request")
            self._tell(Raised(request if isinstance(request, int) else None, error))


class _Lines(Output):
    """Tells each line that the app prints, as it comes; of a traceback, what is about the learner's own files.

    Args:
        code: their folder.
        names: what the learner calls those that have another name there.
    """

    def __init__(
        self, kept: bytearray, end: asyncio.Future[None], tell: Tell, code: str, names: Mapping[str, str]
    ) -> None:
        super().__init__(kept, end)
        self._tell = tell
        self._fold = Fold(code, names)
        self._line = b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > MAX_LINE:
            lines, self._line = [*lines, self._line], b""
        for line in lines:
            self._say(line.decode(errors="replace").rstrip())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._line:
            self._say(self._line.decode(errors="replace"))
        super().connection_lost(exc)

    def _say(self, line: str) -> None:
        if shown := self._fold.line(line):
            self._tell(Printed(shown))


class MeterBySecond(Meter):
    """Limits what statements cost by the second, so that no session is too long."""

    def __init__(self) -> None:
        super().__init__()
        self._most = self._left
        self._then = time.monotonic()

    def run_out(self, seconds: float) -> bool:
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._then) * _WORK_A_SECOND)
        self._then = now
        return super().run_out(seconds)
