"""Exercise 12: a pool of your own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from pools import Desk, are_open, connections, held_openings, is_a, told
from shop import first

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Answer, Lab

QUIET, QUIET_S = 12, 0.06
"""Round trips through the app, and seconds, in which nothing happens at the database, and in which a pool with nothing
to lend would have shown that it lends something all the same."""

VAIN, VAIN_S = 40, 0.4
"""The same, after which whatever has not come is taken never to come."""

STEP, STEPS = 0.05, 40
"""Seconds by which the app's clock moves at a round trip, and how often: for a pool that looks again now and then."""

BRIEFLY = 0.02
"""Seconds to wait before the round trips begin."""

LATE = 1.5
"""Seconds within which an opening goes on that was held; the database looks now and then whether it may."""

MAX_TRIPS = 1000
"""For an app that never comes to rest."""

Call = asyncio.Task[Answer]


# --- opening ---


@check("`open` opens min_size connections", points=2, lesson="why-are-there-two-sizes", quiz="own-pool.grows")
async def test_opens_min_size(lab: Lab) -> None:
    low = lab.random.randint(2, 4)
    high = low + lab.random.randint(1, 3)
    desk = Desk(lab)
    made = await desk.make(min_size=low, max_size=high)
    expect(
        made.ok,
        expected=f"Pool(database, min_size={low}, max_size={high}) makes a pool.",
        happened=f"It raised {made}.",
    )
    expect(
        desk.open_connections == 0,
        expected="Making a pool opens nothing yet; `open` does.",
        happened=f"Before `open` was called, {are_open(desk.open_connections)}.",
    )
    opened = await desk.open()
    expect(opened.ok, expected="`open` opens the pool.", happened=f"It raised {opened}.")
    now = desk.open_connections
    expect(
        now == low,
        expected=f"When `open` is done, min_size={low} connections are open, before anybody borrows one.",
        happened=f"After `open`, with max_size={high}, {are_open(now)}.",
        misconception="opens-lazily" if now < low else "opens-all-at-once",
    )


@check(
    "Opening a pool that is open does nothing",
    needs=["opens-min-size"],
    lesson="why-are-there-two-sizes",
    quiz="own-pool.grows",
)
async def test_opens_once(lab: Lab) -> None:
    low = lab.random.randint(2, 3)
    desk = Desk(lab)
    await desk.begin(min_size=low, max_size=low + 2)
    again = await desk.open()
    now = desk.open_connections
    expect(
        again.ok and now == low,
        expected=f"A second `open` returns, and the same {connections(low)} are open as before.",
        happened=f"A second `open`: {again}; then {are_open(now)}.",
        misconception="opens-twice" if now > low else None,
    )


@check("Sizes that make no sense are refused with ValueError", lesson="why-are-there-two-sizes", quiz="own-pool.grows")
async def test_refuses_wrong_sizes(lab: Lab) -> None:
    desk = Desk(lab)
    size = lab.random.randint(2, 5)
    for low, high in ((0, size), (-size, size), (size + 1, size)):
        made = await desk.make(min_size=low, max_size=high)
        expect(
            is_a(made, "ValueError"),
            expected=f"Pool(database, min_size={low}, max_size={high}) raises ValueError.",
            happened=f"It raised {made}." if made.error else "It made a pool.",
            misconception="takes-any-size" if made.ok else "asserts-the-sizes",
        )
    for low, high in ((1, 1), (size, size)):
        made = await desk.make(min_size=low, max_size=high)
        expect(
            made.ok,
            expected=f"Pool(database, min_size={low}, max_size={high}) makes a pool: the sizes may be equal.",
            happened=f"It raised {made}.",
        )


# --- lending ---


@check(
    "`acquire` lends a connection that is open",
    points=2,
    needs=["opens-min-size"],
    lesson="who-has-which-connection",
    quiz="own-pool.grows",
)
async def test_lends_what_is_open(lab: Lab) -> None:
    low = lab.random.randint(1, 3)
    desk = Desk(lab)
    await desk.begin(min_size=low, max_size=low + 2)
    mark = len(lab.ledger)
    used = await _gets(desk, "ann", expected="`acquire` lends a connection.")
    opened = lab.ledger.of("open", since=mark)
    returned = await desk.release("ann")
    closed = lab.ledger.of("close", "lost", since=mark)
    expect(
        not opened,
        expected="While a connection is free, `acquire` lends it and opens none.",
        happened=(
            f"With {connections(low)} free, `acquire` opened connection {_numbers(opened)}, "
            f"and `release` closed {_numbers(closed) if closed else 'none'}."
        ),
        misconception="new-each-time" if closed else "opens-before-looking",
        at=first(opened),
    )
    expect(returned.ok, expected="`release` takes the connection back.", happened=f"It raised {returned}.")
    expect(
        used in _opened(lab, mark),
        expected="The borrower's query runs on one of the connections that `open` opened.",
        happened=f"It ran on connection {used}.",
    )


