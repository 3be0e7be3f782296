"""Records one run of a submission for `poolkit trace`: start, requests one after the other, shutdown."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Sequence

from poolkit.course import Exercise
from poolkit.errors import CourseFault
from poolkit.events import Event
from poolkit.judge.checks import CheckFailed, NeverRan
from poolkit.judge.fixture import Lab
from poolkit.judge.host import Host
from poolkit.judge.plugin import PATIENCE
from poolkit.judge.process import LabPlan, LabProcess
from poolkit.judge.runner import prepare
from poolkit.judge.submission import Submission
from poolkit.report import AppError
from poolkit.trace import Trace, build

_REQUEST = re.compile(r"(?:(GET|POST|PUT|PATCH|DELETE) )?(/\S*)(?: (.+))?")


def record(
    host: Host, exercise: Exercise, submission: Submission, requests: Sequence[str] | None = None
) -> Trace | AppError:
    """Run a submission once and return its trace, or why it never ran.

    Args:
        requests: what to send, each `[METHOD] /path [JSON]`; the exercise's own when not given.

    Raises:
        GraderFault: the exercise or the host is broken.
    """
    calls = [_call(exercise, request) for request in (exercise.about.trace if requests is None else requests)]
    plan, refused = prepare(host, exercise, submission)
    if refused is not None:
        return refused
    host.wait_until_warm()
    try:
        events, note = asyncio.run(_run(host, plan, calls))
    except NeverRan as failure:
        return failure.error
    return build(exercise.id, submission.shown, events, note)


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


async def _run(host: Host, plan: LabPlan, calls: Sequence[tuple[str, str, object]]) -> tuple[tuple[Event, ...], str]:
    host.attach(asyncio.get_running_loop())
    process = LabProcess(host, plan)
    lab = Lab(process, random.Random(0), PATIENCE)
    note = ""
    try:
        await process.launch()
        await lab.imported()
        try:
            await lab.start()
            for method, path, body in calls:
                await lab.request(method, path, body=body)
            await _stop(lab)
        except CheckFailed as failure:
            note = failure.happened
        return lab.ledger.events, note
    finally:
        await lab.close()
        host.detach()


async def _stop(lab: Lab) -> None:
    """Shut the app down; a pool that waits for connections which will not come back is not waited for."""
    stopping = asyncio.get_running_loop().create_task(lab.stop())
    while not (await asyncio.wait((stopping,), timeout=0.2))[0]:
        lab.advance(10)
    stopping.result()
