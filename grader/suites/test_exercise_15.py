"""Exercise 15: stale connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pools import SOON, Desk, connections, held_openings, told
from shop import first

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Answer, Lab

QUIET = 0.3
"""Seconds in which a pool with nothing to lend shows that it lends something all the same."""

A_MOMENT = 0.2
"""Seconds of real time for what a pool does by itself when the clock was moved."""

MANY, CLEARINGS = 200_000, 8
"""Objects that are made in one go, after which Python looks for those that nobody has, and how often they are made:
on a busy machine the connection's own thread takes its time to close it."""

Call = asyncio.Task[Answer]


@dataclass(frozen=True)
class Try:
    """What came of one borrower's `acquire` and a query afterwards.

    `connection` is the one that the query ran on, None when it ran on none; `got` tells whether `acquire` lent
    something, `waits` whether it had not ended.
    """

    borrower: str
    connection: int | None = None
    got: bool = False
    waits: bool = False
    why: str = ""

    @property
    def ok(self) -> bool:
        """Whether the borrower could work."""
        return self.connection is not None

    def __str__(self) -> str:
        return f"{self.borrower} had connection {self.connection}" if self.ok else self.why


# --- still a pool ---


@check(
    "It is still a pool: it lends, waiters wait, a return wakes them",
    lesson="what-does-a-check-cost",
    quiz="own-pool.fair",
)
async def test_is_still_a_pool(lab: Lab) -> None:
    high = lab.random.randint(2, 3)
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=high)
    names = [f"b{number}" for number in range(1, high + 1)]
    lent = [await _tries(desk, name) for name in names]
    expect(
        len({each.connection for each in lent if each.ok}) == high,
        expected=f"With max_size={high}, {high} borrowers at the same time have {high} different connections.",
        happened=f"{_listed(lent)}.",
    )
    call = await desk.queue("next")
    await _ends(call, within=QUIET)
    expect(
        not call.done() and desk.open_connections == high,
        expected=f"When {high} are lent, the next borrower waits, and nothing is opened.",
        happened=f"`acquire` {_outcome(call)}; {_are_open(desk.open_connections)}.",
    )
    returning = lab.send("POST", f"/pools/{desk.name}/release/{names[0]}")
    await _ends(returning, within=SOON)
    expected = "A return ends at once, and wakes the borrower who waits."
    expect(
        returning.done(),
        expected=expected,
        happened=f"While one borrower waited, `release` had not ended after {SOON:g} seconds.",
        misconception="waits-under-a-lock",
    )
    nxt = await _tries(desk, "next", call)
    expect(nxt.ok, expected=expected, happened=f"{nxt}.", misconception="loses-the-place" if nxt.waits else None)


@check(
    "A pool whose connections are well opens and closes none",
    needs=["is-still-a-pool"],
    points=2,
    lesson="what-does-a-check-cost",
    quiz="stale-connections.hangs",
)
async def test_leaves_the_well_alone(lab: Lab) -> None:
    size = lab.random.randint(1, 2)
    desk = Desk(lab)
    await desk.begin(min_size=size, max_size=size + 1)
    mark = len(lab.ledger)
    for number in range(1, size + 4):
        each = await _tries(desk, f"b{number}")
        expect(each.ok, expected="A pool with free connections lends one.", happened=f"{each}.")
        await desk.release(f"b{number}")
        lab.advance(20)
        changes = lab.ledger.of("open", "close", "lost", since=mark)
        opened = [event for event in changes if event.kind == "open"]
        expect(
            not changes,
            expected="Connections that work and are young are lent again; nothing is opened or closed.",
            happened=(
                f"By the time borrower {number} had returned theirs, {connections(len(opened))} had been opened "
                f"and {len(changes) - len(opened)} closed; nothing was wrong with any."
            ),
            misconception="asks-the-database" if changes[:1] == opened[:1] else "closes-every-time",
            at=first(changes),
        )