@check(
    "What was returned is lent again; nothing is opened or closed in between",
    points=2,
    needs=["lends-what-is-open"],
    lesson="who-has-which-connection",
    quiz="own-pool.after-the-rush",
)
async def test_lends_it_again(lab: Lab) -> None:
    low = lab.random.randint(1, 2)
    desk = Desk(lab)
    await desk.begin(min_size=low, max_size=low + 1)
    expected = "Borrowers who come one after another use the connections that are open, however many come."
    mark = len(lab.ledger)
    for number in range(1, low + 5):
        await _gets(desk, f"b{number}", expected=expected, waits="never-comes-back")
        returned = await desk.release(f"b{number}")
        expect(returned.ok, expected="`release` takes the connection back.", happened=f"It raised {returned}.")
        changes = lab.ledger.of("open", "close", "lost", since=mark)
        closed = [event for event in changes if event.kind != "open"]
        expect(
            not changes,
            expected=expected,
            happened=(
                f"By the time borrower {number} had returned theirs, {connections(len(changes) - len(closed))} had "
                f"been opened and {len(closed)} closed."
            ),
            misconception="closes-at-return" if closed else "never-comes-back",
            at=first(changes),
        )


@check(
    "Borrowers at the same time have different connections",
    points=2,
    needs=["lends-it-again"],
    lesson="who-has-which-connection",
    quiz="own-pool.grows",
)
async def test_lends_different_ones(lab: Lab) -> None:
    size = lab.random.randint(3, 4)
    _, held = await _all_lent(lab, *(f"b{number}" for number in range(size)))
    expect(
        len(set(held.values())) == size,
        expected=f"A pool of {size} lends {size} different connections to {size} borrowers at the same time.",
        happened=f"{size} borrowers had connections {_listed(held.values())}.",
        misconception="one-for-all",
        at=_last_statement(lab),
    )


@check(
    "Nobody is given what another borrower holds, in whatever order they return",
    points=2,
    needs=["lends-different-ones"],
    lesson="who-has-which-connection",
    quiz="testing-pools.returns",
)
async def test_lends_only_what_is_free(lab: Lab) -> None:
    desk, holding = await _all_lent(lab, "b0", "b1", "b2")
    expected = "A connection is lent to one borrower at a time, in whatever order they come back."
    # The oldest, the newest, and whatever this run draws.
    draws = [0, 2, *(lab.random.randrange(3) for _ in range(4))]
    for number, draw in enumerate(draws, 3):
        leaver, borrower = list(holding)[draw], f"b{number}"
        left = holding.pop(leaver)
        await desk.release(leaver)
        used = await _gets(desk, borrower, expected=expected)
        others = {connection: name for name, connection in holding.items()}
        expect(
            used not in others,
            expected=expected,
            happened=(
                f"Connection {left} was returned, and the next borrower was given connection {used}, "
                "which another borrower still held."
            ),
            misconception="counts-instead-of-keeping",
            at=_last_statement(lab),
        )
        holding[borrower] = used


# --- sizes ---


@check(
    "The pool grows to max_size when more borrow at the same time",
    points=2,
    needs=["lends-different-ones"],
    lesson="why-are-there-two-sizes",
    quiz="own-pool.grows",
)
async def test_grows(lab: Lab) -> None:
    low = lab.random.randint(1, 2)
    high = low + lab.random.randint(1, 2)
    desk = Desk(lab)
    await desk.begin(min_size=low, max_size=high)
    used: list[int] = []
    for number in range(1, high + 1):
        expected = f"With max_size={high}, borrower {number} gets a connection while {number - 1} are lent."
        used.append(await _gets(desk, f"b{number}", expected=expected, waits="never-grows", raises="never-grows"))
        now = desk.open_connections
        expect(
            max(low, number) <= now <= high,
            expected=f"With min_size={low} and max_size={high}, it opens another when none is free.",
            happened=f"With {number} lent, {are_open(now)}.",
        )
    expect(
        len(set(used)) == high,
        expected=f"{high} borrowers at the same time have {high} different connections.",
        happened=f"They had connections {_listed(used)}.",
        misconception="one-for-all",
    )


@check(
    "When max_size are lent, the next borrower waits",
    points=2,
    needs=["lends-different-ones"],
    lesson="why-does-the-third-reader-wait",
    quiz="own-pool.five",
)
async def test_waits_at_max(lab: Lab) -> None:
    size = lab.random.randint(1, 3)
    desk, _ = await _all_lent(lab, *(f"b{number}" for number in range(size)))
    expected = f"With max_size={size} and {size} lent, the next borrower waits, and no connection is opened."
    mark = len(lab.ledger)
    call = await desk.queue("next")
    await _comes(lab, lambda: call.done() or bool(lab.ledger.of("open", since=mark)), QUIET, QUIET_S)
    opened = lab.ledger.of("open", since=mark)
    answer = told(call.result()) if call.done() else None
    expect(
        answer is None and not opened,
        expected=expected,
        happened=(
            f"It opened connection {_numbers(opened)}."
            if opened
            else f"`acquire` raised {answer} at once."
            if answer and answer.error
            else "`acquire` lent something at once."
        ),
        misconception="grows-without-end" if opened else "raises-when-empty" if answer and answer.error else None,
        at=first(opened),
    )


# --- waiting ---


@check(
    "A return wakes a borrower who waits",
    points=2,
    needs=["waits-at-max"],
    lesson="why-does-the-third-reader-wait",
    quiz="own-pool.fair",
)
async def test_a_return_wakes_a_waiter(lab: Lab) -> None:
    size = lab.random.randint(1, 2)
    desk, _ = await _all_lent(lab, *(f"b{number}" for number in range(size)))
    expected = "When a connection is returned, a borrower who waits gets it soon."
    call = await desk.queue("next")
    mark = len(lab.ledger)
    await desk.release("b0")
    await _gets(desk, "next", call=call, expected=expected, waits="wakes-nobody")
    opened = lab.ledger.of("open", since=mark)
    expect(
        not opened,
        expected="The borrower who waited gets the connection that was returned.",
        happened=f"Connection {_numbers(opened)} was opened instead.",
        at=first(opened),
    )


