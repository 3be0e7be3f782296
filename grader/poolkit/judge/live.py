"""Serves a learner's app to its learner, with the witness behind it, for as long as they like: `poolkit run`."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from poolkit.course import Exercise
from poolkit.judge.checks import CheckFailed, NeverRan
from poolkit.judge.feed import Feed, Note, Ready, Tell
from poolkit.judge.fixture import Lab
from poolkit.judge.host import Host
from poolkit.judge.process import LabPlan
from poolkit.judge.relay import ADDRESS, Relay
from poolkit.judge.runner import prepare
from poolkit.judge.submission import Submission
from poolkit.judge.unlimited import LongLedger, LongProcess, MeterBySecond
from poolkit.report import AppError
from poolkit.session import Session, summarize

_DAY = 86_400.0
_SLOW_START = 10.0
_GRACE = 2.0
"""Seconds for requests under way to end in, after Ctrl-C."""
_STOP_LIMIT = 10.0


def serve(
    host: Host, exercise: Exercise, submission: Submission, listener: socket.socket, show: Tell
) -> Session | AppError:
    """Serve an app until Ctrl-C, SIGTERM or its own end; return what happened, or why it never started.

    Args:
        listener: where to serve it, as `poolkit.judge.relay.bind` makes it.
        show: called with each thing that happens, soon after it did.

    Raises:
        GraderFault: the exercise or the host is broken.
    """
    plan, refused = prepare(host, exercise, submission)
    if refused is not None:
        return refused
    host.wait_until_warm()
    live = _Live(host, replace(plan, cpu=int(_DAY)), show)
    before = signal.getsignal(signal.SIGINT)
    try:
        note = asyncio.run(live.run(listener))
    except NeverRan as failure:
        return failure.error
    finally:
        signal.signal(signal.SIGINT, before)
    ledger = live.ledger
    return summarize(
        exercise.id,
        submission.shown,
        ledger.events,
        unfinished=live.unfinished,
        answers=ledger.answers,
        note=note,
    )


class _Live:
    def __init__(self, host: Host, plan: LabPlan, show: Tell) -> None:
        self._host = host
        self._feed = Feed(show)
        self.ledger = LongLedger(self._feed.put)
        self._process = LongProcess(host, plan, self.ledger, self._feed.put)
        self._lab = Lab(self._process, random.Random(0), _DAY)
        self._relay = Relay(self._process.http_path, self.ledger)
        self.unfinished: frozenset[int] = frozenset()

    async def run(self, listener: socket.socket) -> str:
        """Serve until the end; return why it was not a plain one, or nothing."""
        loop = asyncio.get_running_loop()
        self._host.attach(loop)
        self._process.witness.files.meter = MeterBySecond()
        showing = loop.create_task(self._feed.run())
        try:
            with _signals() as (stop, hurry):
                return await self._live(listener, stop, hurry, showing)
        finally:
            await self._relay.close(0)
            await self._lab.close()
            self._host.detach()
            await self._feed.end(showing)

    async def _live(
        self, listener: socket.socket, stop: asyncio.Event, hurry: asyncio.Event, showing: asyncio.Task[None]
    ) -> str:
        loop = asyncio.get_running_loop()
        begun = loop.create_task(self._start())
        stopped = loop.create_task(stop.wait())
        while not (await asyncio.wait((begun, stopped), timeout=_SLOW_START, return_when=asyncio.FIRST_COMPLETED))[0]:
            self._feed.put(Note("The app is still starting. Ctrl-C ends it."))
        if not begun.done():
            begun.cancel()
            return "It was stopped before it was ready."
        begun.result()
        await self._relay.serve(listener)
        self._feed.put(Ready(f"http://{ADDRESS}:{listener.getsockname()[1]}"))
        ended = loop.create_task(self._process.until_ended(_DAY * 365))
        # Also when nobody reads any more what is shown.
        await asyncio.wait((ended, stopped, showing), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        self.unfinished = frozenset(self.ledger.unfinished)
        if self._process.ended:
            return self._why_ended()
        self._feed.put(Note("Shutting the app down. Ctrl-C again ends it at once."))
        return await self._stop(hurry)

    async def _start(self) -> None:
        await self._process.launch()
        await self._lab.imported()
        try:
            await self._lab.start()
        except CheckFailed as failure:
            raise NeverRan(failure.error or AppError("", failure.happened)) from None

    async def _stop(self, hurry: asyncio.Event) -> str:
        await self._relay.close(_GRACE)
        self.unfinished = frozenset(self.ledger.unfinished)
        loop = asyncio.get_running_loop()
        stopping = loop.create_task(self._lab.stop())
        hurried = loop.create_task(hurry.wait())
        begin = loop.time()
        while not stopping.done() and not hurry.is_set() and loop.time() < begin + _STOP_LIMIT:
            await asyncio.wait((stopping, hurried), timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            if loop.time() > begin + 1:
                # A pool that waits for connections which will not come back is not waited for.
                self._lab.advance(10)
        hurried.cancel()
        if not stopping.done():
            stopping.cancel()
            return "Its shutdown was cut short." if hurry.is_set() else f"Its shutdown took over {_STOP_LIMIT:g} s."
        stopping.result()
        return self._why_ended() if not self.ledger.of("stopped") else self._broken()

    def _why_ended(self) -> str:
        how = next((event.detail for event in self.ledger.of("exited")), "")
        return self._broken() or f"The app's process ended by itself ({how})."

    def _broken(self) -> str:
        found = [*self._process.tampering, *self._process.witness.tampering]
        return f"The app was ended: {found[0]}." if found else ""


@contextmanager
def _signals() -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Give events for the first and the second Ctrl-C or SIGTERM."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def interrupted() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        yield stop, hurry
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