@check(
    "A statement that the database refuses costs no connection",
    needs=["leaves-the-well-alone"],
    points=2,
    lesson="what-does-an-error-tell",
    quiz="stale-connections.wrong-sql",
)
async def test_an_sql_error_costs_nothing(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1)
    one = await _tries(desk, "first")
    expect(one.ok, expected="A pool of 1 lends its connection.", happened=f"{one}.")
    await desk.release("first")
    table = f"nowhere_{lab.random.randrange(1000, 10_000)}"
    errors = (
        ("a table that is not there", "OperationalError", f"SELECT * FROM {table}"),
        ("a row that is there already", "IntegrityError", "INSERT INTO orders (id, item_id, pieces) VALUES (1, 1, 1)"),
        ("a statement that is no SQL", "OperationalError", f"SELCT {table}"),
        ("a database that is locked for a moment", "OperationalError", f"SELECT '{table}'"),
    )
    for number, (what, raised, sql) in enumerate(errors, 1):
        for block in (False, True):
            if "locked" in what:
                lab.faults.fail_statement(table, "database is locked")
            mark = len(lab.ledger)
            if block:
                answer = await lab.request("POST", f"/pools/{desk.name}/visit", body={"sql": sql})
                error = told(answer)
            else:
                got = await desk.acquire(f"b{number}")
                expect(got.ok, expected="A pool of 1 lends its connection.", happened=f"`acquire` raised {got}.")
                error = await desk.query(f"b{number}", sql)
                await desk.release(f"b{number}")
            expect(
                error.error == raised,
                expected="The error of a borrower's statement reaches the borrower, as it is.",
                happened=(
                    f"A statement{' in `async with pool.connection()`' if block else ''} met {what}, which raises "
                    f"{raised}; that did not come out. Instead: {error}."
                ),
                misconception="repeats-the-work" if _sent(lab, sql, mark) > 1 else "hides-the-error",
            )
            after = await _tries(desk, f"a{number}{'block' if block else ''}")
            if after.got:
                await desk.release(after.borrower)
            changes = lab.ledger.of("open", "close", "lost", since=mark)
            expect(
                after.connection == one.connection and not changes,
                expected="The connection is as good as before: the next borrower has it, and nothing was opened.",
                happened=(
                    f"A statement met {what}"
                    f"{' in `async with pool.connection()`' if block else ''}; afterwards {after}"
                    f", and {connections(len(changes))} had been opened or closed."
                ),
                misconception="throws-away-on-error",
                at=first(changes),
            )


# --- dead ones ---


@check(
    "A connection that died while it was free is replaced",
    needs=["is-still-a-pool"],
    points=3,
    lesson="how-does-anybody-learn-that-a-connection-is-dead",
    quiz="stale-connections.checked",
)
async def test_replaces_a_dead_one(lab: Lab) -> None:
    size = 3
    desk = Desk(lab)
    await desk.begin(min_size=size, max_size=size)
    ann = await _tries(desk, "ann")
    expect(ann.ok, expected=f"A pool of {size} lends a connection.", happened=f"{ann}.")
    others = [number for number in _open(lab) if number != ann.connection]
    expect(
        len(others) == size - 1,
        expected=f"A pool of {size} has {size} connections open.",
        happened=f"It has {len(others)} besides the one that ann has.",
    )
    dead = lab.random.choice(others)
    await _cut(lab, [dead])
    mark = len(lab.ledger)
    story = f"Connection {dead}, one of {size - 1} that were free, died"
    early = await _together(desk, size - 1, "b")
    expected = f"In place of a dead connection a new one is opened, so a pool of {size} still lends {size}."
    _expect_no_waiting(early, expected, story)
    failed = [each for each in early if not each.ok]
    expect(
        len(failed) <= 1,
        expected="One connection died, so at most one borrower notices.",
        happened=f"{story}; {_listed(failed)}.",
        misconception=_lent_dead(lab, mark),
    )
    used = await desk.use("ann")
    expect(
        used == ann.connection,
        expected="Whoever holds a connection that is well keeps it while a dead one is replaced.",
        happened=f"{story}; after it was found, connection {ann.connection}, which ann held, ran no query of hers.",
        misconception="reopens-everything",
        at=first(lab.ledger.of("close", connection=ann.connection)),
    )
    _expect_within(desk, mark, size, "reopens-everything")
    await desk.release("ann")
    second = await _together(desk, size, "c")
    expected = "After one failure at most, a dead connection is gone and another is in its place."
    _expect_no_waiting(second, expected, story)
    failed = [each for each in second if not each.ok]
    expect(
        not failed,
        expected=expected,
        happened=f"{story}, and {size - 1} borrowers had come. When {size} more came, {_listed(failed)}.",
        misconception=_lent_dead(lab, mark) if failed and failed[0].got else "puts-it-back",
    )
    _expect_within(desk, mark, size, "reopens-everything")