@check(
    "However many come at once, max_size is never passed, and all are served",
    points=2,
    needs=["lends-only-what-is-free", "grows", "a-return-wakes-a-waiter"],
    lesson="why-are-there-two-sizes",
    quiz="own-pool.five",
)
async def test_serves_a_crowd(lab: Lab) -> None:
    high = 2
    for number in range(3):  # each time with a new pool, so that it has to grow
        desk = Desk(lab, f"pool{number}")
        before = desk.open_connections
        await desk.begin(min_size=1, max_size=high)
        mark = len(lab.ledger)
        crowd = [f"p{number}b{index}" for index in range(3 * high)]
        calls = [desk.send_acquire(name) for name in crowd]
        served = [asyncio.create_task(_served(desk, name, call)) for name, call in zip(crowd, calls, strict=True)]
        await _comes(lab, lambda served=served: all(each.done() for each in served))  # type: ignore[misc]
        left_out = [each for each in served if not each.done()]
        for each in left_out:
            each.cancel()
        most = desk.most_open(mark)
        highest = most.state.total - before if most else 0
        expect(
            highest <= high,
            expected=f"With max_size={high}, no more than {connections(high)} are open at any moment.",
            happened=f"When {len(crowd)} borrowers came at once, {are_open(highest)}.",
            misconception="counts-too-late",
            at=most,
        )
        got = sum(1 for each in served if each not in left_out and each.result() is not None)
        expect(
            got == len(crowd),
            expected=f"Each of {len(crowd)} borrowers who come at once gets a connection in the end.",
            happened=f"{got} of them got one; each of these returned theirs.",
        )


@check(
    "Borrowers who wait are served in the order in which they came",
    points=3,
    needs=["a-return-wakes-a-waiter"],
    lesson="why-does-the-third-reader-wait",
    quiz="own-pool.fair",
)
async def test_first_come_first_served(lab: Lab) -> None:
    desk, _ = await _all_lent(lab, "first")
    expected = "Who came first is served first: each connection that comes back goes to the one who waits longest."
    calls = {f"w{number}": await desk.queue(f"w{number}") for number in range(1, 6)}
    line = list(calls)
    order: list[str] = []
    leaver = "first"
    while calls:
        await desk.release(leaver)
        leaver = await _next_served(lab, calls, expected)
        order.append(leaver)
    expect(
        order == line,
        expected=expected,
        happened=f"They queued as {', '.join(line)}, and were served as {', '.join(order)}.",
        misconception="newest-first" if order == line[::-1] else "free-for-all",
    )
    # The same with newcomers, each of whom asks right after a return, while others wait.
    line = ["w6", "w7"]
    calls = {name: await desk.queue(name) for name in line}
    for number in range(8, 14):
        await desk.release(leaver)
        newcomer = f"w{number}"
        calls[newcomer] = await desk.queue(newcomer)
        line.append(newcomer)
        longest = line.pop(0)
        leaver = await _next_served(lab, calls, expected)
        expect(
            leaver == longest,
            expected=expected,
            happened=f"{longest} waited longest when a connection came back, but {leaver} was served"
            + (", who had come after the return." if leaver == newcomer else "."),
            misconception="free-for-all",
        )


@check(
    "A wait ends with TimeoutError after `timeout` seconds",
    points=2,
    needs=["waits-at-max"],
    lesson="why-does-the-third-reader-wait",
    quiz="own-pool.fair",
)
async def test_times_out(lab: Lab) -> None:
    timeout = float(lab.random.randint(40, 50))
    desk, _ = await _all_lent(lab, "ann", timeout=timeout)
    call = await desk.queue("ben")
    lab.advance(timeout / 2)
    await _comes(lab, call.done, QUIET, QUIET_S)
    expect(
        not call.done(),
        expected=f"With timeout={timeout:g}, a borrower may wait {timeout:g} seconds.",
        happened=f"After {timeout / 2:g} seconds: {_outcome(call)}.",
        misconception="ignores-the-timeout",
    )
    for _ in range(3):  # a timer may have been set a moment later than the wait began
        lab.advance(timeout)
        if await _comes(lab, call.done, QUIET, QUIET_S):
            break
    expect(
        call.done(),
        expected=f"With timeout={timeout:g}, a wait ends after {timeout:g} seconds with TimeoutError.",
        happened=f"After {3.5 * timeout:g} seconds the borrower still waited.",
        misconception="waits-for-ever",
    )
    answer = told(call.result())
    expect(
        is_a(answer, "TimeoutError"),
        expected="A wait that is over ends with TimeoutError, or a subclass of it.",
        happened=f"`acquire` raised {answer}." if answer.error else "`acquire` returned without a connection.",
        misconception="another-error",
    )
    await desk.release("ann")
    await _gets(
        desk,
        "cleo",
        expected="Who gave up takes no connection along: what comes back later is lent to the next who asks.",
        after="ben's time was over and ann had returned the only connection",
        waits="lost-to-who-gave-up",
    )


