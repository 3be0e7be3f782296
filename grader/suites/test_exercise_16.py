"""Exercise 16: sizing and metrics.

What is judged are `lab`'s workers, each with the environment of a plan made up for the check. They share one database,
and so one ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shop import Item, add_item, expect_emptied, expect_item, first, settled, told

from poolkit.events import Event
from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

RESERVED = 1
"""The connections that are kept back for the operator."""

BOUND, LATE = 1.0, 1.5
"""Seconds within which /health has to answer, and after which it is too late: more, as the app's clock runs on while
this one is read."""

PATIENT = 20.0
"""Seconds that a visitor still waits for a connection; the pool's own patience is 30 s."""

STUCK = 0.6
"""Seconds after which something that the app can do at once is taken not to come."""

HOURS = "/opening-hours"
NAMES = ("total", "free", "borrowed", "waiting")

Call = asyncio.Task[Answer]


@dataclass(frozen=True)
class Plan:
    """How many workers there are, and how many connections the database takes of all of them."""

    workers: int
    limit: int

    @property
    def share(self) -> int:
        """The connections of one worker."""
        return (self.limit - RESERVED) // self.workers

    def __str__(self) -> str:
        return f"WEB_CONCURRENCY={self.workers} and DATABASE_MAX_CONNECTIONS={self.limit}"


@check(
    "A worker starts with the numbers of its environment, and shows an item",
    lesson="who-divides-the-connections",
    quiz="sizing.environment",
)
async def test_a_worker_starts(lab: Lab) -> None:
    plan = Plan(1, lab.random.randrange(4, 8))
    worker = await _started(lab, plan)
    item = await add_item(lab)
    expect_item(worker, await worker.get(item.path), item)
    hours = await worker.get(HOURS)
    expect(
        hours.status == 200,
        expected=f"GET {HOURS} answers 200, as before.",
        happened=f"It answered {hours.status}.",
        error=worker.request_error(hours.request),
    )
    missing = await worker.get(f"/items/{lab.random.randrange(10_000_000, 100_000_000)}")
    expect(
        missing.status == 404,
        expected="An item that does not exist is answered 404, as before.",
        happened=f"It was answered {missing.status}.",
        error=worker.request_error(missing.request),
    )
    expect(
        await lab.try_start(),
        expected="Where the two variables are not set, the app starts too, as for 1 worker and 10 connections.",
        happened="It did not start" + _because(lab),
        misconception="needs-the-variables",
        error=lab.startup_error,
    )


# --- sizes ---


@check(
    "All workers together stay below the database's limit, with one connection left for the operator",
    points=3,
    needs=["a-worker-starts"],
    lesson="who-divides-the-connections",
    quiz="sizing.share",
)
async def test_fits_the_limit(lab: Lab) -> None:
    # A multiple of the workers: there, both to round up and to forget the operator take one too many. What is left over
    # is half a connection or more for each, and a half beside an odd number, as Python rounds a half to the even one.
    plan = lab.random.choice((Plan(2, 4), Plan(2, 8), Plan(3, 6), Plan(3, 9)))
    lab.faults.max_connections = plan.limit
    item = await add_item(lab)
    started: list[Lab] = []
    at_startup: list[int] = []
    async with lab.gate("where id"):
        for number in range(1, plan.workers + 1):
            worker = await _imported(lab, plan)
            opened = len(lab.ledger.of("open"))
            ready = await worker.try_start()
            at_startup.append(len(lab.ledger.of("open")) - opened)
            await _expect_room(lab, plan, f"when worker {number} of {plan.workers} had started", at_startup)
            expect(
                ready,
                expected=f"With {plan}, {plan.workers} workers start.",
                happened=f"Worker {number} did not start" + _because(worker),
                error=worker.startup_error,
            )
            started.append(worker)
        for number, worker in enumerate(started, 1):
            mark = len(lab.ledger)
            for _ in range(plan.share + 2):
                worker.send("GET", item.path)
            await _settled_down(lab, worker, mark, item, plan.share + 2)
            await _expect_room(lab, plan, f"with more visitors than connections at worker {number}", at_startup)
    # A connection that was being opened shows in the ledger when its worker has stopped, at the latest.
    for worker in started:
        await lab.until(lambda ledger: not _in_flight(ledger), within=STUCK)
        await worker.stop()
    await _expect_room(lab, plan, f"with more visitors than connections at {plan.workers} workers", at_startup)