@check(
    "After a restart of the database the pool lends max_size at once, with one failure at most",
    needs=["replaces-a-dead-one"],
    points=3,
    lesson="how-does-anybody-learn-that-a-connection-is-dead",
    quiz="stale-connections.restart",
)
async def test_outlives_a_restart(lab: Lab) -> None:
    high = lab.random.randint(4, 5)  # an odd and an even number: some of those who check look at every second one
    desk = Desk(lab)
    await desk.begin(min_size=lab.random.randint(1, 2), max_size=high)
    grown = await _together(desk, high, "a")
    start = len(lab.ledger)
    grown.append(await _tries(desk, "last"))
    expect(all(each.ok for each in grown), expected=f"The pool lends {high}.", happened=f"{_listed(grown)}.")
    back = len(lab.ledger)
    await desk.release("last")
    asked = _asked(lab, start)
    on_return = [event for event in asked if event.seq > back]
    before = _open(lab)
    await _cut(lab, before)
    mark = len(lab.ledger)
    story = f"The database restarted, and all {connections(len(before))} died"
    tried = [await _tries(desk, "first")]
    if tried[0].got:
        await desk.release("first")
    tried += await _one_by_one(desk, high, "b")
    expected = (
        f"At most one borrower meets a broken connection; after that the pool lends {high} that work, at the same time."
    )
    _expect_no_waiting(tried, expected, story)
    failed = [each for each in tried if not each.ok]
    expect(
        len(failed) <= 1,
        expected=expected,
        happened=f"{story}. Of {len(tried)} borrowers, {len(failed)} failed: {_listed(failed)}.",
        misconception="checks-on-return" if on_return else "checks-one-only" if asked else "suspects-one-only",
    )
    _expect_within(desk, mark, high)


@check(
    "A connection that died while it was lent is not handed on to a borrower who waits",
    needs=["replaces-a-dead-one"],
    points=2,
    lesson="how-does-anybody-learn-that-a-connection-is-dead",
    quiz="stale-connections.restart",
)
async def test_hands_on_no_dead_one(lab: Lab) -> None:
    for number, writes in enumerate((False, True)):
        desk = Desk(lab, f"pool{number}")
        await desk.begin(min_size=1, max_size=1)
        ann, ben = f"ann{number}", f"ben{number}"
        lent = await _tries(desk, ann)
        expect(lent.ok, expected="A pool of 1 lends its connection.", happened=f"{lent}.")
        call = await desk.queue(ben)
        if writes:
            await desk.query(ann, "BEGIN")
        await _cut(lab, [lent.connection])
        if not writes:
            await desk.query(ann, "SELECT 1")  # fails, so that whoever watches errors can know
        await desk.release(ann)
        nxt = await _tries(desk, ben, call)
        story = f"Connection {lent.connection} died while it was lent{', in a transaction,' if writes else ''}"
        expect(
            nxt.ok,
            expected="Who waits for a connection gets one that works, a new one where the returned one is dead.",
            happened=f"{story} and came back; {nxt}.",
            misconception="loses-the-place" if nxt.waits else "hands-on-unchecked",
        )
        await desk.release(ben)


@check(
    "The pool never repeats a borrower's statement",
    needs=["is-still-a-pool"],
    points=2,
    lesson="what-does-an-error-tell",
    quiz="stale-connections.repeat",
)
async def test_repeats_no_work(lab: Lab) -> None:
    insert = "INSERT INTO orders (id, item_id, pieces) VALUES (?, 1, 1)"
    for borrower, dies in (("ann", True), ("ben", False)):
        desk = Desk(lab, f"{borrower}s")
        await desk.begin(min_size=1, max_size=1)
        row = lab.random.randrange(10_000, 10_000_000)
        lent = await _tries(desk, borrower)
        expect(lent.ok, expected="A pool of 1 lends its connection.", happened=f"{lent}.")

        def sent(row: int = row) -> list[Event]:
            return [event for event in lab.ledger.of("statement") if row in event.params]

        body = {"sql": insert, "params": [row]}
        if dies:
            async with lab.gate("insert into orders"):
                call = lab.send("POST", f"/borrowers/{borrower}/query", body=body)
                await lab.until(lambda _: bool(sent()), within=SOON)
                lab.faults.kill(lent.connection or 0)
                await _ends(call, within=SOON, lab=lab, unless=lambda sent=sent: len(sent()) > 1)  # type: ignore[misc]
            what = "its connection died before the answer came"
        else:
            lab.faults.fail_statement("insert into orders", "database is locked")
            call = lab.send("POST", f"/borrowers/{borrower}/query", body=body)
            what = "it failed with `database is locked`"
        await _ends(call, within=SOON)
        times = sent()
        expect(
            len(times) == 1,
            expected="An INSERT reaches the database once; only its borrower can know whether to try again.",
            happened=f"An INSERT reached the database, and {what}; it reached the database {len(times)} times in all.",
            misconception="repeats-the-work",
            at=times[-1] if times else None,
        )
        expect(
            call.done() and bool(told(call.result()).error),
            expected="The borrower gets the error, since only they know what to do about it.",
            happened=f"An INSERT reached the database, and {what}; its borrower's query {_outcome(call)}.",
            misconception="hides-the-error",
        )


# --- old ones ---