@check(
    "When those in front have given up, a return wakes whoever waits behind them",
    points=2,
    needs=["times-out", "first-come-first-served"],
    lesson="why-does-the-third-reader-wait",
    quiz="own-pool.fair",
)
async def test_passes_over_who_gave_up(lab: Lab) -> None:
    timeout = float(lab.random.randint(40, 50))
    desk, _ = await _all_lent(lab, "w1", timeout=timeout)
    leaver = "w1"
    for impatient, patient in ((["w2"], ["w3"]), (["w4", "w5", "w6", "w7", "w8"], ["w9", "w10"])):
        gone = [await desk.queue(name) for name in impatient]
        await lab.turn()  # their times begin before the clock moves
        lab.advance(timeout / 2)
        waiting = {name: await desk.queue(name) for name in patient}
        lab.advance(timeout / 2)
        ended = await _comes(lab, lambda gone=gone: all(call.done() for call in gone), QUIET, QUIET_S)  # type: ignore[misc]
        early = [name for name, call in waiting.items() if call.done()]
        expect(
            ended and not early,
            expected=f"With timeout={timeout:g}, a borrower may wait {timeout:g} seconds from when they came.",
            happened=f"{_listed(impatient)} came first, {_listed(patient)} {timeout / 2:g} s later. As long again, "
            + (f"{_listed(early)} had an answer already." if early else "not all of the first had an answer."),
        )
        for name in patient:
            await desk.release(leaver)
            await _gets(
                desk,
                name,
                call=waiting[name],
                expected="Who gave up keeps no place in the line: what comes back goes to the one behind them.",
                after=f"{_listed(impatient)} had given up and {leaver} had returned the only connection",
                waits="nobody-behind-who-gave-up",
            )
            leaver = name


# --- returning ---


@check(
    "Returning a connection twice counts once",
    points=2,
    needs=["waits-at-max"],
    lesson="who-has-which-connection",
    quiz="own-pool.twice",
)
async def test_a_second_return_counts_once(lab: Lab) -> None:
    desk, _ = await _all_lent(lab, "ann", "ben")
    await desk.release("ann")
    again = await desk.release("ann")
    expect(
        again.ok,
        expected="A second `release` of the same borrow does nothing.",
        happened=f"It raised {again}.",
        misconception="second-return-raises",
    )
    await _gets(desk, "cleo", expected="The connection that was returned is lent again.")
    expect(
        not await _is_given_one(desk, "dan"),
        expected="Of 2 connections one was returned, twice; so one borrower gets it, and the next one waits.",
        happened=f"Two borrowers got a connection; {are_open(desk.open_connections)}, and three borrowers hold one.",
        misconception="in-the-pool-twice",
    )


@check(
    "A second return leaves alone whoever has the connection by then",
    points=2,
    needs=["a-second-return-counts-once"],
    lesson="who-has-which-connection",
    quiz="own-pool.twice",
)
async def test_a_late_return_takes_nothing(lab: Lab) -> None:
    desk, _ = await _all_lent(lab, "ann")
    await desk.release("ann")
    await _gets(desk, "ben", expected="The connection that was returned is lent again.")
    row = await _writes(desk, "ben")
    await desk.release("ann")
    expected = "ann returned hers long ago; returning it again leaves it with ben, who has it now."
    expect(
        not await _is_given_one(desk, "cleo"),
        expected=expected,
        happened="After ann's second `release`, cleo was given the connection that ben holds.",
        misconception="takes-it-from-another",
        at=_last_statement(lab),
    )
    await _commits(desk, "ben")
    expect(
        await _stored(lab, row),
        expected=expected,
        happened="ann's second `release` rolled back what ben was writing.",
        misconception="takes-it-from-another",
        at=_last_statement(lab),
    )


@check(
    "A connection of another pool is refused",
    points=2,
    needs=["waits-at-max"],
    lesson="who-has-which-connection",
    quiz="own-pool.twice",
)
async def test_refuses_a_stranger(lab: Lab) -> None:
    ours, other = Desk(lab, "ours"), Desk(lab, "other")
    await ours.begin(min_size=1, max_size=1)
    await other.begin(min_size=1, max_size=1)
    strange = await _gets(other, "ann", expected="`acquire` lends a connection.")
    answer = await ours.release("ann")
    lent = await _gets(ours, "ben", expected="A pool of 1 lends a connection.")
    # A pool that took it in lends it at once, or next, as one more than it may.
    expect(
        lent != strange and not await _is_given_one(ours, "cleo"),
        expected="`release` refuses a connection that another pool lent.",
        happened=f"It took connection {strange} in, and lent one more than the pool's own.",
        misconception="takes-in-strangers",
    )
    expect(
        not answer.ok,
        expected="`release` raises an exception for a connection that another pool lent.",
        happened="It returned as if all was well.",
        misconception="ignores-strangers",
    )
    used = await other.use("ann")
    expect(
        used == strange,
        expected="Whoever returned a connection to the wrong pool still has it, to return it to the right one.",
        happened=f"After the refusal, their query ran on {f'connection {used}' if used else 'no connection'}.",
        misconception="takes-in-strangers",
    )


