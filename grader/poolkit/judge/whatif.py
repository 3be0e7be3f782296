"""Runs an app at another pool size, under another load, and measures what comes of it, from outside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from poolkit.course import Exercise
from poolkit.events import Queue
from poolkit.judge.checks import NeverRan
from poolkit.judge.fixture import MAX_POOL, Lab
from poolkit.judge.host import Host
from poolkit.judge.runner import prepare
from poolkit.judge.submission import Submission
from poolkit.judge.tracer import Recording, calls_of, play
from poolkit.report import AppError

STALL = 3.0
"""Seconds without anything happening after which no answer is waited for any more."""
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What one run showed; times in seconds, on the judge's clock.

    `forced` is the size that every pool had, or None where each had its own; `pools` are the `max_size` of those that
    were opened. `failed` counts answers of 500 and above, `unanswered` requests that had none when nothing moved any
    more. `waits` are how long each task waited that the pool says was queued for a connection, `stuck` how many still
    were at the end; `answers` are how long each answered request took, `duration` is from the first request to the last
    answer. `note` says why the run ended before its requests were sent.
    """

    forced: int | None
    pools: tuple[int, ...]
    requests: int
    failed: int
    unanswered: int
    most_borrowed: int
    waits: tuple[float, ...]
    stuck: int
    answers: tuple[float, ...]
    duration: float
    note: str = ""

    @property
    def per_second(self) -> float:
        """Requests answered in a second, those that failed included."""
        return len(self.answers) / self.duration if self.duration else 0.0

    @property
    def longest_wait(self) -> float:
        """The longest wait for a connection that had an end; 0 where there was none."""
        return max(self.waits, default=0.0)

    @property
    def waited(self) -> int:
        """How many tasks had to wait for a connection."""
        return len(self.waits) + self.stuck

    @property
    def median_answer(self) -> float:
        """How long the request in the middle took."""
        return median(self.answers) if self.answers else 0.0

    @property
    def slowest_answer(self) -> float:
        """How long the slowest request took."""
        return max(self.answers, default=0.0)


def measure(
    host: Host, exercise: Exercise, submission: Submission, sizes: Sequence[int | None], requests: int, delay: float
) -> list[Load] | AppError:
    """Run an app once for each size, each time in a fresh lab, and send it the exercise's requests, all at once.

    Args:
        sizes: `min_size` and `max_size` of every pool that the app opens; None for its own.
        requests: how many; the exercise's are sent in turn.
        delay: how many seconds longer the database takes for each statement.

    Raises:
        GraderFault: the exercise or the host is broken.
    """
    calls = calls_of(exercise)
    plan, refused = prepare(host, exercise, submission)
    if refused is not None:
        return refused
    found = []
    for size in sizes:
        pools: list[int] = []

        async def script(lab: Lab, size: int | None = size, pools: list[int] = pools) -> None:
            await lab.start(pool_size=size)
            pools += _pools(lab)
            if delay:
                lab.faults.delay_statement("", delay, times=1_000_000)
            await _settled(lab, [lab.send(*call, body=body) for *call, body in _in_turn(calls, requests)])

        try:
            found.append(_load(size, pools, requests, play(host, plan, script, patience=_PATIENCE)))
        except NeverRan as failure:
            return failure.error
    return found


def _in_turn(calls: Sequence[tuple[str, str, object]], requests: int) -> list[tuple[str, str, object]]:
    return [calls[number % len(calls)] for number in range(requests)]


def _pools(lab: Lab) -> list[int]:
    sizes = [claim.get("max_size") for claim in lab.process.claims if claim["event"] == "pool"]
    return [size for size in sizes if isinstance(size, int) and 0 < size <= MAX_POOL]


async def _settled(lab: Lab, sent: Sequence[asyncio.Task[object]]) -> None:
    """Wait for answers as long as anything happens."""
    waiting = set(sent)
    while waiting:
        before = lab.ledger.last
        _, waiting = await asyncio.wait(waiting, timeout=STALL)
        if lab.ledger.last is before:
            return


def _load(size: int | None, pools: Sequence[int], requests: int, recording: Recording) -> Load:
    begins = {event.request: event.at for event in recording.events if event.kind == "request"}
    ends = [event for event in recording.events if event.kind == "response" and event.status is not None]
    first, last = min(begins.values(), default=0.0), max((event.at for event in ends), default=0.0)
    waits, stuck = _waits(recording.queue)
    during = [event for event in recording.events if begins and event.at >= first]
    return Load(
        forced=size,
        pools=tuple(pools),
        requests=requests,
        failed=sum(1 for event in ends if event.status is not None and event.status >= 500),
        unanswered=requests - len(ends),
        most_borrowed=max((event.state.borrowed for event in during), default=0),
        waits=waits,
        stuck=stuck,
        answers=tuple(event.at - begins[event.request] for event in ends),
        duration=max(last - first, 0.0),
        note=recording.note,
    )


def _waits(queue: Sequence[Queue]) -> tuple[tuple[float, ...], int]:
    """Return how long each task was queued, if who came first was served first, and how many still are."""
    begun: deque[float] = deque()
    found = []
    before = 0
    for change in queue:
        begun.extend([change.at] * (change.tasks - before))
        found += [change.at - begun.popleft() for _ in range(min(before - change.tasks, len(begun)))]
        before = change.tasks
    return tuple(found), len(begun)