@check(
    "A connection older than max_lifetime is closed, and a new one lent",
    needs=["leaves-the-well-alone"],
    points=3,
    lesson="why-give-up-a-connection-that-works",
    quiz="stale-connections.lifetime",
)
async def test_replaces_an_old_one(lab: Lab) -> None:
    size = lab.random.randint(2, 3)
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=size)
    opened = _open(lab)
    grown = await _together(desk, size, "a")
    expect(all(each.ok for each in grown), expected=f"The pool lends {size}.", happened=f"{_listed(grown)}.")
    old = _open(lab)
    mark = len(lab.ledger)
    await _pass(lab, 3601, old)
    tried = await _together(desk, size, "b")
    expected = "With max_lifetime=3600, as it is when nothing is said, none is lent that is 3601 seconds old."
    story = f"{size} free connections were 3601 seconds old"
    _expect_no_waiting(tried, expected, story)
    lent_old = [each.connection for each in tried if each.connection in old]
    closed = [event for event in lab.ledger.of("close", since=mark) if event.connection in old]
    expect(
        not lent_old,
        expected=expected,
        happened=f"{story}; when {size} borrowers came, {len(lent_old)} of those were lent.",
        misconception=(
            "stamps-only-the-first"
            if opened and not set(opened) & set(lent_old)
            else "looks-on-return"
            if closed
            else "lifetime-ignored"
        ),
    )
    expect(
        all(each.ok for each in tried),
        expected=f"In place of {size} old connections, {size} new ones are lent.",
        happened=f"{story}; {_listed(each for each in tried if not each.ok)}.",
    )
    await _until_closed(lab, old)
    left = _still_open(lab, old)
    expect(
        not left,
        expected="An old connection is closed: one that the pool forgets stays open at the database.",
        happened=f"{story}. They were not lent again, and {_are_open(len(left))} all the same.",
        misconception="forgets-without-closing",
    )
    most = desk.most_open(mark)
    expect(
        most is None or most.state.total <= size,
        expected=f"With max_size={size}, no more than {size} are ever open: an old one is closed first.",
        happened=f"At one moment {_are_open(most.state.total if most else 0)}.",
        misconception="opens-before-closing",
        at=most,
    )


@check(
    "The age counts from the opening, and max_lifetime is the one that was given",
    needs=["replaces-an-old-one"],
    points=2,
    lesson="why-give-up-a-connection-that-works",
    quiz="stale-connections.lifetime",
)
async def test_counts_from_the_opening(lab: Lab) -> None:
    lifetime = lab.random.randint(100, 200)
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1, max_lifetime=float(lifetime))
    young = round(lifetime * 0.6)
    opened = _open(lab)
    await _pass(lab, young, opened)
    one = await _tries(desk, "first")
    await desk.release("first")
    expect(
        one.connection in opened,
        expected=f"With max_lifetime={lifetime}, a connection {young} seconds old is still lent.",
        happened=f"{one}; the pool had opened connection {_numbers(opened)}.",
    )
    await _pass(lab, young, opened)
    second = await _tries(desk, "second")
    await desk.release("second")
    expected = f"With max_lifetime={lifetime}, a connection opened {2 * young} seconds ago is not lent."
    if second.connection in opened:
        # When it was used decides, or another number does: left alone for as long, it tells.
        await _pass(lab, 2 * young, opened)
        third = await _tries(desk, "third")
        expect(
            False,
            expected=expected,
            happened=f"Connection {_numbers(opened)} was used after {young} seconds, and lent again after {2 * young}.",
            misconception="another-lifetime" if third.connection in opened else "counts-from-last-use",
        )
    expect(second.ok, expected="A new one is lent in place of an old one.", happened=f"{second}.")


@check(
    "A connection that is lent stays with its borrower however old it grows, and is not handed on",
    needs=["replaces-an-old-one"],
    points=2,
    lesson="why-give-up-a-connection-that-works",
    quiz="stale-connections.lifetime",
)
async def test_leaves_the_lent_alone(lab: Lab) -> None:
    lifetime = lab.random.randint(100, 200)
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1, max_lifetime=float(lifetime))
    lent = await _tries(desk, "ann")
    expect(lent.ok, expected="A pool of 1 lends its connection.", happened=f"{lent}.")
    old = [lent.connection]
    age = 2 * lifetime
    await _pass(lab, age, old)
    used = await desk.use("ann")
    expect(
        used == lent.connection,
        expected=f"With max_lifetime={lifetime}, who holds a connection for {age} seconds can still use it.",
        happened=f"It was {'closed' if lab.ledger.of('close', connection=lent.connection) else 'taken'} meanwhile.",
        misconception="closes-under-its-borrower",
        at=first(lab.ledger.of("close", connection=lent.connection)),
    )
    call = await desk.queue("ben")
    await desk.release("ann")
    nxt = await _tries(desk, "ben", call)
    expected = "When a connection that is too old comes back, whoever waits gets a new one."
    expect(
        nxt.ok and nxt.connection != lent.connection,
        expected=expected,
        happened=f"Connection {lent.connection} came back {age} seconds old; {nxt}.",
        misconception="loses-the-place" if nxt.waits else "hands-on-unchecked",
    )
    await _until_closed(lab, old)
    expect(
        not _still_open(lab, old),
        expected="The old connection is closed when it has come back.",
        happened=f"Connection {lent.connection} is still open.",
        misconception="forgets-without-closing",
    )