@check(
    "A connection that its borrower closed is replaced",
    points=2,
    needs=["lends-different-ones"],
    lesson="what-does-a-return-do",
    quiz="stale-connections.restart",
)
async def test_replaces_a_closed_one(lab: Lab) -> None:
    desk, held = await _all_lent(lab, "ann", "ben")
    await _closes_it(desk, "ann")
    returned = await desk.release("ann")
    expected = "After one of 2 connections was closed by its borrower and returned, the pool lends 2 again."
    for name in ("cleo", "dan"):
        if name == "dan":
            await desk.release("ben")
        used = await _gets(
            desk,
            name,
            expected=expected,
            after=f"connection {held['ann']} was closed and then returned (`release`: {returned})",
            waits="counted-for-ever",
            raises="lends-the-closed",
            dead="lends-the-closed",
        )
        expect(
            used != held["ann"],
            expected=expected,
            happened=f"{name} was given connection {used}, which was closed.",
            misconception="lends-the-closed",
        )
    now = desk.open_connections
    expect(now <= 2, expected="With max_size=2, no more than 2 are open.", happened=f"{are_open(now)}.")


@check(
    "A borrower who waits gets a new connection in place of a closed one",
    points=2,
    needs=["replaces-a-closed-one", "serves-a-crowd", "first-come-first-served"],
    lesson="what-does-a-return-do",
    quiz="own-pool.fair",
)
async def test_a_waiter_gets_the_replacement(lab: Lab) -> None:
    desk, _ = await _all_lent(lab, "ann")
    call = await desk.queue("ben")
    await _closes_it(desk, "ann")
    await desk.release("ann")
    await _gets(
        desk,
        "ben",
        call=call,
        expected="When what comes back is closed, whoever waits longest gets a new connection.",
        after="the only connection was closed and then returned",
        waits="forgets-the-waiter",
        dead="lends-the-closed",
    )
    await desk.release("ben")
    await _expect_its_place_is_kept(lab)
    await _expect_nobody_barges_in(lab)


async def _expect_nobody_barges_in(lab: Lab) -> None:
    """Fail the check when a closed connection's place goes to whoever asks in the same breath, past one who waits."""
    desk = Desk(lab, "breath")
    await desk.begin(min_size=1, max_size=1)
    await _gets(desk, "ida", expected="A pool of 1 lends a connection.")
    calls = {"jon": await desk.queue("jon")}
    await _closes_it(desk, "ida")
    calls["kim"] = desk.send_exchange("ida", "kim")
    await _comes(lab, lambda: any(call.done() for call in calls.values()))
    served = [name for name, call in calls.items() if call.done() and told(call.result()).ok]
    expect(
        served == ["jon"],
        expected="Who waits longest gets the connection that is opened in place of a closed one.",
        happened=(
            "jon waited. A closed connection was returned, and whoever returned it asked for another at once, for kim. "
            f"Served: {' and '.join(served) or 'nobody'}."
        ),
        misconception="free-for-all" if served else "forgets-the-waiter",
    )


async def _expect_its_place_is_kept(lab: Lab) -> None:
    """Fail the check when somebody else is lent another while a closed connection is being replaced."""
    desk = Desk(lab, "slow")
    before = desk.open_connections
    await desk.begin(min_size=1, max_size=1)
    await _gets(desk, "fay", expected="A pool of 1 lends a connection.")
    calls = {"gus": await desk.queue("gus")}
    await _closes_it(desk, "fay")
    mark = len(lab.ledger)
    async with held_openings(lab):
        returning = lab.send("POST", f"/pools/{desk.name}/release/fay")
        await _comes(lab, lambda: False, QUIET, QUIET_S)
        calls["hal"] = await desk.queue("hal")
    await lab.until(lambda ledger: bool(ledger.of("open", "refused", since=mark)), within=LATE)
    await _comes(lab, lambda: returning.done() and calls["gus"].done())
    await _comes(lab, calls["hal"].done, QUIET, QUIET_S)
    if lab.ledger.of("refused", since=mark):
        return  # a pool that has its connections give up sooner than we let go
    most = desk.most_open(mark)
    highest = most.state.total - before if most else 0
    served = [name for name, call in calls.items() if call.done() and told(call.result()).ok]
    expect(
        highest <= 1 and served != ["gus", "hal"],
        expected="With max_size=1 one connection is open at most, also while a closed one is being replaced.",
        happened=(
            f"While a connection was opened for gus, who waited, in place of a closed one, hal came. "
            f"Then {are_open(highest)}, and lent to {' and '.join(served) or 'nobody'}."
        ),
        misconception="counts-too-late",
        at=most,
    )
    expect(
        served == ["gus"],
        expected="Who waits longest gets the connection that is opened in place of a closed one.",
        happened=f"gus waited, and hal came later. Served: {' and '.join(served) or 'nobody'}.",
        misconception="free-for-all" if served else "forgets-the-waiter",
    )


# --- transactions ---