@check(
    "A worker lends its whole share, however the numbers are",
    points=2,
    needs=["fits-the-limit"],
    lesson="who-divides-the-connections",
    quiz="sizing.share",
)
async def test_uses_its_share(lab: Lab) -> None:
    item = await add_item(lab)
    for plan in (
        Plan(1, lab.random.choice((6, 7, 8, 9))),
        Plan(2, lab.random.choice((13, 15, 17))),
        Plan(4, 5),
    ):
        worker = await _started(lab, plan)
        async with lab.gate("where id"):
            mark = len(lab.ledger)
            calls = [worker.send("GET", item.path) for _ in range(plan.share)]
            served = await _count_served(lab, worker, mark, item, plan.share)
            expect(
                served >= plan.share,
                expected=(
                    f"With {plan}, a worker's share is ({plan.limit} - {RESERVED}) / {plan.workers}, rounded down: it "
                    f"serves {count(plan.share, 'visitor')} at the same time."
                ),
                happened=f"{served} of {count(plan.share, 'visitor')} had a connection, and the rest waited.",
                misconception=None if served >= plan.share else await _why_too_few(lab, served),
            )
        for call in calls:
            expect_item(worker, await call, item)
        await worker.stop()


@check(
    "When there is not one connection for each worker, the app refuses to start",
    points=2,
    needs=["a-worker-starts"],
    lesson="who-divides-the-connections",
    quiz="sizing.share",
)
async def test_refuses_to_start(lab: Lab) -> None:
    workers = lab.random.choice((3, 4))  # more than half a connection for each, for those who do not round down
    for plan in (Plan(workers, workers), Plan(workers + 5, lab.random.choice((3, 4)))):
        try:
            worker = await lab.worker(**_environment(plan))
        except CheckFailed:  # it cannot even be imported
            ready = False
        else:
            ready = await worker.try_start()
        state = lab.pool
        expect(
            not ready,
            expected=(
                f"With {plan}, one connection is the operator's, and {plan.limit - RESERVED} are too few for "
                f"{plan.workers} workers, so none of them starts."
            ),
            happened=(
                f"A worker started and opened {count(state.total, 'connection')}; {plan.workers} workers would open "
                f"{plan.workers * state.total}."
            ),
            misconception="one-at-least",
            at=first(lab.ledger.of("ready")),
        )
        expect(
            state.total == 0,
            expected="An app that refuses to start leaves no connection open.",
            happened=f"It left {count(state.total, 'connection')} open.",
            misconception="one-at-least",
            at=first(lab.ledger.of("open")),
        )


# --- /stats ---


