"""Exercise 14: a lifespan that survives half a startup, and a closing that waits for the jobs, but not for ever."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from shop import database_of, expect_given, first, free_in

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

SHOP, ARCHIVE = "shop.db", "archive.db"

SIZE = 3
"""Connections in each pool where a check counts them."""

EARLY = 6.0
"""Seconds after which every job must still have its chance, of the ten that the README gives it."""

LATE = 9.0
"""Seconds after that, when the jobs must have been given up: fifteen in all, as the README says."""

FIRST_ENDS, SECOND_ENDS = 5.0, 11.0
"""Seconds after which two of three jobs may end: before the ten are over, and before they are over that begin anew
with the first of these ends. Each leaves four seconds for a slow machine."""

PATIENT = 60.0
"""Seconds that the courier is silent while the app runs."""

LONG = 600.0
"""Seconds on the lab's clock: more than a closing that has some bound takes."""

WINDOW = 0.35
"""Seconds of real time in which an app that does not wait for its jobs shows it by closing a connection."""

GIVES_UP = 1.0
"""Seconds of real time in which a closing that has given a job up begins with the pools."""

DECIDES = 2.0
"""Seconds of real time for what has nothing left to wait for. Only a failing check waits for them all."""

SETTLES = 0.3
"""Seconds of real time for closings that a lifespan has set off and not waited for."""

ENDS = 3.0
"""Seconds of real time for the end of a process in which no connection is open."""

_CLOSED = re.compile(rb"pool (is|was) clos")


# --- startup, work, shutdown ---