# --- when the cure fails too ---


@check(
    "`acquire` ends within `timeout`, also when the database does not answer the check",
    needs=["replaces-a-dead-one"],
    points=3,
    lesson="what-if-the-cure-fails-too",
    quiz="stale-connections.hangs",
)
async def test_bounds_the_check(lab: Lab) -> None:
    size, timeout = 3, lab.random.randint(40, 60)
    desk = Desk(lab)
    await desk.begin(min_size=size, max_size=size, timeout=float(timeout))
    # An error first, for pools that check after one.
    got = await desk.acquire("first")
    expect(got.ok, expected=f"A pool of {size} lends a connection.", happened=f"`acquire` raised {got}.")
    await desk.query("first", f"SELECT * FROM nowhere_{lab.random.randrange(1000, 10_000)}")
    await desk.release("first")
    mark = len(lab.ledger)
    async with lab.gate():
        call = await desk.queue("ann")
        # Twice the timeout, for pools that begin to count late, in steps, for pools that do one thing after another.
        for _ in range(8):
            seen = len(lab.ledger)
            await _ends(
                call,
                within=A_MOMENT,
                lab=lab,
                unless=lambda seen=seen: bool(lab.ledger.of("statement", since=seen)),  # type: ignore[misc]
            )
            if call.done():
                break
            lab.advance(timeout / 4)
        await _ends(call, within=A_MOMENT)
        in_time = call.done()
        asked = lab.ledger.of("statement", since=mark)
    if not in_time:
        await _ends(call, within=SOON, lab=lab, unless=lambda: bool(lab.ledger.of("close", since=mark)))
        closed = lab.ledger.of("close", since=mark)
        expect(
            False,
            expected=f"With timeout={timeout}, `acquire` lends or raises within {timeout} seconds, whatever hangs.",
            happened=(
                f"The database answered nothing, with {connections(size)} free. After {2 * timeout} seconds "
                f"{len(asked)} of them had been asked, and `acquire` had not ended"
                + ("; as soon as the database answered again, a connection was closed." if closed else ".")
            ),
            misconception=(
                "a-timeout-for-each" if len(asked) > 1 else "waits-to-close" if closed else "check-without-a-bound"
            ),
            at=first(asked),
        )
    if told(call.result()).ok:
        await desk.release("ann")
    after = await _together(desk, size, "b")
    story = f"The database answered nothing for a while, and `acquire` {_outcome(call)}"
    expected = f"When the database answers again, the pool lends {size} at the same time, as before."
    _expect_no_waiting(after, expected, story)
    expect(
        len({each.connection for each in after if each.ok}) == size,
        expected=expected,
        happened=f"{story}. Later, {_listed(after)}.",
    )
    await lab.until(lambda ledger: ledger.state.total <= size, within=SOON)
    now = desk.open_connections
    expect(
        now <= size,
        expected=f"In the end no more than {size} are open: what hung is used again, or closed.",
        happened=f"{story}. Later, {_are_open(now)}.",
        misconception="forgets-without-closing",
    )
    await _expect_one_bound(lab)


async def _expect_one_bound(lab: Lab) -> None:
    """Fail the check when the wait in line and the check afterwards may take `timeout` each."""
    timeout = lab.random.randint(80, 100)
    desk = Desk(lab, "line")
    await desk.begin(min_size=1, max_size=1, timeout=float(timeout))
    got = await desk.acquire("cleo")
    expect(got.ok, expected="A pool of 1 lends its connection.", happened=f"`acquire` raised {got}.")
    await desk.query("cleo", f"SELECT * FROM nowhere_{lab.random.randrange(1000, 10_000)}")
    call = await desk.queue("dan")
    lab.advance(timeout * 0.75)
    mark = len(lab.ledger)
    async with lab.gate():
        returning = lab.send("POST", f"/pools/{desk.name}/release/cleo")
        await _ends(returning, within=A_MOMENT)
        for _ in range(6):
            await _ends(call, within=A_MOMENT)
            if call.done():
                break
            lab.advance(timeout / 8)
        await _ends(call, within=A_MOMENT)
        in_time = call.done()
        asked = lab.ledger.of("statement", since=mark)
    expect(
        in_time,
        expected=f"With timeout={timeout}, the wait in line and the check together take {timeout} seconds at most.",
        happened=(
            f"dan had waited in line for {timeout * 0.75:g} seconds when the connection came back, and the database "
            f"did not answer the check. After {timeout * 1.5:g} seconds `acquire` had not ended."
        ),
        misconception="limits-add-up",
        at=first(asked),
    )