@check(
    "An open transaction is rolled back when its connection is returned",
    points=2,
    needs=["lends-it-again"],
    lesson="what-does-a-return-do",
    quiz="own-pool.without-commit",
)
async def test_rolls_back(lab: Lab) -> None:
    desk, held = await _all_lent(lab, "ann")
    number = held["ann"]
    kept = await _writes(desk, "ann")
    await _commits(desk, "ann")
    left = await _writes(desk, "ann")
    mark = len(lab.ledger)
    await desk.release("ann")
    await _comes(lab, lambda: bool(lab.ledger.of("rollback", "commit", "close", since=mark)))
    ends = lab.ledger.of("rollback", "commit", "close", "lost", since=mark, connection=number)
    expected = "What a borrower wrote and did not commit is rolled back when the connection is returned."
    expect(
        bool(ends) and ends[0].kind != "commit",
        expected=expected,
        happened=(
            f"Connection {number} was returned with an open transaction, and `release` committed it."
            if ends
            else f"Connection {number} was returned with an open transaction, and nothing ended it."
        ),
        misconception="commits-at-return" if ends else "transaction-left-open",
        at=first(ends) or _last_statement(lab),
    )
    await _gets(desk, "ben", expected="The connection that was returned is lent again.", waits="never-comes-back")
    await _commits(desk, "ben")
    expect(
        not await _stored(lab, left),
        expected=expected,
        happened="The next borrower's commit stored it.",
        misconception="transaction-left-open",
    )
    expect(
        await _stored(lab, kept),
        expected="What a borrower committed stays.",
        happened="It was gone after the return.",
    )


@check(
    "A borrower who waited gets a connection without the other's transaction",
    points=2,
    needs=["rolls-back", "a-return-wakes-a-waiter"],
    lesson="what-does-a-return-do",
    quiz="own-pool.without-commit",
)
async def test_hands_over_clean(lab: Lab) -> None:
    desk, _ = await _all_lent(lab, "ann")
    left = await _writes(desk, "ann")
    call = await desk.queue("ben")
    await desk.release("ann")
    expected = "What ann left uncommitted is rolled back before ben, who waited, gets her connection."
    await _gets(desk, "ben", call=call, expected=expected, waits="wakes-nobody")
    begun = await desk.query("ben", "BEGIN")
    expect(
        begun.ok,
        expected=expected,
        happened=f"ben could not begin a transaction of his own: {begun}.",
        misconception="hands-over-the-transaction",
        at=_last_statement(lab),
    )
    own = _new_row(lab)
    await desk.query("ben", "INSERT INTO orders (id, item_id, pieces) VALUES (?, 1, 1)", own)
    await _commits(desk, "ben")
    expect(
        await _stored(lab, own) and not await _stored(lab, left),
        expected=expected,
        happened=(
            "ben's commit stored what ann had left."
            if await _stored(lab, left)
            else "What ben wrote was rolled back with what ann had left."
        ),
        misconception="hands-over-the-transaction",
    )


# --- the block ---


@check(
    "`async with pool.connection()` lends for the length of its block, also when the block raises",
    points=2,
    needs=["lends-it-again"],
    lesson="what-does-a-return-do",
    quiz="every-path.finally-404",
)
async def test_lends_for_a_block(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1)
    mark = len(lab.ledger)
    done, used = await desk.visit()
    expect(
        done.ok and used is not None,
        expected="A query runs in `async with pool.connection() as connection:`.",
        happened=f"{done}; the query reached {f'connection {used}' if used else 'no connection'}.",
    )
    await _expect_it_is_back(desk, mark, "after the block", "never-comes-back")
    failed, _ = await desk.visit(fail=True)
    await _expect_it_is_back(desk, mark, "after a block that raised", "loses-it-on-an-error")
    expect(
        failed.error == "RuntimeError",
        expected="The error of the block goes on to whoever wrote the block.",
        happened=f"The block raised RuntimeError; what came out: {failed}.",
        misconception="swallows-the-error",
    )


# --- closing ---


@check(
    "`close` closes every connection",
    points=2,
    needs=["grows"],
    lesson="what-does-closing-mean",
    quiz="pool-shutdown.why-close",
)
async def test_closes(lab: Lab) -> None:
    low = lab.random.randint(1, 2)
    desk = Desk(lab)
    await desk.begin(min_size=low, max_size=low + 2)
    # More than `open` opened: those that came later are to be closed too.
    for number in range(low + 2):
        await _gets(desk, f"b{number}", expected=f"A pool with max_size={low + 2} lends {low + 2} connections.")
    for number in range(low + 2):
        await desk.release(f"b{number}")
    closed = await desk.close()
    await _comes(lab, lambda: desk.open_connections == 0)
    now = desk.open_connections
    expect(
        closed.ok and now == 0,
        expected="`close` closes every connection; none is left open.",
        happened=f"`close`: {closed}; afterwards {are_open(now)}.",
        misconception="leaves-them-open" if now else None,
    )
    again = await desk.close()
    expect(again.ok, expected="Closing a closed pool does nothing.", happened=f"It raised {again}.")


@check(
    "What is lent while the pool closes stays usable, and is closed when it comes back",
    points=2,
    needs=["closes"],
    lesson="what-does-closing-mean",
    quiz="pool-shutdown.held",
)
async def test_closes_what_comes_back_late(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=3, max_size=3)
    held = {name: await _gets(desk, name, expected="A pool of 3 lends 3 connections.") for name in ("ann", "ben")}
    closing = desk.send_close()
    # A pool that waits for its borrowers is not done yet, and need not be.
    await _comes(lab, closing.done, QUIET, QUIET_S)
    for name, connection in held.items():
        used = await desk.use(name)
        expect(
            used == connection,
            expected="Whoever holds a connection while the pool closes can still use it, until they return it.",
            happened=f"After `close` was called, the query of {name} failed on connection {connection}.",
            misconception="closes-it-under-its-borrower",
            at=next(iter(lab.ledger.of("close", connection=connection)), None),
        )
    for name in held:
        await desk.release(name)
    await _comes(lab, lambda: desk.open_connections == 0)
    now = desk.open_connections
    expect(
        now == 0,
        expected="A connection that comes back to a closed pool is closed.",
        happened=f"When both borrowers had returned theirs, {are_open(now)}.",
        misconception="keeps-late-returns",
    )
    await _comes(lab, closing.done)
    expect(
        closing.done() and told(closing.result()).ok,
        expected="`close` returns once everything is closed, at the latest.",
        happened=f"`close`: {_outcome(closing)}.",
    )