@check(
    "When the app is ready, both pools are full and the shift has begun",
    lesson="what-does-startup-owe-to-a-failure",
    quiz="pool-shutdown.life",
)
async def test_opens_everything(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    ready = lab.ledger.of("ready")[-1]
    free = {name: free_in(lab, name, ready.seq) for name in (SHOP, ARCHIVE)}
    missing = [name for name, number in free.items() if number < SIZE]
    misconception = None
    if missing:
        mark = len(lab.ledger)
        await _order(lab)
        late = await lab.until(lambda ledger: bool(ledger.of("open", since=mark)), within=0.5)
        misconception = "opened-late" if late else None
    expect(
        not missing,
        expected=f"When the app is ready, each pool holds its connections, all free; in this check {SIZE} each.",
        happened="When it was ready, "
        + " and ".join(f"{count(number, 'connection')} to {name}" for name, number in free.items())
        + " stood open and free.",
        misconception=misconception,
        at=ready,
    )
    shifts = await lab.sql("SELECT ended FROM shifts")
    expect(
        shifts == [(0,)],
        expected="The startup calls `sign_on()` once, so the table `shifts` holds one shift that has not ended.",
        happened=f"It holds {count(len(shifts), 'shift')}, {sum(row != (0,) for row in shifts)} of them ended.",
        at=ready,
    )


@check(
    "An order is answered at once, and its job takes the time that it needs",
    points=2,
    needs=["opens-everything"],
    lesson="concept-flow",
    quiz="exhaustion.bound",
)
async def test_takes_orders(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _courier(lab, "silent")
    mark = len(lab.ledger)
    customer = await _order(lab)
    answer = first(lab.ledger.of("response", since=mark))
    expect(
        answer is not None,
        expected="POST /orders answers as soon as the order is written, also while the courier is silent.",
        happened=f"The order was written, and {DECIDES:g} s later there was no answer.",
        misconception="waits-in-the-route" if lab.ledger.of("statement", since=mark) else None,
        at=first(lab.ledger.of("statement", since=mark)),
    )
    _expect_status(lab, answer, 202)
    lab.advance(PATIENT)
    await lab.until(lambda ledger: bool(ledger.of("close", since=mark)), within=0.2)
    await _courier(lab, "back")
    booked = await _booked(lab, [customer])
    expect(
        bool(booked),
        expected="While the app runs, a job may wait for the courier as long as it takes; then it books the parcel.",
        happened=f"The courier was back after {PATIENT:g} s, and the order never got its parcel.",
        misconception="bound-on-the-work",
    )
    copies = [event for event in lab.ledger.of("statement", since=mark) if _on(lab, event, ARCHIVE)]
    expect(
        any(customer in event.params or customer in event.detail for event in copies),
        expected="The job keeps a copy of the parcel in archive.db.",
        happened="No statement with the customer's name reached archive.db.",
        at=first(copies),
    )
    [order] = await lab.sql("SELECT id, customer, parcel FROM orders WHERE customer = ?", (customer,))
    await expect_given(lab, f"/orders/{order[0]!r}", 200, dict(zip(("id", "customer", "parcel"), order, strict=True)))
    await expect_given(lab, f"/orders/{lab.random.randrange(10_000_000, 100_000_000)}", 404)
    await lab.until(lambda ledger: not ledger.state.borrowed, within=DECIDES)
    expect(
        lab.pool.free == lab.pool.total == 2 * SIZE,
        expected=f"When the job is over, all {2 * SIZE} connections are open and free.",
        happened=f"{lab.pool.total} were open and {lab.pool.free} free.",
        at=first(lab.held()),
    )


@check(
    "With no job under way, the shutdown closes both pools at once",
    points=2,
    needs=["takes-orders"],
    lesson="how-long-is-long-enough",
    quiz="half-failure.drain",
)
async def test_closes_everything(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _do_a_job(lab)
    async with _stopping(lab):
        closed = await _all_closed(lab)
        moment = "When the shutdown was over" if _end(lab) else f"{DECIDES:g} s after the shutdown began"
        happened = f"{moment}, {_told_open(lab)}."
        misconception = None
        if not closed and not lab.ledger.of("stopped"):
            lab.advance(LONG)
            later = await _all_closed(lab, 0.5)
            misconception = "waits-for-nothing" if later else None
            happened += f" {LONG:g} s later on the lab's clock they were closed." if later else ""
        elif not closed:
            misconception = "one-of-two"
        expect(
            closed,
            expected=f"No job is under way, so the shutdown closes all {2 * SIZE} connections without waiting.",
            happened=happened,
            misconception=misconception,
            at=_end(lab),
            error=lab.startup_error,
        )
        await _expect_signed_off(lab)


# --- draining ---


@check(
    "No connection closes before the jobs are done, those included that wait for a connection",
    points=3,
    needs=["closes-everything"],
    lesson="why-is-closing-the-pool-not-enough",
    quiz="half-failure.shutdown",
)
async def test_jobs_finish(lab: Lab) -> None:
    await lab.start(pool_size=2)
    mark = len(lab.ledger)
    async with lab.gate("parcels"):
        customers = [await _order(lab) for _ in range(4)]
        await lab.until(lambda ledger: bool(_copying(ledger.of("statement", since=mark))))
        await lab.until(lambda ledger: len(_copying(ledger.of("statement", since=mark))) == 2, within=0.5)
        expect(
            bool(_copying(lab.ledger.of("statement", since=mark))),
            expected="The jobs begin while the app runs.",
            happened="Four orders were placed, and no job sent a statement to the archive.",
        )
        async with _stopping(lab) as asked:
            early = await _closes_early(lab, asked)
    booked = await _booked_in_the_end(lab, customers)
    failed = early is not None or len(booked) < len(customers)
    misconception = None
    if failed:
        # Whoever loses a pool that it still needs complains of it; who is cancelled says nothing.
        await lab.exits(within=1.0)
        misconception = "closed-before-the-jobs" if _CLOSED.search(lab.process.output) else "cancels-the-jobs"
    expect(
        not failed,
        expected="The four jobs that were under way at the shutdown finish, and then the pools close.",
        happened=(
            (
                "A connection was closed while the database still held a job's statement, and "
                if early is not None
                else "When the shutdown was over, "
            )
            + f"{len(booked)} of 4 orders had their parcel."
        ),
        misconception=misconception,
        at=early or _end(lab),
    )
    await _expect_all_closed(lab, "the jobs were done")


@check(
    "When the jobs are done, the shutdown goes on without a wait",
    points=2,
    needs=["jobs-finish"],
    lesson="how-long-is-long-enough",
    quiz="half-failure.drain",
)
async def test_no_wait_after_the_jobs(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    mark = len(lab.ledger)
    async with lab.gate("parcels"):
        customers = [await _order(lab) for _ in range(2)]
        await lab.until(lambda ledger: len(_copying(ledger.of("statement", since=mark))) == 2)
        async with _stopping(lab) as asked:
            await _closes_early(lab, asked)
    booked = await _booked(lab, customers)
    closed = await _all_closed(lab)
    happened = f"{count(len(booked), 'job')} of 2 had booked, and {DECIDES:g} s later {_told_open(lab)}."
    misconception = None
    if not closed:
        lab.advance(LONG)
        misconception = "waits-after-the-jobs" if await _all_closed(lab, 0.5) else None
        happened += f" {LONG:g} s later on the lab's clock they were closed." if misconception else ""
    expect(
        closed,
        expected=f"Two jobs are done, so the shutdown closes all {2 * SIZE} connections without waiting any longer.",
        happened=happened,
        misconception=misconception,
        at=first(lab.ledger.of("shutdown")),
        error=lab.startup_error,
    )


@check(
    "A job that hangs has ten seconds, and is then given up",
    points=3,
    needs=["jobs-finish"],
    lesson="how-long-is-long-enough",
    quiz="half-failure.drain",
)
async def test_gives_up(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _courier(lab, "silent")
    for _ in range(3):
        await _order(lab)
    async with _stopping(lab) as asked:
        early = await _closes_early(lab, asked)
        if early is None:
            lab.advance(EARLY)
            early = await _closes_early(lab, asked)
        expect(
            early is None,
            expected=f"{EARLY:g} s after the shutdown began, the jobs still have time, and every pool is open.",
            happened="A connection was closed by then, while three jobs waited for the courier.",
            misconception="gives-up-too-early",
            at=early,
        )
        lab.advance(LATE)
        closed = await _all_closed(lab)
        happened = f"{EARLY + LATE:g} s after the shutdown began, {_told_open(lab)}."
        misconception = "unbounded-drain"
        if not closed:
            misconception = await _why_unbounded(lab)
        expect(
            closed,
            expected=f"The jobs are given up after ten seconds, so {EARLY + LATE:g} s later everything is closed.",
            happened=happened,
            misconception=misconception,
            at=lab.ledger.of("shutdown")[-1],
        )
        await _expect_signed_off(lab)


@check(
    "The ten seconds are for all jobs together, also when some of them finish on the way",
    points=2,
    needs=["gives-up"],
    lesson="how-long-is-long-enough",
    quiz="half-failure.drain",
)
async def test_one_bound_for_all(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    mark = len(lab.ledger)
    # One job is at its last statement, one at its first, and one waits for the courier.
    async with lab.gate("set parcel") as last:
        done = [await _order(lab)]
        await lab.until(lambda ledger: _at_the_order(ledger, mark) == 1, within=0.5)
        async with lab.gate("into parcels") as initial:
            await _order(lab)
            await lab.until(lambda ledger: len(_copying(ledger.of("statement", since=mark))) == 2, within=0.5)
            await _courier(lab, "silent")
            await _order(lab)
            async with _stopping(lab) as asked:
                await _closes_early(lab, asked)
                lab.advance(FIRST_ENDS)
                last.open()
                await _booked(lab, done)
                early = await _closes_early(lab, asked)
                expect(
                    early is None,
                    expected=f"Of three jobs one ends {FIRST_ENDS:g} s after the shutdown began; two have time left.",
                    happened="A connection was closed then, while two jobs were under way.",
                    misconception="gives-up-too-early",
                    at=early,
                )
                lab.advance(SECOND_ENDS - FIRST_ENDS)
                initial.open()
                # Whoever has given the second job up by now closes. With whoever has not, it goes on to its end, which
                # has to be seen there before the clock moves again.
                await lab.until(
                    lambda ledger: bool(ledger.of("close", "lost", since=asked)) or _at_the_order(ledger, mark) == 2,
                    within=DECIDES,
                )
                await _closes_early(lab, asked)
                lab.advance(EARLY + LATE - SECOND_ENDS)
                closed = await _all_closed(lab)
                happened = f"{EARLY + LATE:g} s after it, {_told_open(lab)}."
                later = False
                if not closed:
                    lab.advance(LONG)
                    later = await _all_closed(lab, 0.5)
                    happened += " Later on they were closed." if later else ""
    expect(
        closed,
        expected="The jobs that are left after ten seconds are given up, also when another one has just ended: "
        f"{EARLY + LATE:g} s after the shutdown began everything is closed.",
        happened=f"One job ended {FIRST_ENDS:g} s after the shutdown began, and {happened}",
        misconception="bound-begins-anew" if later else None,
        at=first(lab.ledger.of("shutdown")),
    )


@check(
    "A job that was given up is cancelled and begins nothing more",
    points=2,
    needs=["gives-up"],
    lesson="how-long-is-long-enough",
    quiz="half-failure.shutdown",
)
async def test_given_up_is_cancelled(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    mark = len(lab.ledger)
    async with lab.gate("parcels"):
        await _order(lab)
        await lab.until(lambda ledger: bool(_copying(ledger.of("statement", since=mark))))
        async with _stopping(lab) as asked:
            await _closes_early(lab, asked)
            # A closing that waits for the cancelled job closes nothing before the job's statement has its answer.
            # Whoever began the drain only after the clock was moved needs it moved again.
            for _ in range(2):
                if not lab.ledger.of("close", "lost", since=asked):
                    lab.advance(EARLY + LATE)
                    await lab.until(lambda ledger: bool(ledger.of("close", "lost", since=asked)), within=GIVES_UP)
            answered = len(lab.ledger)
    await lab.until(
        lambda ledger: bool(_booking(ledger.of("statement", since=answered))) or not ledger.state.total, within=DECIDES
    )
    more = first(_booking(lab.ledger.of("statement", since=answered)))
    expect(
        more is None,
        expected="A job whose ten seconds are over is cancelled: its statement may end, and no other follows.",
        happened="The archive answered a job after its time was over, and the job borrowed again and wrote into the "
        "shop, while the closing was at the pools.",
        misconception="given-up-but-not-cancelled",
        at=more,
    )


@check(
    "A job that fails takes no other job with it",
    points=2,
    needs=["jobs-finish"],
    lesson="what-may-one-failure-take-along",
    quiz="concurrency.gather-error",
)
async def test_a_failing_job_harms_nobody(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    mark = len(lab.ledger)
    lab.faults.fail_statement("parcels", "disk I/O error")
    await _order(lab)
    await lab.until(lambda ledger: bool(ledger.of("error", since=mark)), within=DECIDES)
    broken = await lab.until(lambda ledger: bool(ledger.of("close", since=mark)), within=0.2)
    booked = [] if broken else await _booked(lab, [await _order(lab)])
    expect(
        bool(booked),
        expected="When a job fails, the app goes on: the next order is taken, and its job books the parcel.",
        happened=(
            f"One job's statement failed at the archive, and {_told_open(lab)}, with the app still running."
            if broken
            else "One job's statement failed at the archive, and the next order never got its parcel."
        ),
        misconception="one-fails-all",
        at=first(lab.ledger.of("error", since=mark)),
    )
    mark = len(lab.ledger)
    async with lab.gate("parcels") as copies:
        customers = [await _order(lab) for _ in range(3)]
        await lab.until(lambda ledger: len(_copying(ledger.of("statement", since=mark))) == 3, within=0.5)
        lab.faults.fail_statement("parcels", "disk I/O error")
        async with lab.gate("orders"), _stopping(lab) as asked:
            await _closes_early(lab, asked)
            copies.open()
            await lab.until(lambda ledger: bool(ledger.of("error", since=mark)), within=DECIDES)
            early = await _closes_early(lab, asked)
    done = await _booked_in_the_end(lab, customers, number=2)
    expect(
        early is None and len(done) >= 2,
        expected="Of three jobs under way at the shutdown one fails; the other two finish, and then the pools close.",
        happened=(
            ("A connection was closed while the other two were at work, and " if early else "Afterwards ")
            + f"{len(done)} of 3 orders had their parcel."
        ),
        misconception="first-failure-ends-the-wait",
        at=early or first(lab.ledger.of("error", since=mark)),
    )
    await _expect_all_closed(lab, "the jobs were done")


@check(
    "When signing off fails, the jobs still finish and both pools close",
    points=2,
    needs=["jobs-finish"],
    lesson="what-may-one-failure-take-along",
    quiz="half-failure.closer",
)
async def test_signing_off_fails(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    mark = len(lab.ledger)
    lab.faults.fail_statement("shifts", "disk I/O error", times=1_000)
    async with lab.gate("parcels"):
        customer = await _order(lab)
        await lab.until(lambda ledger: bool(_copying(ledger.of("statement", since=mark))))
        async with _stopping(lab) as asked:
            early = await _closes_early(lab, asked)
    booked = await _booked_in_the_end(lab, [customer])
    closed = await _all_closed(lab)
    expect(
        early is None and bool(booked),
        expected="The job under way at the shutdown finishes, also when `sign_off()` raises.",
        happened="`sign_off()` raised a disk I/O error, and the order never got its parcel.",
        misconception="skips-the-rest",
        at=early or first(lab.ledger.of("error", since=mark)),
    )
    expect(
        closed,
        expected="The shutdown closes both pools, also when `sign_off()` raises.",
        happened=f"`sign_off()` raised a disk I/O error, and when the shutdown was over, {_told_open(lab)}.",
        misconception="skips-the-rest",
        at=first(lab.ledger.of("error", since=mark)) or _end(lab),
        error=lab.startup_error,
    )


@check(
    "After a shutdown that gave a job up, the process ends",
    needs=["gives-up"],
    lesson="how-long-is-long-enough",
    quiz="cancellation.facts",
)
async def test_process_ends(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _courier(lab, "silent")
    await _order(lab)
    async with _stopping(lab) as asked:
        await _closes_early(lab, asked)
        lab.advance(EARLY + LATE)
        await lab.until(lambda ledger: bool(ledger.of("stopped", "exited")), within=DECIDES)
        ended = await lab.exits(within=ENDS)
    expect(
        ended,
        expected="When the shutdown is over, nothing keeps the process any more.",
        happened=f"{ENDS:g} s after the shutdown the process was still there, and {_told_open(lab)}.",
        misconception="absorbs-cancellation" if not lab.pool.total else None,
        at=_end(lab),
    )


# --- the hard way ---


@check(
    "When the lifespan is cancelled, everything closes as well",
    points=3,
    needs=["closes-everything"],
    lesson="what-does-a-cancelled-lifespan-run",
    quiz="half-failure.cancelled",
)
async def test_closes_when_cancelled(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _do_a_job(lab)
    lab.interrupt()
    closed = await _all_closed(lab)
    expect(
        closed,
        expected=f"The task of the lifespan is cancelled at the `yield`, and all {2 * SIZE} connections are closed.",
        happened=f"After that, {_told_open(lab)}.",
        misconception="skipped-when-cancelled",
        at=lab.ledger.last,
        error=lab.startup_error,
    )
    # A plain shutdown signed off: what stands behind a bare `yield` is left out now.
    await _expect_signed_off(lab, "skipped-when-cancelled")


@check(
    "Once the closing has begun, new orders are refused with 503",
    points=2,
    needs=["closes-when-cancelled"],
    lesson="what-does-a-cancelled-lifespan-run",
    quiz="half-failure.shutdown",
)
async def test_refuses_while_closing(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _courier(lab, "silent")
    await _order(lab)
    lab.interrupt()
    await _courier(lab, "silent")  # answered after the interrupt has arrived
    for moment in ("while the jobs had their time", "when they had had it"):
        mark = len(lab.ledger)
        customer = await _order(lab)
        answer = first(lab.ledger.of("response", since=mark))
        rows = await lab.sql("SELECT id FROM orders WHERE customer = ?", (customer,))
        status = answer.status if answer else None
        expect(
            status == 503 and not rows,
            expected="From the first moment of the closing on, POST /orders answers 503 and writes no order.",
            happened=f"The lifespan was cancelled, and {moment} an order was "
            + (f"answered {status}" if status else "not answered")
            + (" and written." if rows else "."),
            misconception="takes-new-orders" if rows or status == 202 else None,
            at=answer,
        )
        lab.advance(EARLY + LATE)
        await _all_closed(lab)


@check(
    "A job that was given up does not go on when the courier answers after all",
    needs=["gives-up", "closes-when-cancelled"],
    lesson="what-does-a-cancelled-lifespan-run",
    quiz="half-failure.shutdown",
)
async def test_given_up_stays_so(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _courier(lab, "silent")
    customer = await _order(lab)
    rows = await lab.sql("SELECT id FROM orders WHERE customer = ?", (customer,))
    mark = len(lab.ledger)
    # A visitor at the shop's database keeps that pool from closing while the courier comes back.
    async with lab.gate("from orders"):
        lab.send("GET", "/orders/" + str(rows[0][0] if rows else 1))
        await lab.until(lambda ledger: bool(ledger.of("statement", since=mark)), within=DECIDES)
        lab.interrupt()
        await _courier(lab, "silent")  # answered after the interrupt has arrived
        for _ in range(2):  # whoever began the drain only after the clock was moved needs it moved again
            if not lab.ledger.of("close", "lost", since=mark):
                lab.advance(EARLY + LATE)
                await lab.until(lambda ledger: bool(ledger.of("close", "lost", since=mark)), within=GIVES_UP)
        answered = len(lab.ledger)
        await _courier(lab, "back")
        await lab.turn()
    await lab.until(
        lambda ledger: bool(_copying(ledger.of("statement", since=answered))) or not ledger.state.total, within=DECIDES
    )
    more = first(_copying(lab.ledger.of("statement", since=answered)))
    expect(
        more is None,
        expected="A job that waited for the courier when its ten seconds were over is cancelled, and sends nothing.",
        happened="The pools were being closed, the courier answered, and the job borrowed and wrote into the archive.",
        misconception="given-up-but-not-cancelled",
        at=more,
    )


@check(
    "When the lifespan is cancelled in the middle of the drain, both pools close as well",
    points=2,
    needs=["gives-up", "signing-off-fails", "closes-when-cancelled"],
    lesson="what-does-a-cancelled-lifespan-run",
    quiz="half-failure.cancelled",
)
async def test_cancelled_drain(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _courier(lab, "silent")
    await _order(lab)
    async with _stopping(lab) as asked:
        await _closes_early(lab, asked)
        lab.interrupt()
        await lab.until(lambda ledger: bool(ledger.of("close", "stopped", since=asked)), within=0.2)
        lab.advance(EARLY + LATE)  # whoever goes on with the drain after that may do so
        closed = await _all_closed(lab)
    expect(
        closed,
        expected="The lifespan waits for a job at the shutdown and is cancelled there; both pools are closed.",
        happened=f"{EARLY + LATE:g} s after that, {_told_open(lab)}.",
        misconception="catches-exceptions-only",
        at=lab.ledger.of("shutdown")[-1],
        error=lab.startup_error,
    )


# --- half a startup ---


@check(
    "When the second pool cannot be opened, the app does not start",
    needs=["opens-everything"],
    lesson="what-does-startup-owe-to-a-failure",
    quiz="half-failure.block",
)
async def test_failed_startup_stays_failed(lab: Lab) -> None:
    lab.faults.refuse_connection(SIZE + lab.random.randrange(1, SIZE + 1))
    async with _starting(lab):
        ready = await _becomes_ready(lab)
    expect(
        not ready,
        expected="When a connection of the second pool is refused, the error passes and the app does not start.",
        happened=f"The app was ready all the same, and {_told_open(lab)}.",
        misconception="swallows-startup",
        at=first(lab.ledger.of("refused")),
    )


@check(
    "When the second pool cannot be opened, the first one is closed again",
    points=2,
    needs=["failed-startup-stays-failed"],
    lesson="what-does-startup-owe-to-a-failure",
    quiz="half-failure.second-fails",
)
async def test_closes_the_first_pool(lab: Lab) -> None:
    number = SIZE + lab.random.randrange(1, SIZE + 1)
    lab.faults.refuse_connection(number)
    async with _starting(lab):
        closed = await _fails_cleanly(lab)
    expect(
        closed,
        expected=f"When connection {number} is refused, those that were opened before it are closed "
        "and the process ends.",
        happened=f"The startup had failed, {_told_open(lab)}" + _told_process(lab),
        misconception="half-open",
        at=first(lab.ledger.of("refused")),
    )


@check(
    "When signing on fails, both pools are closed again",
    points=2,
    needs=["closes-the-first-pool"],
    lesson="what-does-startup-owe-to-a-failure",
    quiz="half-failure.block",
)
async def test_signing_on_fails(lab: Lab) -> None:
    lab.faults.fail_statement("shifts", "disk I/O error")
    async with _starting(lab):
        ready = await _becomes_ready(lab)
        expect(
            not ready,
            expected="When `sign_on()` raises, the error passes and the app does not start.",
            happened="`sign_on()` raised a disk I/O error, and the app was ready all the same.",
            misconception="swallows-startup",
            at=first(lab.ledger.of("error")),
        )
        closed = await _fails_cleanly(lab)
    expect(
        closed,
        expected="When `sign_on()` raises, both pools are closed and the process ends.",
        happened=f"`sign_on()` raised a disk I/O error, {_told_open(lab)}" + _told_process(lab),
        misconception="half-open",
        at=first(lab.ledger.of("error")),
    )


@check(
    "When the startup is cancelled, both pools are closed again",
    points=2,
    needs=["signing-on-fails"],
    lesson="what-does-a-cancelled-lifespan-run",
    quiz="half-failure.cancelled",
)
async def test_cancelled_startup(lab: Lab) -> None:
    async with _starting(lab):
        async with lab.gate("shifts"):
            await lab.until(lambda ledger: bool(ledger.of("statement")), within=DECIDES)
            lab.interrupt()
            await lab.until(lambda ledger: bool(ledger.of("close", "exited")), within=0.2)
        closed = await _fails_cleanly(lab)
    expect(
        closed,
        expected="When the lifespan is cancelled during `sign_on()`, both pools are closed and the process ends.",
        happened=f"It was cancelled there, {_told_open(lab)}" + _told_process(lab),
        misconception="catches-exceptions-only",
        at=first(lab.ledger.of("statement")),
    )


# --- visiting, starting, stopping ---


async def _order(lab: Lab) -> str:
    """Place an order for a customer of this run's own; wait for the answer, but not for what follows it."""
    customer = f"Customer {lab.random.randbytes(6).hex()}"
    mark = len(lab.ledger)
    call = lab.send("POST", "/orders", body={"customer": customer})
    await lab.until(lambda ledger: bool(ledger.of("response", since=mark)), within=DECIDES)
    answered = first(lab.ledger.of("response", since=mark))
    if answered is not None and answered.status is None:
        await call  # tells why there was no proper answer
    return customer


async def _courier(lab: Lab, state: str) -> None:
    """Make the courier silent, or let it answer."""
    answer = await lab.request("POST", f"/courier/{state}")
    expect(
        answer.status == 200,
        expected="The courier and its route stay as they were given.",
        happened=f"POST /courier/{state} answered {answer.status}.",
        error=lab.request_error(answer.request),
    )


def _expect_status(lab: Lab, answer: Event | None, status: int) -> None:
    error = lab.request_error(answer.request) if answer and answer.request else None
    expect(
        answer is not None and answer.status == status,
        expected=f"POST /orders answers {status}.",
        happened=f"It answered {answer.status if answer else 'nothing'}"
        + (f": the route raised {error}." if error else "."),
        at=answer,
        error=error,
    )


@asynccontextmanager
async def _stopping(lab: Lab) -> AsyncIterator[int]:
    """Ask the app to shut down, and wait until it has begun; gives the number of rows before that."""
    asked = len(lab.ledger)
    idle = await _connect(lab)
    leaving = asyncio.create_task(lab.stop())
    leaving.add_done_callback(lambda task: task.cancelled() or task.exception())
    # A server that shuts down first hangs up on whoever is silent, and then tells the lifespan.
    await asyncio.wait((idle,), timeout=lab.patience)
    idle.cancel()
    yield asked


async def _connect(lab: Lab) -> asyncio.Task[None]:
    """Open a connection to the server that stays idle after one request; the task ends when the server hangs up."""
    answered = asyncio.Event()

    async def visit() -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(str(lab.process.http_path))
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
                await reader.readline()  # now the server knows of this connection
                answered.set()
                await reader.read()
            finally:
                writer.close()
        except OSError:
            return  # the server has gone
        finally:
            answered.set()

    task = asyncio.create_task(visit())
    with suppress(TimeoutError):
        async with asyncio.timeout(lab.patience):
            await answered.wait()
    return task


@asynccontextmanager
async def _starting(lab: Lab) -> AsyncIterator[None]:
    """Start the app without waiting for it."""
    starting = asyncio.create_task(lab.try_start(pool_size=SIZE))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        starting.cancel()
        await asyncio.wait((starting,))


async def _becomes_ready(lab: Lab) -> bool:
    """Wait until the app is ready or has given up; tell whether it is ready."""
    # What the lab says ends the wait only: a process in which a pool stays open does not end by itself.
    await lab.process.until("startup_failed", "ready", within=lab.patience)
    return await lab.until(lambda ledger: bool(ledger.of("ready")), within=0.2) and bool(lab.ledger.of("ready"))


async def _fails_cleanly(lab: Lab) -> bool:
    """Tell whether a startup that failed closes all that it had opened, and the process ends."""
    await lab.process.until("startup_failed", "ready", within=lab.patience)
    return await _all_closed(lab) and await lab.exits(within=ENDS)


# --- reading the ledger and the database ---


def _on(lab: Lab, event: Event, name: str) -> bool:
    return database_of(lab, event) == name


def _copying(statements: Iterable[Event]) -> list[Event]:
    """Return the statements with which jobs write into the archive."""
    return [event for event in statements if "parcels" in event.detail.casefold()]


def _at_the_order(ledger: Ledger, mark: int) -> int:
    """How many jobs have sent the statement that comes after the one to the archive."""
    return sum("set parcel" in event.detail.casefold() for event in ledger.of("statement", since=mark))


def _booking(statements: Iterable[Event]) -> list[Event]:
    """Return the statements of jobs: those with which they write into the archive, and then into the shop."""
    return [event for event in statements if "parcel" in event.detail.casefold()]


def _end(lab: Lab) -> Event | None:
    """The row at which the shutdown was over."""
    return first(lab.ledger.of("stopped", "exited"))


async def _closes_early(lab: Lab, asked: int) -> Event | None:
    """Return the first connection that ends within the window, if one does."""
    await lab.until(lambda ledger: bool(ledger.of("close", "lost", since=asked)), within=WINDOW)
    return first(lab.ledger.of("close", "lost", since=asked))


async def _all_closed(lab: Lab, within: float = DECIDES) -> bool:
    """Wait until no connection is open; tell whether each of them was closed, and none broke off."""
    clock = asyncio.get_running_loop().time
    end = clock() + within
    while lab.pool.total and clock() < end and not _lifespan_over(lab):
        await lab.until(lambda ledger: not ledger.state.total, within=min(0.1, within))
    await lab.until(lambda ledger: not ledger.state.total, within=SETTLES)
    return not lab.pool.total and not lab.ledger.of("lost")


def _lifespan_over(lab: Lab) -> bool:
    """Whether the lab says that the lifespan has ended, so that nothing more is to be expected of it."""
    return bool(lab.ledger.of("stopped") or lab.startup_error or lab.process.claimed("startup_failed"))


def _told_open(lab: Lab) -> str:
    """Say how many connections to which database were not closed."""
    left: dict[str, int] = {}
    for event in lab.ledger.of("open", "close"):
        left[database_of(lab, event)] = left.get(database_of(lab, event), 0) + (1 if event.kind == "open" else -1)
    told = [f"{count(number, 'connection')} to {name}" for name, number in sorted(left.items()) if number]
    if not told:
        return "every connection was closed"
    return " and ".join(told) + f" {'was' if sum(left.values()) == 1 else 'were'} not closed"


def _told_process(lab: Lab) -> str:
    return "." if lab.process.ended else ", and the process was still there."


async def _expect_all_closed(lab: Lab, after: str) -> None:
    expect(
        await _all_closed(lab),
        expected="The shutdown closes every connection.",
        happened=f"When {after}, {_told_open(lab)}.",
        at=_end(lab),
        error=lab.startup_error,
    )


async def _expect_signed_off(lab: Lab, otherwise: str | None = None) -> None:
    """Fail the check unless the shift has ended.

    Args:
        otherwise: the mistake where the pool was not closed too soon for it.
    """
    shifts = await lab.sql("SELECT ended FROM shifts")
    misconception = otherwise
    if shifts != [(1,)]:
        # Who signs off at a closed pool has its error: one that goes on, or one that was printed.
        await lab.exits(within=1.0)
        error = lab.startup_error
        if _CLOSED.search(lab.process.output) or (error and _CLOSED.search(error.message.encode())):
            misconception = "never-signed-off"
    expect(
        shifts == [(1,)],
        expected="The closing calls `sign_off()` while the shop's pool is open, so the shift has ended.",
        happened="After the closing the table `shifts` holds "
        f"{count(sum(row != (1,) for row in shifts), 'shift')} that did not end.",
        misconception=misconception,
        at=_end(lab),
        error=lab.startup_error,
    )


async def _booked(lab: Lab, customers: list[str], *, number: int | None = None, within: float = DECIDES) -> list[str]:
    """Return the customers whose orders have a parcel; wait until that is `number` of them, or all."""
    marks = ", ".join("?" * len(customers))
    end = asyncio.get_running_loop().time() + within
    while True:
        seen = len(lab.ledger)
        over = lab.process.ended or _lifespan_over(lab)
        rows = await lab.sql(
            f"SELECT customer FROM orders WHERE customer IN ({marks}) AND parcel IS NOT NULL", customers
        )
        left = end - asyncio.get_running_loop().time()
        if len(rows) >= (number or len(customers)) or left <= 0 or over:
            return [str(row[0]) for row in rows]
        await lab.until(lambda ledger, seen=seen: bool(ledger.of("return", "close", since=seen)), within=left)  # type: ignore[misc]


async def _do_a_job(lab: Lab) -> None:
    """Place an order, and wait until its job has nothing left to do."""
    await _booked(lab, [await _order(lab)])
    await lab.until(lambda ledger: not ledger.state.borrowed, within=DECIDES)
    await lab.turn()  # the job ends a moment after its connection came back


async def _booked_in_the_end(lab: Lab, customers: list[str], *, number: int | None = None) -> list[str]:
    """Return the customers whose orders have a parcel at the closing's end, however long it waits."""
    await _booked(lab, customers, number=number)
    if not await _all_closed(lab, 0.5):
        lab.advance(LONG)  # ends what the closing waits for, be it needed or not
        await _all_closed(lab)
    return await _booked(lab, customers, number=number, within=0.2)


# --- finding out why ---


async def _why_unbounded(lab: Lab) -> str:
    """Tell a drain without a bound from one that has a bound for each job, and from work that the server waits for."""
    calls = len(lab.ledger.of("request")) - len(lab.ledger.of("done"))
    for _ in range(3):  # a time for each job that is left, one after the other
        lab.advance(LONG)
        if await _all_closed(lab, 0.2):
            return "bound-for-each"
    return "left-to-the-server" if calls else "unbounded-drain"