@check(
    "`acquire` ends within `timeout`, also when an opening hangs, and what opens late is used or closed",
    needs=["bounds-the-check"],
    points=3,
    lesson="what-if-the-cure-fails-too",
    quiz="stale-connections.hangs",
)
async def test_bounds_the_opening(lab: Lab) -> None:
    timeout = lab.random.randint(40, 60)
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=2, timeout=float(timeout))
    one = await _tries(desk, "first")
    expect(one.ok, expected="A pool lends its connection.", happened=f"{one}.")
    mark = len(lab.ledger)
    async with held_openings(lab):
        call = await desk.queue("ann")
        await _ends_in_time(lab, call, timeout=timeout)
        in_time = call.done()
    expect(
        in_time,
        expected=f"With timeout={timeout}, `acquire` lends or raises within {timeout} seconds, whatever hangs.",
        happened=f"A new connection was needed, and did not come. After {2 * timeout} seconds `acquire` had not ended.",
        misconception="check-without-a-bound",
    )
    await lab.until(lambda ledger: bool(ledger.of("open", "refused", since=mark)), within=SOON)
    story = f"An opening took longer than timeout={timeout}, and `acquire` {_outcome(call)}"
    if told(call.result()).ok:
        await desk.release("ann")
    await desk.release("first")
    after = await _together(desk, 2, "b")
    expected = "When connections can be opened again, the pool lends max_size=2 at the same time, as before."
    _expect_no_waiting(after, expected, story)
    expect(
        len({each.connection for each in after if each.ok}) == 2,
        expected=expected,
        happened=f"{story}. Later, {_listed(after)}.",
    )
    for _ in range(CLEARINGS):
        if await lab.until(lambda ledger: ledger.state.total <= 2, within=A_MOMENT):
            break
        # What nobody has, Python closes, but where it is part of a ring of objects only now and then.
        await lab.request("POST", "/pools/none", body={"many": [[]] * MANY})
    now = desk.open_connections
    expect(
        now <= 2,
        expected="A connection that comes open after its borrower's time is over is lent later, or closed.",
        happened=f"{story}. The connection came open afterwards, nobody was lent it, and {_are_open(now)} in the end.",
        misconception="opened-for-nobody",
        at=next(reversed(lab.ledger.of("open")), None),
    )


@check(
    "A connection whose rollback fails is closed, and another takes its place",
    needs=["is-still-a-pool"],
    points=2,
    lesson="what-does-an-error-tell",
    quiz="stale-connections.restart",
)
async def test_retires_what_cannot_be_reset(lab: Lab) -> None:
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=1)
    lent = await _tries(desk, "ann")
    expect(lent.ok, expected="A pool of 1 lends its connection.", happened=f"{lent}.")
    row = lab.random.randrange(10_000, 10_000_000)
    await desk.query("ann", "BEGIN")
    await desk.query("ann", "INSERT INTO orders (id, item_id, pieces) VALUES (?, 1, 1)", row)
    call = await desk.queue("ben")
    lab.faults.fail_statement("ROLLBACK", "disk I/O error", times=2)
    mark = len(lab.ledger)
    await desk.release("ann")
    nxt = await _tries(desk, "ben", call)
    story = f"Connection {lent.connection} came back with an open transaction, and its ROLLBACK failed"
    expected = "When a connection cannot be made clean, it is closed, and the next borrower gets another."
    expect(
        not nxt.waits,
        expected=expected,
        happened=f"{story}; {nxt}.",
        misconception="loses-the-place",
        at=first(lab.ledger.of("rollback", since=mark)),
    )
    expect(
        nxt.ok and nxt.connection != lent.connection,
        expected=expected,
        happened=f"{story}; {nxt}.",
        misconception="keeps-what-is-not-clean",
        at=first(lab.ledger.of("rollback", since=mark)),
    )
    await _until_closed(lab, [lent.connection])
    expect(
        not _still_open(lab, [lent.connection]),
        expected=expected,
        happened=f"{story}; it was not lent again, and stayed open with its transaction.",
        misconception="forgets-without-closing",
    )