@check(
    "A closed pool that is opened again is whole, or says clearly that it stays closed",
    points=2,
    needs=["closes"],
    lesson="what-does-closing-mean",
    quiz="pool-startup.while-serving",
)
async def test_opens_again_or_refuses(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=2, max_size=3)
    for name in ("ann", "ben", "cleo"):
        await _gets(desk, name, expected="A pool with max_size=3 lends 3 connections.")
    for name in ("ann", "ben", "cleo"):
        await desk.release(name)
    await desk.close()
    mark = len(lab.ledger)
    again = await desk.open()
    now = desk.open_connections
    if again.error:
        expect(
            now == 0,
            expected="A pool that refuses to be opened again opens nothing.",
            happened=f"`open` raised {again}, and {are_open(now)}.",
            misconception="half-open-again",
        )
        return
    expect(
        now == 2,
        expected="A closed pool that is opened again has min_size=2 connections, or `open` raises an exception.",
        happened=f"`open` returned, and {are_open(now)}.",
        misconception="half-open-again",
    )
    used = await desk.lends(3, prefix="again")
    most = desk.most_open(mark)
    expect(
        len(used) == 3 and (most is None or most.state.total <= 3),
        expected="A pool that was opened again lends max_size=3 connections, as before.",
        happened=f"It lent {len(used)}; {are_open(most.state.total if most else 0)} at most.",
        misconception="half-open-again",
    )


# --- refusing ---


@check(
    "A pool that was not opened refuses to lend",
    needs=["opens-min-size"],
    lesson="what-does-closing-mean",
    quiz="pool-startup.first-visitor",
)
async def test_refuses_before_open(lab: Lab) -> None:
    desk = Desk(lab)
    made = await desk.make(min_size=2, max_size=3)
    expect(made.ok, expected="Pool(database, min_size=2, max_size=3) makes a pool.", happened=f"It raised {made}.")
    await _expect_refusal(desk, "ann", "that was never opened", "opens-by-itself")


@check(
    "A pool that was closed refuses to lend",
    points=2,
    needs=["closes"],
    lesson="what-does-closing-mean",
    quiz="pool-startup.while-serving",
)
async def test_refuses_after_close(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=2)
    await _gets(desk, "ann", expected="`acquire` lends a connection.")
    await desk.release("ann")
    await desk.close()
    await _expect_refusal(desk, "ben", "that was closed", "lends-when-closed")


# --- borrowing ---


async def _all_lent(lab: Lab, *borrowers: str, **settings: object) -> tuple[Desk, dict[str, int]]:
    """Open a pool of as many connections as there are borrowers, and let each have one; tell which."""
    desk, size = Desk(lab), len(borrowers)
    await desk.begin(min_size=size, max_size=size, **settings)
    expected = f"A pool with min_size={size} and max_size={size} lends {connections(size)} at the same time."
    return desk, {name: await _gets(desk, name, expected=expected) for name in borrowers}


async def _is_given_one(desk: Desk, borrower: str) -> bool:
    """Whether a borrower is given a connection when the pool should have none for them."""
    call = await desk.queue(borrower)
    await _comes(desk.lab, call.done, QUIET, QUIET_S)
    return call.done() and told(call.result()).ok


async def _gets(
    desk: Desk,
    borrower: str,
    *,
    expected: str,
    call: Call | None = None,
    after: str = "",
    waits: str | None = None,
    raises: str | None = None,
    dead: str | None = None,
) -> int:
    """Let a borrower acquire a connection and use it; return its number.

    Args:
        call: their `acquire`, where they queue already.
        after: what has happened, for the text.
        waits: the misconception when they wait in vain, `raises` when they get an error, `dead` when no query runs.
    """
    call = call or desk.send_acquire(borrower)
    await asyncio.wait((call,), timeout=BRIEFLY)  # what comes at once is worth no round trips
    await _comes(desk.lab, call.done)
    then = f"After {after}, " if after else ""
    expect(
        call.done(),
        expected=expected,
        happened=f"{then}{borrower} waited in vain, while nothing else went on; {are_open(desk.open_connections)}.",
        misconception=waits,
    )
    answer = told(call.result())
    expect(
        answer.ok,
        expected=expected,
        happened=f"{then}`acquire` raised {answer} for {borrower}.",
        misconception=raises,
    )
    used = await desk.use(borrower)
    if used is None:
        failed = await desk.query(borrower, "SELECT 1")
        expect(
            False,
            expected=expected,
            happened=f"{then}what `acquire` lent to {borrower} runs no query: {failed}.",
            misconception=dead,
        )
        raise AssertionError
    return used


