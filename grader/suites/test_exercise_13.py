"""Exercise 13: cancellation.

Each sweep does one thing over and over, and cancels it at its first await, its second, and so on, until it has no
more. After each, the pool is asked for everything that it may lend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from pools import SOON, Desk, Told, are_open, connections, is_a, told
from shop import first

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Answer, Lab

MOMENTS = ("suspended", "done")
"""When a task is cancelled: while it waits, or when what it waits for has come and it has not gone on."""

MOST_AWAITS = 12
"""The awaits that a sweep goes through; a pool that looks again and again has no last one."""

LATE_TURNS = 6
"""Turns of the app's event loop after the database's answer, at each of which time runs out once."""

QUIET = 0.3
"""Seconds in which a pool with nothing to lend shows that it lends something all the same."""

LONG = 0.7
"""Seconds for the same, where it takes statements."""

ENDS = 3.0
"""Seconds within which what was cancelled ends, tidying up included."""

Call = asyncio.Task[Answer]


@dataclass(frozen=True)
class Cut:
    """One cancellation of a sweep: `what` is cancelled at its `number`-th await, at `moment`."""

    what: str
    number: int
    moment: str

    def __str__(self) -> str:
        when = "while it waited there" if self.moment == "suspended" else "as that await was done"
        return f"{self.what} was cancelled at await {self.number}, {when}"


# --- nobody is cancelled ---


@check("For borrowers whom nobody cancels, the pool works as before", lesson="snapshot", quiz="own-pool.fair")
async def test_works_as_before(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=2)
    whole = "A pool of max_size=2 lends 2 different connections, and the next borrower waits for one of them."
    used = {await _gets(desk, name, expected=whole) for name in ("ann", "ben")}
    expect(len(used) == 2, expected=whole, happened=f"ann and ben both had connection {max(used)}.")
    calls = {name: await desk.queue(name) for name in ("cleo", "dan")}
    await asyncio.wait(calls.values(), timeout=QUIET, return_when=asyncio.FIRST_COMPLETED)
    early = [name for name, call in calls.items() if call.done()]
    now = desk.open_connections
    expect(
        not early and now <= 2,
        expected=whole,
        happened=f"With 2 lent, {' and '.join(early) or 'nobody'} got an answer at once; {are_open(now)}.",
        misconception="bigger-pool" if now > 2 else None,
    )
    await _begins(desk, "ann")
    for leaver, name in (("ann", "cleo"), ("ben", "dan")):
        returned = await desk.release(leaver)
        expect(returned.ok, expected="`release` takes the connection back.", happened=f"It raised {returned}.")
        await _gets(desk, name, call=calls[name], expected="Who waits gets what comes back, first come, first served.")
    for name in ("cleo", "dan"):
        await _expect_clean(desk, name, "a release", None)
        await desk.release(name)
    await _expect_whole(desk, "no cancellation at all", None)


# --- waiting in line ---


@check(
    "Whoever is cancelled in the line leaves it",
    points=2,
    needs=["works-as-before"],
    lesson="who-has-the-connection-now",
    quiz="cancellation.in-line",
)
async def test_cancelled_in_line(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=2, max_size=2)
    expected = "A connection that comes back goes to the first in line who still wants one."
    keeper = await _gets(desk, "keeper", expected="A pool of 2 lends 2 connections.")

    async def trial(cut: Cut) -> bool:
        ann, ben, zoe = _names(desk, "ann", "ben", "zoe")
        await _gets(desk, ann, expected=expected, after="such a cancellation", waits="dead-in-line")
        call = _cut(desk, "acquire", zoe, cut)
        await asyncio.wait((call,), timeout=QUIET)
        reached = call.done()
        waiting = await _queues(desk, ben)
        returned = await desk.release(ann)
        expect(
            returned.ok,
            expected=expected,
            happened=f"{cut}, and the next `release` raised {returned}.",
            misconception="dead-in-line",
        )
        if not reached:
            await _give_back(desk, zoe, await _end_of(call, cut))
        used = await _gets(
            desk, ben, call=waiting, expected=expected, after=f"{cut}, with another behind it", waits="dead-in-line"
        )
        _expect_different(used, keeper, cut)
        await desk.release(ben)
        return reached

    for number in range(1, MOST_AWAITS):
        if not await trial(Cut("`acquire`, waiting in line,", number, "suspended")):
            break
    await desk.release("keeper")
    await _expect_whole(desk, "these cancellations", "dead-in-line")


@check(
    "A borrower who ran out of time takes nothing",
    needs=["works-as-before"],
    lesson="who-has-the-connection-now",
    quiz="cancellation.in-line",
)
async def test_out_of_time(lab: Lab) -> None:
    timeout = float(lab.random.randint(20, 40))
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1, timeout=timeout)
    await _gets(desk, "ann", expected="A pool of 1 lends a connection.")
    late = [await desk.queue(name) for name in ("ben", "cleo")]
    for _ in range(3):  # a timer may have been set a moment later than the wait began
        lab.advance(timeout)
        await asyncio.wait(late, timeout=QUIET)
        if all(call.done() for call in late):
            break
    for call in late:
        answer = told(call.result()) if call.done() else None
        expect(
            answer is not None and is_a(answer, "TimeoutError"),
            expected=f"With timeout={timeout:g}, a wait ends with TimeoutError after {timeout:g} seconds.",
            happened=f"`acquire` raised {answer}." if answer else f"After {3 * timeout:g} seconds it still waited.",
        )
    waiting = await desk.queue("dan")
    expected = "What comes back goes to the first in line who still waits, past those who ran out of time."
    returned = await desk.release("ann")
    expect(
        returned.ok,
        expected=expected,
        happened=f"2 borrowers had run out of time, and the next `release` raised {returned}.",
        misconception="out-of-time-in-line",
    )
    await _gets(
        desk,
        "dan",
        call=waiting,
        expected=expected,
        after="2 borrowers before it had run out of time",
        waits="out-of-time-in-line",
    )
    await desk.release("dan")
    await _expect_whole(desk, "2 borrowers ran out of time", "out-of-time-in-line")
    for turns in range(LATE_TURNS):
        await _expect_none_lost_in_time(desk, turns, timeout)


async def _expect_none_lost_in_time(desk: Desk, turns: int, timeout: float) -> None:
    """Fail the check when a connection is lost that is handed to a borrower just as its time runs out."""
    ann, ben = _names(desk, "ann", "ben")
    expected = "A connection that was handed to a borrower who runs out of time before it goes on is the pool's again."
    await _gets(desk, ann, expected=expected, waits="lost-at-hand-over")
    await _begins(desk, ann)  # so that every pool has something to ask the database at the return
    call = await desk.queue(ben)
    returned = await desk.release_late(ann, turns=turns, seconds=2 * timeout)
    expect(returned.ok, expected=expected, happened=f"`release` raised {returned}.")
    await asyncio.wait((call,), timeout=SOON)
    answer = told(call.result()) if call.done() else None
    outcome = "still waited" if answer is None else "returned" if answer.ok else f"raised {answer}"
    story = f"a borrower's time ran out as a connection came back to it, and its `acquire` {outcome}"
    expect(
        answer is not None and (answer.ok or is_a(answer, "TimeoutError")),
        expected=expected + " The wait ends with a connection, or with TimeoutError.",
        happened=f"{story[0].upper()}{story[1:]}.",
    )
    if answer is not None and answer.ok:
        await desk.release(ben)
    await _gets(desk, "after", expected=expected, after=f"{story[0].upper()}{story[1:]}", waits="lost-at-hand-over")
    await desk.release("after")


@check(
    "What was handed to a borrower who is then cancelled goes to the next in line",
    points=3,
    needs=["works-as-before"],
    lesson="who-has-the-connection-now",
    quiz="cancellation.in-line",
)
async def test_handed_over_then_cancelled(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=2, max_size=2)
    expected = "A connection that was handed to a borrower who is cancelled before it goes on is the pool's again."
    keeper = await _gets(desk, "keeper", expected="A pool of 2 lends 2 connections.")

    async def trial(operation: str, cut: Cut) -> bool:
        ann, ben, zoe = _names(desk, "ann", "ben", "zoe")
        await _gets(desk, ann, expected=expected, after="such a cancellation", waits="lost-at-hand-over")
        call = _cut(desk, operation, zoe, cut)
        await _settle(desk)
        waiting = await _queues(desk, ben)
        await desk.release(ann)
        answer = await _end_of(call, cut)
        if operation == "acquire":
            await _give_back(desk, zoe, answer)
        await asyncio.wait((waiting,), timeout=SOON)
        if not waiting.done():
            # Whether it rests in the pool, or nobody has it, shows by what somebody new is given.
            other = await desk.queue(f"{ben}-too")
            await asyncio.wait((other,), timeout=QUIET)
            rests = other.done() or waiting.done()
            expect(
                False,
                expected=expected + " It goes to the next in line.",
                happened=f"{cut}, with a borrower behind it. That one still waited {SOON:g} seconds after the release; "
                + ("a newcomer was given the connection." if rests else "the connection is lost."),
                misconception="wakes-nobody" if rests else "lost-at-hand-over",
            )
        used = await _gets(desk, ben, call=waiting, expected=expected, after=str(cut))
        _expect_different(used, keeper, cut)
        await desk.release(ben)
        return answer.reached

    # At its first await it waits in line; what becomes of a borrower who leaves the line is another check's.
    came = "for which a connection came while it waited in line,"
    await _sweep(f"`acquire`, {came}", partial(trial, "acquire"), first=2)
    # The same at the head of a block. What comes later in it is in the block.
    await trial("visit", Cut(f"The block, {came}", 1, "done"))
    await desk.release("keeper")
    await _expect_whole(desk, "these cancellations", "lost-at-hand-over")


# --- in the block ---


@check(
    "A borrower who is cancelled in the block gives its connection back",
    points=2,
    needs=["works-as-before"],
    lesson="why-is-except-exception-not-enough",
    quiz="cancellation.except",
)
async def test_cancelled_while_holding(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1)
    expected = "When the block of `async with pool.connection()` is cancelled, the connection is in the pool again."

    came_back = False

    async def trial(cut: Cut) -> bool:
        nonlocal came_back
        mark, mine = len(lab.ledger), lab.random.randbytes(8).hex()
        answer = await _end_of(_cut(desk, "visit", "zoe", cut, sql=f"SELECT '{mine}'"), cut)

        def queried() -> bool:
            return _ran(lab.ledger.of("statement", since=mark), mine)

        def why_lost() -> str:
            # Before its own query begins it is in `acquire`. Where a connection came back that was cut off since then,
            # the block is in order, and its end is not.
            if not queried():
                return "lost-at-hand-over"
            return "return-cut-off" if came_back else "except-exception"

        (ben,) = _names(desk, "ben")
        await _gets(desk, ben, expected=expected, after=f"{cut}, in a pool of 1", waits=why_lost)
        await desk.release(ben)
        came_back = came_back or queried()
        return answer.reached

    await _sweep("The block", trial)
    await _expect_whole(desk, "these cancellations", "return-cut-off")


@check(
    "What comes back from a cancelled borrower is clean, though its statement was still running",
    points=2,
    needs=["cancelled-while-holding"],
    lesson="what-does-a-cancellation-not-stop",
    quiz="cancellation.facts",
)
async def test_comes_back_clean(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1)

    async def trial(cut: Cut) -> bool:
        mark = len(lab.ledger)
        async with lab.gate("begin"):  # the database takes its time
            call = _cut(desk, "visit", "zoe", cut, sql="BEGIN")
            await lab.until(lambda ledger: call.done() or _ran(ledger.of("statement", since=mark), "begin"))
            await _settle(desk)
        answer = await _end_of(call, cut)
        expected = "The next borrower gets the connection without an open transaction."
        (ben,) = _names(desk, "ben")
        await _gets(desk, ben, expected=expected, after=str(cut))
        await _expect_clean(desk, ben, str(cut), "looks-too-early")
        await desk.release(ben)
        return answer.reached

    await _sweep("A block that runs BEGIN", trial)


# --- giving back ---


@check(
    "A release that is cancelled still brings the connection back",
    points=3,
    needs=["works-as-before"],
    lesson="what-does-shield-do",
    quiz="cancellation.shield",
)
async def test_cancelled_in_release(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=2, max_size=2)
    expected = "Wherever `release` is cancelled, the connection is reset or replaced, and goes to the next in line."
    keeper = await _gets(desk, "keeper", expected="A pool of 2 lends 2 connections.")

    async def trial(cut: Cut) -> bool:
        ben, zoe = _names(desk, "ben", "zoe")
        await _gets(desk, zoe, expected=expected, after="such a cancellation", waits="return-cut-off")
        await _begins(desk, zoe)
        waiting = await _queues(desk, ben)
        mark = len(lab.ledger)
        async with lab.gate("rollback"):  # the database takes its time
            call = _cut(desk, "release", zoe, cut)
            await lab.until(lambda ledger: call.done() or bool(ledger.of("rollback", "statement", since=mark)))
            await _settle(desk)
            if cut.number == 1 and cut.moment == "suspended":
                # Time for a pool to open another one while this one is still open; it must not.
                await lab.until(lambda ledger: waiting.done() or bool(ledger.of("open", since=mark)), within=LONG)
        answer = await _end_of(call, cut)
        used = await _gets(
            desk, ben, call=waiting, expected=expected, after=f"{cut}, with one in line", waits="return-cut-off"
        )
        _expect_different(used, keeper, cut)
        _expect_at_most(desk, 2, mark, cut)
        await _expect_clean(desk, ben, str(cut), "half-reset")
        await desk.release(ben)
        return answer.reached

    await _sweep("`release`", trial)
    await desk.release("keeper")
    for number in (1, 2):
        await _cut_beside_another_release(desk, number, expected)
    await _expect_whole(desk, "these cancellations", "return-cut-off")


async def _cut_beside_another_release(desk: Desk, number: int, expected: str) -> None:
    """Cancel a release while another one waits for the database, which may keep this one waiting too."""
    cut = Cut("`release`, with another one under way,", number, "suspended")
    ann, ben, cleo, zoe = _names(desk, "ann", "ben", "cleo", "zoe")
    for name in (ann, zoe):
        await _gets(desk, name, expected=expected, after="such a cancellation", waits="return-cut-off")
        await _begins(desk, name)
    mark = len(desk.lab.ledger)
    async with desk.lab.gate("rollback"):
        other = desk.lab.send("POST", f"/pools/{desk.name}/release/{ann}")
        await desk.lab.until(lambda ledger: other.done() or bool(ledger.of("rollback", "statement", since=mark)))
        await _settle(desk)
        call = _cut(desk, "release", zoe, cut)
        await _settle(desk)
    await _end_of(other, cut)
    await _end_of(call, cut)
    for name in (ben, cleo):
        await _gets(desk, name, expected=expected, after=str(cut), waits="return-cut-off")
        await _expect_clean(desk, name, str(cut), "half-reset")
    for name in (ben, cleo):
        await desk.release(name)


@check(
    "The place of a connection that its borrower closed is filled, though the release is cancelled",
    points=2,
    needs=["cancelled-in-release"],
    lesson="what-does-shield-do",
    quiz="cancellation.shield",
)
async def test_cancelled_in_replacing(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1)
    expected = "Wherever the `release` of a closed connection is cancelled, the next in line gets another one."

    async def trial(cut: Cut) -> bool:
        ben, zoe = _names(desk, "ben", "zoe")
        await _gets(desk, zoe, expected=expected, after="such a cancellation", waits="place-lost")
        closed = told(await lab.request("POST", f"/borrowers/{zoe}/close"))
        expect(closed.ok, expected="What `acquire` lends can be closed.", happened=f"Its `close` raised {closed}.")
        waiting = await _queues(desk, ben)
        mark = len(lab.ledger)
        answer = await desk.cancel("release", zoe, cut.number, cut.moment)
        await _gets(desk, ben, call=waiting, expected=expected, after=f"{cut}, in a pool of 1", waits="place-lost")
        _expect_at_most(desk, 1, mark, cut)
        await desk.release(ben)
        return answer.reached

    await _sweep("`release` of a closed connection", trial)
    await _expect_whole(desk, "these cancellations", "opened-for-nobody")


@check(
    "`close` leaves no connection open that was on its way back",
    points=2,
    needs=["cancelled-in-release"],
    lesson="what-does-shield-do",
    quiz="cancellation.shield",
)
async def test_close_waits(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1)
    expected = "When `close` is done, and the cancelled `release` too, no connection is open."
    await _gets(desk, "ann", expected="A pool of 1 lends a connection.")
    await _begins(desk, "ann")
    mark = len(lab.ledger)
    cut = Cut("`release`", 1, "suspended")
    async with lab.gate("rollback"):  # the database takes its time
        call = _cut(desk, "release", "ann", cut)
        await lab.until(lambda ledger: call.done() or bool(ledger.of("rollback", "statement", since=mark)))
        await _settle(desk)
        closing = desk.send_close()
        await asyncio.wait((call, closing), timeout=LONG)
        both = call.done() and closing.done()
        left = desk.open_connections
        expect(
            not both or not left,
            expected=expected,
            happened=f"{cut}, during its ROLLBACK. Then `close` was called, and both had ended; {are_open(left)}.",
            misconception="nobody-waits",
        )
    await _end_of(call, cut)
    await _end_of(closing, Cut("`close`", 0, ""))
    left = desk.open_connections
    expect(
        not left,
        expected=expected,
        happened=f"{cut}, during its ROLLBACK. Then `close` was called. When both had ended, {are_open(left)}.",
        misconception="nobody-waits",
    )


# --- opening another ---


@check(
    "A borrower who is cancelled while a connection is opened for it leaves neither a place taken nor one open",
    points=3,
    needs=["works-as-before"],
    lesson="what-does-a-cancellation-not-stop",
    quiz="cancellation.facts",
)
async def test_cancelled_in_opening(lab: Lab) -> None:
    begun = len(lab.ledger)

    async def trial(cut: Cut) -> bool:
        desk = Desk(lab, name=f"{cut.moment}-{cut.number}")  # a pool that has grown once has no need to grow again
        before, mark = desk.open_connections, len(lab.ledger)
        await desk.begin(min_size=1, max_size=2)
        expected = "When the borrower for whom a connection is opened is cancelled, its place is free, or it is lent."
        ann, ben, zoe = _names(desk, "ann", "ben", "zoe")
        keeper = await _gets(desk, ann, expected="A pool of 2 lends a connection.")
        answer = await desk.cancel("acquire", zoe, cut.number, cut.moment)
        await _give_back(desk, zoe, answer)
        used = await _gets(desk, ben, expected=expected, after=f"{cut}, with 1 of 2 lent", waits="place-lost")
        _expect_different(used, keeper, cut)
        _expect_at_most(desk, 2, mark, cut, beside=before)
        return answer.reached

    await _sweep("`acquire`, opening a connection,", trial)
    lost = lab.ledger.of("lost", since=begun)
    expect(
        not lost,
        expected="Each connection that was opened is lent or closed, also when its borrower is gone.",
        happened=f"Nobody closed connection {lost[0].connection if lost else 0}; it ended when Python found it unused.",
        misconception="opened-for-nobody",
        at=first(lost),
    )


# --- the error itself ---


@check(
    "CancelledError goes on to whoever cancelled",
    points=2,
    needs=["works-as-before"],
    lesson="why-must-the-error-go-on",
    quiz="cancellation.facts",
)
async def test_goes_on(lab: Lab) -> None:
    async def queued(desk: Desk, cut: Cut) -> Told:
        ann, ben, zoe = _names(desk, "ann", "ben", "zoe")
        await desk.acquire(ann)
        await desk.acquire(ben)
        call = _cut(desk, "acquire", zoe, cut)
        await _settle(desk)
        await desk.release(ann)
        return await _end_of(call, cut)

    async def opening(desk: Desk, cut: Cut) -> Told:
        ann, zoe = _names(desk, "ann", "zoe")
        await desk.acquire(ann)
        return await _end_of(_cut(desk, "acquire", zoe, cut), cut)

    async def visit(desk: Desk, cut: Cut) -> Told:
        return await _end_of(_cut(desk, "visit", "zoe", cut), cut)

    async def release(desk: Desk, cut: Cut) -> Told:
        (zoe,) = _names(desk, "zoe")
        await desk.acquire(zoe)
        await desk.query(zoe, "BEGIN")
        return await _end_of(_cut(desk, "release", zoe, cut), cut)

    for what, operation in (
        ("`acquire`, waiting in line,", queued),
        ("`acquire`, opening a connection,", opening),
        ("The block", visit),
        ("`release`", release),
    ):
        await _sweep(what, _expect_cancelled(lab, operation))


def _expect_cancelled(lab: Lab, operation: Callable[[Desk, Cut], Awaitable[Told]]) -> Callable[[Cut], Awaitable[bool]]:
    async def trial(cut: Cut) -> bool:
        # A pool of its own each time: what an earlier trial lost is another check's business.
        desk = Desk(lab, name=f"{operation.__name__}-{cut.moment}-{cut.number}")
        await desk.begin(min_size=1, max_size=2)
        answer = await operation(desk, cut)
        raised = answer.outcome == "raised"
        expect(
            not answer.reached or answer.outcome == "cancelled",
            expected="Whatever is cancelled ends with CancelledError, when the pool has tidied up.",
            happened=f"{cut}, and " + (f"raised {answer}." if raised else "returned as if nothing had happened."),
            misconception="another-error" if raised else "absorbs-it",
        )
        return answer.reached

    return trial


# --- cancelling ---


async def _sweep(what: str, trial: Callable[[Cut], Awaitable[bool]], *, first: int = 1) -> None:
    """Try each await at both moments; a trial tells whether there was one more.

    Args:
        first: the first await at which to cancel while it is suspended.
    """
    for moment in MOMENTS:
        for number in range(first if moment == "suspended" else 1, MOST_AWAITS):
            if not await trial(Cut(what, number, moment)):
                break


def _names(desk: Desk, *names: str) -> list[str]:
    """Return the names for a trial: new ones, for the app remembers what each borrower did before."""
    return [f"{name}-{len(desk.lab.ledger)}" for name in names]


def _cut(desk: Desk, operation: str, borrower: str, cut: Cut, **more: object) -> Call:
    """Begin what is to be cancelled, without waiting for its end."""
    path = f"/pools/{desk.name}/cancel/{operation}/{borrower}"
    return desk.lab.send("POST", path, body={"number": cut.number, "moment": cut.moment, **more})


async def _settle(desk: Desk) -> None:
    """Come back when the app has done what it can do without waiting for the database or for a borrower."""
    for _ in range(3):
        await desk.lab.get("/borrowers/nobody")


async def _queues(desk: Desk, borrower: str) -> Call:
    """Let a borrower stand in line, when all is lent; fail the check when it is lent something."""
    call = await desk.queue(borrower)
    answer = (await desk.lab.get(f"/borrowers/{borrower}")).json()
    expect(
        not isinstance(answer, dict) or answer.get("state") != "holds",
        expected="A connection is lent to one borrower at a time.",
        happened=f"After the cancellations before, with {connections(desk.max_size)} lent, one more was lent at once.",
        misconception="given-back-twice",
    )
    return call


async def _end_of(call: Call, cut: Cut) -> Told:
    """Wait until what was to be cancelled has ended."""
    await asyncio.wait((call,), timeout=ENDS)
    expect(
        call.done(),
        expected="What is cancelled ends soon, when the pool has tidied up.",
        happened=f"{cut}. {ENDS:g} seconds later it had not ended.",
        misconception="absorbs-it",
    )
    return told(call.result())


async def _give_back(desk: Desk, borrower: str, answer: Told) -> None:
    """Return what a borrower was lent after all: it had no such await, or did not learn that it was cancelled."""
    if answer.outcome == "returned":
        await desk.release(borrower)


# --- what must hold afterwards ---


async def _gets(
    desk: Desk,
    borrower: str,
    *,
    expected: str,
    call: Call | None = None,
    after: str = "",
    waits: str | Callable[[], str] | None = None,
) -> int:
    """Let a borrower acquire a connection and use it; return its number.

    Args:
        call: their `acquire`, where they queue already.
        after: what has happened, for the text.
        waits: the misconception when they wait in vain, or what finds it out.
    """
    call = call or desk.send_acquire(borrower)
    await asyncio.wait((call,), timeout=SOON)
    then = f"{after}. Then " if after else ""
    who = "the next borrower" if after else borrower
    expect(
        call.done(),
        expected=expected,
        happened=f"{then}{who} still waited when {SOON:g} seconds had passed.",
        misconception=waits() if callable(waits) else waits,
    )
    answer = told(call.result())
    expect(answer.ok, expected=expected, happened=f"{then}`acquire` raised {answer} for {who}.")
    used = await desk.use(borrower)
    expect(used is not None, expected=expected, happened=f"{then}what {who} was lent runs no query.")
    return used or 0


def _expect_different(used: int, keeper: int, cut: Cut) -> None:
    expect(
        used != keeper,
        expected="A connection is lent to one borrower at a time.",
        happened=f"{cut}. Then a borrower was given connection {used}, which another one holds.",
        misconception="given-back-twice",
    )


def _expect_at_most(desk: Desk, size: int, mark: int, cut: Cut, *, beside: int = 0) -> None:
    """Fail the check when more than `size` were open since `mark`, not counting those of other pools."""
    most = desk.most_open(mark)
    over = most if most is not None and most.state.total > size + beside else None
    expect(
        over is None,
        expected=f"With max_size={size}, no more than {connections(size)} are open at any time.",
        happened=f"{cut}. Then another was opened, and {are_open(over.state.total - beside if over else 0)}.",
        misconception="opened-for-nobody" if "opening" in cut.what else "forgets-the-old-one",
        at=over,
    )


async def _begins(desk: Desk, borrower: str) -> None:
    begun = await desk.query(borrower, "BEGIN")
    expect(begun.ok, expected="A borrower can begin a transaction.", happened=f"It raised {begun}.")


async def _expect_clean(desk: Desk, borrower: str, after: str, misconception: str | None) -> None:
    # ROLLBACK is an error where no transaction is open.
    found = await desk.query(borrower, "ROLLBACK")
    expect(
        not found.ok,
        expected="A connection that is lent has no open transaction.",
        happened=f"After this, the next borrower found a transaction open: {after}.",
        misconception=misconception,
    )


async def _expect_whole(desk: Desk, after: str, misconception: str | None) -> None:
    """Fail the check unless the pool, of which nothing is lent, lends max_size connections and no more."""
    size = desk.max_size
    expected = f"A pool of max_size={size} lends {connections(size)}, each to one borrower, and no more."
    used = [
        await _gets(desk, f"all-{number}", expected=expected, after=f"After {after}", waits=misconception)
        for number in range(size)
    ]
    expect(
        len(set(used)) == size,
        expected=expected,
        happened=f"After {after}, {size} borrowers had connections {', '.join(map(str, used))}.",
        misconception="given-back-twice",
    )
    mark = len(desk.lab.ledger)
    call = await desk.queue("one-more")
    await _settle(desk)
    opened = desk.lab.ledger.of("open", since=mark)
    expect(
        not call.done() and not opened,
        expected=expected,
        happened=f"After {after}, and with {size} lent, one more borrower was given a connection.",
        misconception="bigger-pool" if opened else "given-back-twice",
        at=first(opened),
    )
    for number in range(size):
        await desk.release(f"all-{number}")
    await _gets(desk, "one-more", call=call, expected=expected)
    await desk.release("one-more")


# --- telling ---


def _ran(events: list[Event], sql: str) -> bool:
    return any(sql in event.detail.casefold() for event in events)