@check(
    "A connection that could not be opened leaves its place free",
    needs=["is-still-a-pool"],
    points=2,
    lesson="what-if-the-cure-fails-too",
    quiz="stale-connections.checked",
)
async def test_a_refused_connect_frees_its_place(lab: Lab) -> None:
    high = lab.random.randint(2, 3)
    desk = Desk(lab)
    await desk.begin(min_size=1, max_size=high)
    one = await _tries(desk, "first")
    expect(one.ok, expected="A pool lends its connection.", happened=f"{one}.")
    for number in range(1, high):
        lab.faults.refuse_connection(1)
        call = await desk.queue(f"refused{number}")
        await _ends_in_time(lab, call, timeout=30)
        refused = await _uses(desk, f"refused{number}", call)
        expected = "When no connection can be opened, `acquire` raises that error, or tries again within `timeout`."
        expect(not refused.waits, expected=expected, happened=f"{refused}.", misconception="loses-the-place")
        if refused.got:  # it tried again
            await desk.release(refused.borrower)
    await desk.release("first")
    after = await _together(desk, high, "b")
    story = f"The database refused {connections(high - 1)}, and then no more"
    expected = f"Afterwards the pool lends max_size={high} again, at the same time."
    _expect_no_waiting(after, expected, story)
    expect(
        len({each.connection for each in after if each.ok}) == high,
        expected=expected,
        happened=f"{story}. Then {_listed(after)}.",
    )


@check(
    "While the database is down, `acquire` ends; when it is back, the pool lends max_size at once",
    needs=["outlives-a-restart"],
    points=3,
    lesson="what-if-the-cure-fails-too",
    quiz="stale-connections.hangs",
)
async def test_waits_for_a_database_that_is_down(lab: Lab) -> None:
    size, timeout = lab.random.randint(2, 3), 30
    desk = Desk(lab)
    await desk.begin(min_size=size, max_size=size, timeout=float(timeout))
    lab.faults.max_connections = 0
    await _cut(lab, _open(lab))
    expected = f"While no connection can be opened, `acquire` raises an exception within timeout={timeout} seconds."
    for number in range(1, size + 2):
        borrower = f"b{number}"
        call = await desk.queue(borrower)
        seen = len(lab.ledger)
        await _ends_in_time(lab, call, timeout=timeout)
        knocks = lab.ledger.of("refused", since=seen)
        expect(
            call.done(),
            expected=expected,
            happened=(
                f"All {connections(size)} had died and none could be opened; after {2 * timeout} seconds `acquire` "
                f"number {number} had not ended, and had tried to open one {len(knocks)} more times."
            ),
            misconception="knocks-for-ever" if knocks else "loses-the-place",
        )
        if (await _uses(desk, borrower, call)).got:
            await desk.release(borrower)  # a dead one, before the pool knew
    lab.faults.max_connections = None
    tried = [await _tries(desk, "first")]
    if tried[0].got:
        await desk.release("first")
    if not tried[0].waits:
        tried += await _together(desk, size, "c")
    story = f"All {connections(size)} had died, {size + 1} borrowers came while none could be opened"
    expected = f"As soon as the database is back, the pool lends max_size={size} that work, at the same time."
    _expect_no_waiting(tried, expected, story)
    failed = [each for each in tried if not each.ok]
    expect(len(failed) <= 1, expected=expected, happened=f"{story}. Then {_listed(failed)}.")


# --- borrowing ---


async def _tries(desk: Desk, borrower: str, call: Call | None = None) -> Try:
    """Let a borrower acquire a connection and run a query; `call` is their `acquire`, where they queue already."""
    call = call or desk.send_acquire(borrower)
    await _ends(call, within=SOON)
    return await _uses(desk, borrower, call)


async def _uses(desk: Desk, borrower: str, call: Call) -> Try:
    if not call.done():
        return Try(borrower, waits=True, why=f"{borrower} still waited after {SOON:g} seconds")
    answer = told(call.result())
    if answer.error:
        return Try(borrower, why=f"`acquire` raised {answer} for {borrower}")
    mark, nonce = len(desk.lab.ledger), desk.lab.random.randbytes(8).hex()
    query = await desk.query(borrower, "SELECT ?", nonce)
    if query.error:
        return Try(borrower, got=True, why=f"the query of {borrower} raised {query}")
    ran_on = desk.ran_on(nonce, since=mark)
    return Try(borrower, ran_on, got=True, why="" if ran_on else f"the query of {borrower} reached no connection")


