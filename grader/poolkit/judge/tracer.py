"""Plays a script with one lab and records it; for `poolkit trace`: start, requests one after the other, shutdown."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from poolkit.course import Exercise
from poolkit.errors import CourseFault
from poolkit.events import Event, Queue
from poolkit.judge.checks import CheckFailed, NeverRan
from poolkit.judge.fixture import Lab
from poolkit.judge.host import Host
from poolkit.judge.ledger import Ledger
from poolkit.judge.plugin import PATIENCE
from poolkit.judge.process import LabPlan, LabProcess
from poolkit.judge.runner import prepare
from poolkit.judge.submission import Submission
from poolkit.report import AppError
from poolkit.trace import Trace, build

Script = Callable[[Lab], Awaitable[None]]
"""What is done with a lab that is imported and not yet started."""

SOON = 0.5
"""Seconds after which an app that has not done what it can do at once is not waited for."""

_REQUEST = re.compile(r"(?:(GET|POST|PUT|PATCH|DELETE) )?(/\S*)(?: (.+))?")


@dataclass(frozen=True)
class Recording:
    """A lab's ledger, who waited for a connection meanwhile, and why the script ended early, if it did."""

    events: tuple[Event, ...]
    queue: tuple[Queue, ...]
    note: str


def record(
    host: Host, exercise: Exercise, submission: Submission, requests: Sequence[str] | None = None
) -> Trace | AppError:
    """Run a submission once and return its trace, or why it never ran.

    Args:
        requests: what to send, each `[METHOD] /path [JSON]`; the exercise's own when not given.

    Raises:
        GraderFault: the exercise or the host is broken.
    """
    calls = calls_of(exercise, requests)
    plan, refused = prepare(host, exercise, submission)
    if refused is not None:
        return refused

    async def script(lab: Lab) -> None:
        await lab.start()
        for method, path, body in calls:
            await serve(lab, method, path, body)
        await shut_down(lab)

    try:
        found = play(host, plan, script)
    except NeverRan as failure:
        return failure.error
    return build(exercise.id, submission.shown, found.events, found.note, found.queue)


def calls_of(exercise: Exercise, requests: Sequence[str] | None = None) -> list[tuple[str, str, object]]:
    """Return the method, the path and the body of each request, of the exercise's own when none are given.

    Raises:
        CourseFault: one of them is no request.
    """
    return [_call(exercise, request) for request in (exercise.about.trace if requests is None else requests)]


def _call(exercise: Exercise, request: str) -> tuple[str, str, object]:
    """Return the method, the path and the body of a request."""
    found = _REQUEST.fullmatch(request)
    try:
        if found:
            method, path, body = found.groups()
            return method or "GET", path, json.loads(body) if body else None
    except ValueError:
        pass
    raise CourseFault(f"{exercise.id}: {request!r} is no request; write /path, or METHOD /path with JSON after it")


def play(host: Host, plan: LabPlan, script: Script, *, patience: float = PATIENCE) -> Recording:
    """Make a lab, play a script with it and return what was recorded.

    A `CheckFailed`, such as a request without an answer, ends the script, and the recording says why.

    Args:
        patience: seconds to wait for anything that the app owes an answer to.

    Raises:
        NeverRan: the submission could not be imported.
        GraderFault: the host is broken.
    """
    host.wait_until_warm()
    return asyncio.run(_play(host, plan, script, patience))


async def _play(host: Host, plan: LabPlan, script: Script, patience: float) -> Recording:
    host.attach(asyncio.get_running_loop())
    process = LabProcess(host, plan)
    lab = Lab(process, random.Random(0), patience)
    note = ""
    try:
        await process.launch()
        await lab.imported()
        try:
            await script(lab)
        except CheckFailed as failure:
            note = failure.happened
        return Recording(lab.ledger.events, lab.ledger.queue, note)
    finally:
        await lab.close()
        host.detach()


async def serve(lab: Lab, method: str, path: str, body: object = None) -> None:
    """Send a request, and wait until it is answered.

    Statements that its tasks send at the same time stand side by side in what is recorded: the database answers none of
    them before each connection that was borrowed at once has one, for which of them is quicker is chance.
    """
    mark = len(lab.ledger)
    async with lab.line() as line:

        def all_at_work(ledger: Ledger) -> bool:
            lent = len(ledger.of("borrow", since=mark)) - len(ledger.of("return", since=mark))
            return line.waiting >= max(1, lent) or bool(ledger.of("response", "done", since=mark))

        call = lab.send(method, path, body=body)
        if await lab.until(all_at_work, within=SOON):
            with suppress(TimeoutError, CheckFailed):
                async with asyncio.timeout(SOON):
                    await lab.turn()  # so that whoever borrows at once has done so
            await lab.until(all_at_work, within=SOON)
    await call


async def shut_down(lab: Lab) -> None:
    """Shut the app down; a pool that waits for connections which will not come back is not waited for."""
    stopping = asyncio.get_running_loop().create_task(lab.stop())
    while not (await asyncio.wait((stopping,), timeout=0.2))[0]:
        lab.advance(10)
    stopping.result()