async def _served(desk: Desk, borrower: str, call: Call) -> int | None:
    """Let one of a crowd use what they get, and return it; tell on which connection, None when they got none."""
    if told(await call).error:
        return None
    used = await desk.use(borrower)
    await desk.release(borrower)
    return used


async def _next_served(lab: Lab, calls: dict[str, Call], expected: str) -> str:
    """Wait until one of those who queue is served; take them out of `calls`, and return their name."""
    await _comes(lab, lambda: any(call.done() for call in calls.values()))
    names = [name for name, call in calls.items() if call.done()]
    errors = [told(calls[name].result()) for name in names if told(calls[name].result()).error]
    happened = (
        f"`acquire` raised {errors[0]}." if errors else f"After a return, {len(names)} of those who waited got one."
    )
    expect(len(names) == 1 and not errors, expected=expected, happened=happened)
    del calls[names[0]]
    return names[0]


async def _expect_refusal(desk: Desk, borrower: str, which: str, misconception: str) -> None:
    call = await desk.queue(borrower)
    await _comes(desk.lab, call.done)
    answer = told(call.result()) if call.done() else None
    expect(
        answer is not None and bool(answer.error),
        expected=f"`acquire` of a pool {which} raises an exception at once.",
        happened=(
            f"It lent a connection; {are_open(desk.open_connections)}."
            if answer
            else f"{borrower} waited, and nothing went on."
        ),
        misconception=misconception if answer else "waits-in-vain",
    )
    now = desk.open_connections
    expect(
        now == 0,
        expected=f"A pool {which} opens no connection.",
        happened=f"After `acquire`, {are_open(now)}.",
        misconception=misconception,
    )


async def _expect_it_is_back(desk: Desk, mark: int, when: str, misconception: str) -> None:
    """Fail the check unless a pool of one can lend its connection."""
    borrower = f"b{len(desk.lab.ledger)}"
    expected = f"The connection is back in the pool {when}."
    await _gets(desk, borrower, expected=expected, waits=misconception)
    await desk.release(borrower)
    changes = desk.lab.ledger.of("open", "close", "lost", since=mark)
    expect(
        not changes,
        expected=expected,
        happened=f"Of the pool's connections, {len(changes)} had been opened or closed {when}.",
        misconception=misconception,
        at=first(changes),
    )


async def _closes_it(desk: Desk, borrower: str) -> None:
    """Let a borrower close the connection itself."""
    closed = told(await desk.lab.request("POST", f"/borrowers/{borrower}/close"))
    expect(closed.ok, expected="What `acquire` lends can be closed.", happened=f"Its `close` raised {closed}.")


async def _comes(lab: Lab, over: Callable[[], bool], trips: int = VAIN, seconds: float = VAIN_S) -> bool:
    """Wait until something is so; tell whether it came to that, which it will not when the app is at rest.

    It is at rest when, in so many round trips of our own, which a busy machine slows down as well, and in so many
    seconds nothing happened at the database.
    """
    loop = asyncio.get_running_loop()
    calm, since, seen = 0, loop.time(), len(lab.ledger)
    for trip in range(MAX_TRIPS):
        if over():
            return True
        if calm >= trips and loop.time() >= since + seconds:
            return False
        if trip < STEPS:
            lab.advance(STEP)
        await lab.turn()
        # Trips without a rest would take the machine from the very app that is waited for.
        await lab.until(lambda ledger: over() or len(ledger) != seen, within=seconds / trips)  # noqa: B023
        if len(lab.ledger) == seen:
            calm += 1
        else:
            calm, since, seen = 0, loop.time(), len(lab.ledger)
    return over()


# --- writing ---


def _new_row(lab: Lab) -> int:
    return lab.random.randrange(10_000, 10_000_000)


async def _writes(desk: Desk, borrower: str) -> int:
    """Let a borrower begin a transaction and write a row; return the row's id."""
    row = _new_row(desk.lab)
    # Said aloud, so that it is a transaction at every isolation level that a pool may connect with.
    for sql, params in (
        ("BEGIN", ()),
        ("INSERT INTO orders (id, item_id, pieces) VALUES (?, 1, 1)", (row,)),
    ):
        wrote = await desk.query(borrower, sql, *params)
        expect(wrote.ok, expected="A borrower can write in a transaction.", happened=f"{sql!r} raised {wrote}.")
    return row


async def _commits(desk: Desk, borrower: str) -> None:
    done = told(await desk.lab.request("POST", f"/borrowers/{borrower}/commit"))
    expect(done.ok, expected="A borrower can commit.", happened=f"`commit` raised {done}.")


async def _stored(lab: Lab, row: int) -> bool:
    return bool(await lab.sql("SELECT 1 FROM orders WHERE id = ?", (row,)))


# --- telling ---


def _outcome(call: Call) -> str:
    if not call.done():
        return "it did not return"
    answer = told(call.result())
    return f"it raised {answer}" if answer.error else "it returned"


def _opened(lab: Lab, until: int) -> set[int]:
    """The connections that were opened before an event."""
    return {event.connection for event in lab.ledger.of("open") if event.seq <= until and event.connection}


def _last_statement(lab: Lab) -> Event | None:
    return next(reversed(lab.ledger.of("statement")), None)


def _numbers(events: list[Event]) -> str:
    return ", ".join(str(event.connection) for event in events)


def _listed(numbers: Iterable[int | str]) -> str:
    return ", ".join(map(str, numbers))