async def _together(desk: Desk, number: int, prefix: str) -> list[Try]:
    """Let so many borrowers have a connection at the same time and use it; then they return what they got."""
    names = [f"{prefix}{index}" for index in range(1, number + 1)]
    calls = [await desk.queue(name) for name in names]
    await asyncio.wait(calls, timeout=SOON)
    tried = [await _uses(desk, name, call) for name, call in zip(names, calls, strict=True)]
    for each in tried:
        if each.got:
            await desk.release(each.borrower)
    return tried


async def _one_by_one(desk: Desk, number: int, prefix: str) -> list[Try]:
    """Let so many borrowers hold a connection at the same time, of whom each comes when the one before has theirs."""
    tried: list[Try] = []
    for index in range(1, number + 1):
        tried.append(await _tries(desk, f"{prefix}{index}"))
        if tried[-1].waits:
            break
    for each in tried:
        if each.got:
            await desk.release(each.borrower)
    return tried


async def _ends(
    call: Call, *, within: float, lab: Lab | None = None, unless: Callable[[], bool] = lambda: False
) -> None:
    """Wait until a request has ended, or until the lab's ledger shows that there is no need to."""
    if lab is None:
        await asyncio.wait((call,), timeout=within)
        return
    other = asyncio.create_task(lab.until(lambda _: unless(), within=within))
    await asyncio.wait((call, other), timeout=within, return_when=asyncio.FIRST_COMPLETED)
    other.cancel()


async def _ends_in_time(lab: Lab, call: Call, *, timeout: float) -> None:
    """Wait until a request has ended, while time passes in steps: twice the timeout of its `acquire`, at most."""
    await _ends(call, within=A_MOMENT)
    for _ in range(8):
        if not call.done():
            lab.advance(timeout / 4)
            await _ends(call, within=A_MOMENT)


# --- what happens to the database ---


async def _cut(lab: Lab, numbers: Iterable[int | None]) -> None:
    """Cut connections, and wait until the database knows."""
    dead = {number for number in numbers if number is not None}
    for number in dead:
        lab.faults.kill(number)
    await lab.until(lambda ledger: dead <= {event.connection for event in ledger.of("lost", "close")})


async def _pass(lab: Lab, seconds: float, old: Sequence[int | None]) -> None:
    """Let time pass, and give a pool that acts by itself the time to close what is old."""
    lab.advance(seconds)
    await _until_closed(lab, old, within=A_MOMENT)
    for _ in range(3):  # in the lab's own loop, which does meanwhile what is due
        await lab.get("/borrowers/nobody")


async def _until_closed(lab: Lab, numbers: Sequence[int | None], within: float = SOON) -> None:
    await lab.until(lambda _: not _still_open(lab, numbers), within=within)


def _open(lab: Lab) -> list[int]:
    """The connections that are open."""
    ended = {event.connection for event in lab.ledger.of("close", "lost")}
    return [each.connection for each in lab.ledger.of("open") if each.connection and each.connection not in ended]


def _still_open(lab: Lab, numbers: Sequence[int | None]) -> list[int]:
    return [number for number in _open(lab) if number in numbers]


def _sent(lab: Lab, sql: str, since: int) -> int:
    """How often a statement reached the database in that part of the ledger."""
    return sum(event.detail == sql for event in lab.ledger.of("statement", since=since))


def _asked(lab: Lab, since: int) -> list[Event]:
    """The statements of the pool itself in that part of the ledger; those of borrowers are from `_uses`."""
    return [event for event in lab.ledger.of("statement", since=since) if event.detail != "SELECT ?"]


# --- telling ---


def _expect_no_waiting(tried: Sequence[Try], expected: str, story: str) -> None:
    waiting = [each for each in tried if each.waits]
    expect(
        not waiting,
        expected=expected,
        happened=f"{story}. Of {len(tried)} borrowers, {len(waiting)} waited in vain: {_listed(waiting)}.",
        misconception="loses-the-place",
    )


def _expect_within(desk: Desk, since: int, size: int, misconception: str | None = None) -> None:
    most = desk.most_open(since)
    expect(
        most is None or most.state.total <= size,
        expected=f"With max_size={size}, no more than {connections(size)} are ever open.",
        happened=f"At one moment {_are_open(most.state.total if most else 0)}.",
        misconception=misconception,
        at=most,
    )


def _lent_dead(lab: Lab, since: int) -> str:
    """What a pool does that lends a dead connection: it may have asked first, as what is alive shows."""
    return "ping-ignored" if _asked(lab, since) else "lends-unchecked"


def _outcome(call: Call) -> str:
    if not call.done():
        return "did not end"
    answer = told(call.result())
    return f"raised {answer}" if answer.error else "returned"


def _listed(tried: Iterable[Try]) -> str:
    return "; ".join(map(str, tried)) or "nothing"


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _are_open(number: int) -> str:
    return f"{connections(number)} {'was' if number == 1 else 'were'} open"