@check(
    "/stats tells the worker's own pool at rest",
    needs=["a-worker-starts"],
    lesson="what-do-the-four-numbers-say",
    quiz="sizing.stats",
)
async def test_stats_at_rest(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    expect(
        lab.pool.total > 0 and lab.pool.borrowed == 0,
        expected="After startup the pool has connections, and nobody has borrowed one.",
        happened=f"{count(lab.pool.total, 'connection')} open, {lab.pool.borrowed} of them borrowed.",
        at=first(lab.held()),
    )
    mark = len(lab.ledger)
    numbers, answer = await _stats(worker)
    state = lab.pool
    borrows = lab.ledger.of("borrow", since=mark)
    right = (state.total, state.free, 0, 0)
    misconception = None
    if borrows:
        misconception = "stats-borrows"
    elif numbers[0] > plan.share:
        misconception = "whole-app-numbers"
    elif numbers[2] > 0:
        misconception = "requests-are-not-connections"
    elif numbers[0] == plan.share > state.total:
        misconception = "counts-the-unopened"
    expect(
        numbers == right,
        expected="After startup, /stats tells the connections that are open, and that all of them are free.",
        happened=f"It told {_shown(numbers)} where {_shown(right)} was right.",
        misconception=misconception,
        at=first(borrows) or _response(lab, answer),
    )


@check(
    "/stats borrows no connection, and answers at once when all are lent",
    points=2,
    needs=["uses-its-share", "stats-at-rest"],
    lesson="what-may-a-look-at-the-pool-cost",
    quiz="sizing.stats",
)
async def test_stats_borrow_nothing(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    mark = len(lab.ledger)
    for _ in range(3):
        await _stats(worker)
    _expect_untouched(lab, mark, "Three requests to /stats")
    async with _lent(lab, worker, item, plan.share):
        mark = len(lab.ledger)
        call = worker.send("GET", "/stats")
        await asyncio.wait((call,), timeout=STUCK)
        if not call.done():
            await _turn(worker)
            await asyncio.wait((call,), timeout=STUCK)
        answered = lab.ledger.of("response", since=mark)
        expect(
            any(event.detail != "hung up" for event in answered) and call.done(),
            expected="/stats needs no connection, so it answers at once when all are lent.",
            happened=f"With {plan.share} of {plan.share} connections lent, it had no answer after {STUCK:g} s.",
            misconception="stats-borrows",
            at=first(lab.ledger.of("request", since=mark)),
        )
        _expect_untouched(lab, mark, "With all connections lent, a request to /stats")


@check(
    "/stats tells at each moment how many connections are free and borrowed",
    points=3,
    needs=["stats-borrow-nothing"],
    lesson="what-do-the-four-numbers-say",
    quiz="sizing.signs",
)
async def test_stats_while_lent(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    moments: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    async with _lent(lab, worker, item, 0) as visitors:
        for step in (1, lab.random.randrange(1, plan.share - 1), plan.share):
            while visitors.number < step:
                await visitors.come()
            moments.append(await _moment(lab, worker, f"with {count(visitors.number, 'visitor')} being served"))
        await _expect_moments(lab, worker, moments)
    await visitors.leave(item)
    moments.append(await _moment(lab, worker, "when all visitors had left"))
    await _expect_moments(lab, worker, moments)


@check(
    "/stats tells how many visitors wait for a connection",
    points=2,
    needs=["stats-while-lent"],
    lesson="what-do-the-four-numbers-say",
    quiz="sizing.signs",
)
async def test_stats_count_who_waits(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    async with _lent(lab, worker, item, plan.share) as visitors:
        waiting = 0
        for _ in range(2):
            more = lab.random.randrange(2, 5)
            await visitors.queue(more)
            waiting += more
            numbers, answer = await _stats(worker)
            right = (plan.share, 0, plan.share, waiting)
            expect(
                numbers == right,
                expected=(
                    f"With {plan.share} visitors being served and {waiting} more waiting, /stats tells {_shown(right)}."
                ),
                happened=f"It told {_shown(numbers)}.",
                misconception=_why_wrong_queue(numbers),
                at=_response(lab, answer),
            )
    await visitors.leave(item)
    numbers, answer = await _stats(worker)
    right = (lab.pool.total, lab.pool.free, 0, 0)
    expect(
        numbers == right,
        expected=f"When everybody was served, nobody waits: /stats tells {_shown(right)}.",
        happened=f"{count(waiting, 'visitor')} had waited and had left. /stats told {_shown(numbers)}.",
        misconception="waits-never-end" if numbers[3] else None,
        at=_response(lab, answer),
    )


@check(
    "/stats is still right after errors, after visitors who gave up, and after a connection broke",
    points=3,
    needs=["stats-while-lent", "stats-count-who-waits"],
    lesson="who-keeps-the-counts",
    quiz="sizing.signs",
)
async def test_stats_after_errors(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    for _ in range(2):
        await worker.get(f"/items/{lab.random.randrange(10_000_000, 100_000_000)}")
        lab.faults.fail_statement("where id", "no such column: colour")
        await worker.get(item.path)
    await lab.until(lambda ledger: not ledger.state.borrowed, within=2.0)
    await _expect_still_right(lab, worker, "After two pages that do not exist and two SQL errors", 0)
    async with _lent(lab, worker, item, plan.share) as visitors:
        gone, mark = lab.random.randrange(2, 4), len(lab.ledger)
        await visitors.queue(gone)
        for _ in range(2):
            worker.advance(40)
            await visitors.until_answered(gone)
            if visitors.answered() >= gone:
                break
        asked = {event.request for event in lab.ledger.of("request", since=mark) if event.detail.endswith(item.path)}
        answers = [event for event in lab.ledger.of("response", since=mark) if event.request in asked]
        other = first([event for event in answers if event.status != 503])
        expect(
            other is None,
            expected="A visitor who waits for a connection in vain gets 503, as in the file that you were given.",
            happened=f"One was answered {other.status}." if other else "",
            misconception="changes-what-was-given",
            at=other,
        )
        await _expect_still_right(
            lab, worker, f"After {gone} visitors who waited in vain, with {plan.share} being served,", 0
        )
        cut = lab.random.choice(visitors.connections())
        lab.faults.kill(cut)
        await visitors.until_answered(gone + 1)
    await visitors.leave(None)
    # The pool throws the broken one away when it comes back.
    await lab.until(lambda ledger: bool(ledger.of("lost", "close", connection=cut)))
    await _turn(worker)
    await _expect_still_right(lab, worker, f"After the database cut connection {cut} in the middle of a query", 0)


# --- /health ---


@check(
    "On a quiet day /health answers 200, opens nothing and keeps nothing",
    points=2,
    needs=["a-worker-starts"],
    lesson="what-may-a-look-at-the-pool-cost",
    quiz="sizing.quiet",
)
async def test_healthy_at_rest(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    size = lab.pool.total
    for _ in range(plan.share + 1):
        mark = len(lab.ledger)
        answer = await _health(worker, mark)
        expect(
            answer is not None and answer.status == 200,
            expected="With connections free, /health answers 200.",
            happened=_what_health_said(worker, answer),
            misconception="calls-busy-sick" if answer and answer.status == 503 else None,
            error=worker.request_error(answer.request) if answer else None,
        )
        _expect_no_own_connection(lab, mark, "With connections free")
        state = await settled(lab, size)
        expect(
            state.free == size,
            expected="When /health has answered, the connection that it may have asked with is free again.",
            happened=f"Afterwards {state.free} of {size} connections were free.",
            misconception="probe-keeps-a-connection",
            at=first(lab.held()),
        )


@check(
    "When a query of its own fails or takes long, /health keeps no connection",
    needs=["healthy-at-rest"],
    lesson="what-may-a-look-at-the-pool-cost",
    quiz="sizing.quiet",
)
async def test_probe_in_trouble(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    size = lab.pool.total
    # Who asks with the pool's counts sends no statement: nothing of it is held up, and nothing fails.
    async with lab.gate("select"):
        mark = len(lab.ledger)
        await _health(worker, mark)
    await _expect_nothing_kept(lab, size, "its query took long", first(lab.ledger.of("statement", since=mark)))
    answer = await _health(worker, len(lab.ledger))
    expect(
        answer is not None and answer.status == 200,
        expected="When the slow query is over, /health answers 200 again.",
        happened=_what_health_said(worker, answer),
        misconception="stays-sick" if answer and answer.status == 503 else None,
        at=_response(lab, answer) if answer else None,
        error=worker.request_error(answer.request) if answer else None,
    )
    lab.faults.fail_statement("select", "disk I/O error", times=1_000)
    mark = len(lab.ledger)
    for _ in range(plan.share + 1):
        await _health(worker, len(lab.ledger))
    await _expect_nothing_kept(lab, size, "its query failed", first(lab.ledger.of("error", since=mark)))


@check(
    "/health answers 200 as long as one more visitor can be served",
    points=2,
    needs=["uses-its-share", "healthy-at-rest"],
    lesson="when-is-a-worker-healthy",
    quiz="sizing.quiet",
)
async def test_healthy_with_one_left(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    async with _lent(lab, worker, item, 0) as visitors:
        while visitors.number < plan.share - 1:
            await visitors.come()
            mark = len(lab.ledger)
            answer = await _health(worker, mark)
            expect(
                answer is not None and answer.status == 200,
                expected=(
                    f"With {visitors.number} of {plan.share} connections lent there is one for the next visitor, so "
                    "/health answers 200."
                ),
                happened=_what_health_said(worker, answer),
                misconception="calls-busy-sick" if answer and answer.status == 503 else None,
                at=_response(lab, answer) if answer else None,
                error=worker.request_error(answer.request) if answer else None,
            )
            total = lab.pool.total
            expect(
                total <= plan.share and not [e for e in lab.ledger.of("open", since=mark) if not e.pooled],
                expected="/health opens no connection beside the pool.",
                happened=f"It opened one: {total} were open, and the worker's share is {plan.share}.",
                misconception="own-connection",
                at=first(lab.ledger.of("open", since=mark)),
            )


@check(
    "When every connection is lent, /health answers 503 within a second",
    points=3,
    needs=["uses-its-share", "healthy-at-rest"],
    lesson="when-is-a-worker-healthy",
    quiz="sizing.patient",
)
async def test_unhealthy_when_exhausted(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    async with _lent(lab, worker, item, plan.share) as visitors:
        for waiting in (0, 2):
            await visitors.queue(waiting)
            mark = len(lab.ledger)
            answer = await _health(worker, mark)
            _expect_no_own_connection(lab, mark, f"With {plan.share} of {plan.share} connections lent")
            expected = (
                f"With {plan.share} of {plan.share} connections lent and {count(waiting, 'visitor')} waiting, /health "
                f"answers 503 within {BOUND:g} s."
            )
            expect(
                answer is not None,
                expected=expected,
                happened=f"After {LATE:g} s it had no answer.",
                misconception="waits-for-the-pool",
                at=first(lab.ledger.of("request", since=mark)),
            )
            assert answer is not None
            misconception = None
            if answer.status < 400:
                misconception = "always-well"
            elif answer.status == 500:
                misconception = "probe-breaks"
            expect(
                answer.status == 503,
                expected=expected,
                happened=_what_health_said(worker, answer),
                misconception=misconception,
                at=_response(lab, answer),
                error=worker.request_error(answer.request),
            )


@check(
    "After the rush /health answers 200 again, and its probes have left nothing behind",
    points=2,
    needs=["unhealthy-when-exhausted"],
    lesson="when-is-a-worker-healthy",
    quiz="sizing.patient",
)
async def test_health_recovers(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    size = lab.pool.total
    async with _lent(lab, worker, item, plan.share) as visitors:
        size = max(size, lab.pool.total)
        for _ in range(3):
            await _health(worker, len(lab.ledger))
    await visitors.leave(item)
    for _ in range(2):
        state = await settled(lab, size)
        out = lab.held()
        expect(
            state.free == size,
            expected="When the rush is over, every connection is free again.",
            happened=(
                f"After 3 requests to /health with all connections lent, {state.free} of {size} were free in the end."
            ),
            misconception="probe-keeps-a-connection" if out else None,
            at=first(out),
        )
        answer = await _health(worker, len(lab.ledger))
        if answer is None or answer.status != 200:
            worker.advance(3600)
            later = await _health(worker, len(lab.ledger))
            expect(
                False,
                expected=f"With {state.free} of {size} connections free again, /health answers 200.",
                happened=_what_health_said(worker, answer)
                + (f" An hour later it answered {later.status}." if later else ""),
                misconception="stays-sick" if answer and answer.status == 503 else None,
                at=_response(lab, answer) if answer else None,
                error=worker.request_error(answer.request) if answer else None,
            )
    expect_item(worker, await worker.get(item.path), item)


@check(
    "Visitors wait for a connection as long as before",
    needs=["uses-its-share"],
    lesson="when-is-a-worker-healthy",
    quiz="sizing.patient",
)
async def test_visitors_wait_on(lab: Lab) -> None:
    plan = _plan(lab)
    worker = await _started(lab, plan)
    item = await add_item(lab)
    async with _lent(lab, worker, item, plan.share) as visitors:
        await visitors.queue(1)
        for _ in range(int(PATIENT)):
            worker.advance(1.0)
            await lab.until(lambda _: visitors.answered() > 0, within=0.01)
        await _turn(worker)
        expect(
            visitors.answered() == 0,
            expected=f"The pool's patience stays half a minute, so after {PATIENT:g} s a visitor still waits.",
            happened=f"The visitor who waited for a connection was answered within {PATIENT:g} s, without one.",
            misconception="impatient-visitors",
            at=first(lab.ledger.of("response")[-1:]),
        )
    await visitors.leave(item)


@check(
    "The shutdown empties the pool, as it did before",
    needs=["fits-the-limit"],
    lesson="who-divides-the-connections",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    worker = await _started(lab, _plan(lab))
    await expect_emptied(worker)


# --- workers ---


def _plan(lab: Lab) -> Plan:
    """A plan with a share of 3 to 5, and a rest that belongs to nobody."""
    workers, share = lab.random.randrange(2, 5), lab.random.randrange(3, 6)
    return Plan(workers, workers * share + RESERVED + lab.random.randrange(workers))


def _environment(plan: Plan) -> dict[str, str]:
    return {"WEB_CONCURRENCY": str(plan.workers), "DATABASE_MAX_CONNECTIONS": str(plan.limit)}


async def _imported(lab: Lab, plan: Plan) -> Lab:
    """A worker of the plan, not started."""
    try:
        return await lab.worker(**_environment(plan))
    except CheckFailed as failure:
        error = failure.error
        raise CheckFailed(
            f"With {plan}, the app can be imported.",
            f"The import raised {error}; without these two variables it did not.",
            misconception="text-is-no-number" if error and error.type == "TypeError" else None,
            error=error,
        ) from None


async def _started(lab: Lab, plan: Plan) -> Lab:
    worker = await _imported(lab, plan)
    expect(
        await worker.try_start(),
        expected=f"With {plan}, a worker starts: its share is {count(plan.share, 'connection')}.",
        happened="It did not start" + _because(worker),
        misconception=_why_no_start(worker),
        error=worker.startup_error,
    )
    return worker


def _because(worker: Lab) -> str:
    return f": the startup raised {worker.startup_error}." if worker.startup_error else "."


def _why_no_start(worker: Lab) -> str | None:
    error = worker.startup_error
    return "text-is-no-number" if error and error.type == "TypeError" else None


async def _expect_room(lab: Lab, plan: Plan, when: str, at_startup: Sequence[int]) -> None:
    """Fail the check when the workers have opened, or tried to open, more than they may."""
    allowed = plan.limit - RESERVED
    opened, refused = lab.ledger.of("open"), lab.ledger.of("refused")
    stop = min((event.seq for event in lab.ledger.of("shutdown")), default=len(lab.ledger) + 1)
    closed = [event for event in lab.ledger.of("close", "lost") if event.seq < stop]
    # Also one that was still being opened when the first worker stopped.
    most = max([len(opened) - len(closed), *(event.state.total for event in opened)])
    if most <= allowed and not refused:
        return
    grew = len(opened) > sum(at_startup)
    expect(
        False,
        expected=(
            f"With {plan}, all {plan.workers} workers together open at most {allowed} connections: one is left for "
            "the operator."
        ),
        happened=(
            f"{most} were open {when}"
            + (f", and the database refused {len(refused)} more." if refused else ".")
            + f" At their start the workers opened {', '.join(str(n) for n in at_startup)}."
        ),
        misconception="grows-past-its-share" if grew else await _why_too_many(lab),
        at=first(refused) or first(opened[allowed:]),
    )


PROBE = Plan(5, 49)
"""A plan whose share is 9.6 before it is rounded down: rounded up, or to the nearest, it is 10; without the operator it
is 9 too; all of it is 49."""


async def _size_of_probe(lab: Lab) -> int:
    """How many connections a worker of another plan opens at its start; 0 when it does not start."""
    lab.faults.max_connections = None
    try:
        worker = await lab.worker(**_environment(PROBE))
    except CheckFailed:  # it cannot even be imported
        return 0
    before = len(lab.ledger.of("open"))
    await worker.try_start()
    return len(lab.ledger.of("open")) - before


async def _why_too_many(lab: Lab) -> str:
    size = await _size_of_probe(lab)
    if size in (PROBE.limit, PROBE.limit - RESERVED):
        return "everybody-takes-all"
    return {PROBE.share: "no-room-for-the-operator", PROBE.share + 1: "rounds-up"}.get(size, "static-size")


async def _why_too_few(lab: Lab, served: int) -> str:
    return "static-size" if await _size_of_probe(lab) == served else "keeps-back-too-much"


# --- visitors ---


class _Visitors:
    """Visitors of one worker who are held at the database, or wait for a connection."""

    def __init__(self, lab: Lab, worker: Lab, item: Item) -> None:
        self.number = 0
        """How many were sent who have a connection."""
        self._lab = lab
        self._worker = worker
        self._item = item
        self._mark = len(lab.ledger)
        self._calls: list[Call] = []
        self._waiting = 0

    async def come(self) -> None:
        """Send one who gets a connection."""
        self._calls.append(self._worker.send("GET", self._item.path))
        self.number += 1
        have = await self._worker.until(
            lambda ledger: len(_served(ledger, self._mark, self._item)) >= self.number or self.answered() > 0
        )
        served = len(_served(self._lab.ledger, self._mark, self._item))
        expect(
            have and served >= self.number and not self.answered(),
            expected=f"{count(self.number, 'visitor')} of a worker with so large a share are served at the same time.",
            happened=f"{served} of them had a connection.",
            misconception="keeps-back-too-much",
        )

    async def queue(self, number: int) -> None:
        """Send some for whom no connection is left; return when they have arrived."""
        self._calls += [self._worker.send("GET", self._item.path) for _ in range(number)]
        self._waiting += number
        await self._worker.until(lambda ledger: ledger.state.waiting >= self._waiting, within=STUCK / 2)
        await _turn(self._worker)

    def answered(self) -> int:
        """How many have their answer."""
        return sum(call.done() for call in self._calls)

    async def until_answered(self, number: int) -> None:
        """Wait until so many have their answer, and a moment at most."""
        await self._worker.until(lambda _: len(self._ended()) >= number, within=STUCK)
        # The call itself ends a turn of the loop after the ledger's last row of it.
        await asyncio.sleep(0)
        await _turn(self._worker)

    def _ended(self) -> set[int | None]:
        ledger = self._lab.ledger
        asked = ledger.of("request", since=self._mark)
        done = {event.request for event in ledger.of("done", since=self._mark)}
        return done & {event.request for event in asked if event.detail.endswith(self._item.path)}

    def connections(self) -> list[int]:
        """The connections that they have."""
        return sorted(_served(self._lab.ledger, self._mark, self._item))

    async def leave(self, item: Item | None) -> None:
        """Wait until all have been answered, with the item where one is given."""
        for call in self._calls:
            answer = await call
            if item is not None:
                expect_item(self._worker, answer, item)
        await self._worker.until(lambda ledger: not ledger.state.borrowed, within=STUCK / 2)


@asynccontextmanager
async def _lent(lab: Lab, worker: Lab, item: Item, number: int) -> AsyncIterator[_Visitors]:
    """Hold visitors at the database, each with a connection; they are let go when the block ends."""
    async with lab.gate("where id"):
        visitors = _Visitors(lab, worker, item)
        while visitors.number < number:
            await visitors.come()
        yield visitors


def _served(ledger: Ledger, mark: int, item: Item) -> set[int]:
    """The connections of the pool over which somebody has asked for the item since `mark`."""
    asked = ledger.of("statement", since=mark)
    return {event.connection for event in asked if event.pooled and item.id in event.params and event.connection}


async def _settled_down(lab: Lab, worker: Lab, mark: int, item: Item, visitors: int) -> None:
    """Wait until each of the visitors since `mark` is served or waits, and nothing more is to be expected."""

    def over(ledger: Ledger) -> bool:
        served = len(_served(ledger, mark, item))
        return served >= visitors or bool(ledger.of("response", "refused", since=mark))

    def arrived(ledger: Ledger) -> bool:
        return over(ledger) or len(_served(ledger, mark, item)) + ledger.state.waiting >= visitors

    await worker.until(arrived, within=STUCK)
    for _ in range(3):
        # The pool may be opening one for a visitor who waits.
        if await worker.until(over, within=0.02):
            break
        await _turn(worker)


async def _count_served(lab: Lab, worker: Lab, mark: int, item: Item, visitors: int) -> int:
    """Return how many of the visitors since `mark` have a connection, when all have one or the pool is at its end."""
    # A pool that may still grow is waited for; that it may is its own claim, and earns nothing but time.
    soon = max(1, min(visitors, _claimed_size(worker)))
    await worker.until(lambda ledger: len(_served(ledger, mark, item)) >= soon)
    if soon < visitors:
        await worker.until(lambda ledger: len(_served(ledger, mark, item)) > soon, within=STUCK / 2)
    return len(_served(lab.ledger, mark, item))


def _claimed_size(worker: Lab) -> int:
    """The `max_size` of the pool that the worker opened, as it says itself."""
    sizes = [claim.get("max_size") for claim in worker.process.claims if claim["event"] == "pool"]
    return max((size for size in sizes if isinstance(size, int)), default=0)


def _in_flight(ledger: Ledger) -> bool:
    """Whether the app is still at work on a request."""
    return len(ledger.of("done")) < len(ledger.of("request"))


async def _turn(worker: Lab) -> None:
    """Let the app do what it can do at once: two requests come and go that need no database."""
    for _ in range(2):
        call = worker.send("GET", HOURS)
        await asyncio.wait((call,), timeout=STUCK)


# --- asking /stats ---


async def _stats(worker: Lab) -> tuple[tuple[int, ...], Answer]:
    """Ask /stats; return its four numbers, in the order of `NAMES`."""
    mark = len(worker.ledger)
    call = worker.send("GET", "/stats")
    await asyncio.wait((call,), timeout=STUCK)
    if not call.done():
        await _turn(worker)
        await asyncio.wait((call,), timeout=STUCK)
    expect(
        call.done(),
        expected="/stats answers at once.",
        happened=f"It had no answer after {STUCK:g} s.",
        misconception="stats-borrows",
        at=first(worker.ledger.of("request", since=mark)),
    )
    answer = await call
    error = worker.request_error(answer.request)
    expect(
        answer.status == 200,
        expected="/stats answers 200.",
        happened=f"It answered {answer.status}" + (f": the app raised {error}." if error else "."),
        error=error,
    )
    body = answer.json()
    found = [body.get(name) for name in NAMES] if isinstance(body, dict) else []
    numbers = tuple(number for value in found if (number := _whole(value)) is not None)
    expect(
        len(numbers) == len(NAMES),
        expected="/stats answers a JSON object with a whole number under each of total, free, borrowed and waiting.",
        happened=f"It answered {told(answer)}".rstrip(",") + ".",
        at=_response(worker, answer),
    )
    return numbers, answer


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if abs(value) < 1_000_000 and value == int(value) else None


def _shown(numbers: Sequence[int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in zip(NAMES, numbers, strict=True))


Moment = tuple[str, tuple[int, ...], tuple[int, ...]]


async def _moment(lab: Lab, worker: Lab, when: str) -> Moment:
    """Ask /stats; return when that was, what it told, and what was so."""
    numbers, _ = await _stats(worker)
    return when, numbers, (lab.pool.total, lab.pool.free, lab.pool.borrowed, 0)


async def _expect_moments(lab: Lab, worker: Lab, moments: Sequence[Moment]) -> None:
    for when, numbers, right in moments:
        if numbers == right:
            continue
        misconception = None
        if len({numbers for _, numbers, _ in moments}) == 1:
            worker.advance(120)
            await _turn(worker)
            later = await _moment(lab, worker, "later")
            misconception = "stale-sample" if later[1] == later[2] else "static-numbers"
        elif numbers[2] > right[2]:
            misconception = "requests-are-not-connections"
        expect(
            False,
            expected=f"{when[0].upper()}{when[1:]}, /stats tells {_shown(right)}.",
            happened=f"It told {_shown(numbers)}.",
            misconception=misconception,
            at=first(lab.ledger.of("response")[-1:]),
        )


def _why_wrong_queue(numbers: Sequence[int]) -> str | None:
    if numbers[2] > numbers[0]:
        return "requests-are-not-connections"
    return None if numbers[3] else "nobody-waits"


async def _expect_still_right(lab: Lab, worker: Lab, when: str, waiting: int) -> None:
    numbers, answer = await _stats(worker)
    right = (lab.pool.total, lab.pool.free, lab.pool.borrowed, waiting)
    misconception = None
    if numbers[2] > right[2] or numbers[3] > right[3]:
        misconception = "counter-drifts"
    elif numbers[0] > right[0]:
        misconception = "counts-from-settings"
    expect(
        numbers == right,
        expected=f"{when} /stats tells {_shown(right)}.",
        happened=f"It told {_shown(numbers)}.",
        misconception=misconception,
        at=_response(lab, answer),
    )


def _expect_untouched(lab: Lab, mark: int, what: str) -> None:
    """Fail the check when anybody has borrowed or opened a connection since `mark`."""
    touched = lab.ledger.of("borrow", "open", since=mark)
    expect(
        not touched,
        expected="/stats asks the pool itself, and borrows and opens no connection.",
        happened=f"{what} borrowed or opened {count(len(touched), 'connection')}.",
        misconception="stats-borrows",
        at=first(touched),
    )


# --- asking /health ---


async def _health(worker: Lab, mark: int) -> Answer | None:
    """Ask /health; return its answer, or None when there was none in time, by the app's clock."""
    call = worker.send("GET", "/health")
    await asyncio.wait((call,), timeout=0.05)
    passed = 0.0
    while passed < LATE and not call.done():
        if passed == 0.0:
            await _turn(worker)
        worker.advance(0.1)
        passed += 0.1
        await asyncio.wait((call,), timeout=0.01)
    for _ in range(2):
        if call.done():
            break
        await asyncio.wait((call,), timeout=0.25)
        await _turn(worker)  # on a busy machine this takes longer, and so does the answer
    return await call if call.done() else None


async def _expect_nothing_kept(lab: Lab, size: int, why: str, at: Event | None) -> None:
    state = await settled(lab, size)
    expect(
        state.free == size,
        expected=f"When /health has answered, its connection is free again, also when {why}.",
        happened=f"Afterwards {state.free} of {size} connections were free.",
        misconception="probe-keeps-a-connection" if lab.held() else None,
        at=first(lab.held()) or at,
    )


def _what_health_said(worker: Lab, answer: Answer | None) -> str:
    if answer is None:
        return f"/health had no answer after {LATE:g} s."
    error = worker.request_error(answer.request)
    said = f"/health answered {answer.status}"
    return said + (f": the app raised {error}." if error else f" with {told(answer)}".rstrip(",") + ".")


def _expect_no_own_connection(lab: Lab, mark: int, when: str) -> None:
    changes = lab.ledger.of("open", "refused", since=mark)
    expect(
        not changes,
        expected="/health opens no connection: it asks with one of the pool's, or with none.",
        happened=f"{when}, it opened {count(len(changes), 'connection')}"
        + (", which the database refused." if changes and changes[0].kind == "refused" else "."),
        misconception="own-connection",
        at=first(changes),
    )


def _response(lab: Lab, answer: Answer) -> Event | None:
    return next((event for event in lab.ledger.of("response") if event.request == answer.request), None)
