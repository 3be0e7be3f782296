"""Exercise 9: exhaustion."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from shop import Item, add_item, expect_emptied, first, settled, short, told, why_changed

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

SIZE = 4
"""The connections that the database grants to the shop, and the pool has."""

PATIENCE = 2.0
"""Seconds that a visitor is to wait for a connection."""

EARLY, LATE = 0.7, 2.5
"""Seconds before which nobody is refused, and after which nobody waits: wide, as the app's clock runs on while
this one is read."""

STUCK = 0.7
"""Seconds after which something that the app can do at once is taken not to come."""

SLACK = 60.0
"""Seconds by which a date in Retry-After may be over when it is looked at."""

HOURS = "/opening-hours"
HOURS_TRIES = 3
"""Visitors who wait beside a request for the hours, and requests beside a visitor who does not show at the pool."""

STOCK = 5
"""Pieces of an item that `add_item` makes up."""

CROWD = 7
"""Visitors of each kind who are sent away together, to see whether that leaves anything behind."""

Call = asyncio.Task[Answer]


@check(
    "The pool has the four connections that the database grants, open and free",
    lesson="why-not-open-a-third-connection",
    quiz="exhaustion.larger-pool",
)
async def test_starts_full(lab: Lab) -> None:
    await lab.start()
    state = lab.pool
    expect(
        state.free == state.total == SIZE,
        expected=f"After startup the pool has {SIZE} connections, open and free: as many as the database grants.",
        happened=f"{count(state.total, 'connection')} open and {state.free} free.",
        misconception="bigger-pool" if state.total > SIZE else None,
        at=lab.ledger.of("open")[SIZE] if state.total > SIZE else first(lab.held()),
    )


@check(
    "On a quiet day every page answers, over a connection of the pool",
    needs=["starts-full"],
    lesson="why-not-open-a-third-connection",
    quiz="borrow-and-return.costs",
)
async def test_quiet_day(lab: Lab) -> None:
    await lab.start()
    item = await add_item(lab)
    quantity = lab.random.randrange(2, STOCK)
    hours = await lab.get(HOURS)
    _expect_status(lab, hours, 200, f"GET {HOURS}")
    _expect_row(hours, {"opens": "12:00", "closes": "18:00"}, f"GET {HOURS}")
    for method, path, body, status, wanted in (
        ("GET", item.path, None, 200, {**item.shown, "stock": STOCK}),
        ("POST", _orders(item), {"quantity": quantity}, 201, {"item_id": item.id, "quantity": quantity}),
        ("GET", "/report", None, 200, None),
    ):
        mark = len(lab.ledger)
        answer = await lab.request(method, path, body=body)
        opened = lab.ledger.of("open", since=mark)
        expect(
            not opened,
            expected="Every page borrows from the pool, and opens no connection of its own.",
            happened=f"For {method} {path} {count(len(opened), 'connection')} {_was(opened)} opened.",
            misconception="own-connection",
            at=first(opened),
        )
        _expect_status(lab, answer, status, f"{method} {path}", _why_broken(lab, answer))
        _expect_row(answer, await _report(lab) if wanted is None else wanted, f"{method} {path}")
        statements = lab.ledger.of("statement", since=mark)
        expect(
            any(event.pooled for event in statements),
            expected=f"{method} {path} asks the database, over a connection of the pool.",
            happened="No statement reached the database over a connection of the pool.",
            at=first(statements),
        )
        state = await settled(lab, SIZE)
        _expect_all_free(lab, state.free, f"After {method} {path}", None)
    rows = await lab.sql("SELECT quantity FROM orders WHERE item_id = ?", (item.id,))
    expect(
        rows == [(quantity,)],
        expected="An order that was answered with 201 stands in the table `orders`, once.",
        happened=f"After one order of {quantity} pieces, the rows of that item hold the quantities {short(rows)}.",
    )


@check(
    "Errors that are no exhaustion stay what they are",
    points=2,
    needs=["quiet-day"],
    lesson="why-503-and-not-500",
    quiz="exhaustion.busy",
)
async def test_errors_stay(lab: Lab) -> None:
    await lab.start()
    item, broken = await add_item(lab), await add_item(lab)
    # A name that is no text: the route has its row, and no JSON can be made of it.
    await lab.sql("UPDATE items SET name = x'ff' WHERE id = ?", (broken.id,))
    missing = f"/items/{lab.random.randrange(10_000_000, 100_000_000)}"
    errors = (
        ("GET", missing, None, 404, "there is no such item"),
        ("POST", f"{missing}/orders", {"quantity": 1}, 404, "there is no such item"),
        ("POST", _orders(item), {"quantity": STOCK + 1}, 409, "not so many are left"),
        ("POST", _orders(item), {"quantity": 0}, 422, "the quantity is below 1"),
        ("GET", broken.path, None, 500, "the item's name is no text"),
    )
    failures = (
        ("GET", item.path, None, "items"),
        ("POST", _orders(item), {"quantity": 1}, "items"),
        ("POST", _orders(item), {"quantity": 1}, "into orders"),
        ("GET", "/report", None, "orders"),
    )
    for method, path, body, status, what in errors:
        answer = await lab.request(method, path, body=body)
        _expect_error(lab, answer, status, f"{method} {path}", what, "catch-all")
    for method, path, body, words in failures:
        lab.faults.fail_statement(words, "no such column: colour")
        answer = await lab.request(method, path, body=body)
        _expect_error(lab, answer, 500, f"{method} {path}", "a statement failed at the database", "database-is-busy")
    # Whoever loses a place on one of these ways out has none left after so many.
    for method, path, body, status, what in errors:
        calls = [lab.send(method, path, body=body) for _ in range(SIZE)]
        for call in calls:
            _expect_error(lab, await call, status, f"{method} {path}, {SIZE} at once,", what, None)
    for method, path, body, words in failures:
        lab.faults.fail_statement(words, "no such column: colour", times=SIZE)
        calls = [lab.send(method, path, body=body) for _ in range(SIZE)]
        for call in calls:
            _expect_error(lab, await call, 500, f"{method} {path}, {SIZE} at once,", "a statement failed", None)
    state = await settled(lab, SIZE)
    _expect_all_free(lab, state.free, "After errors with every status", None)
    # One lost place is enough to be seen here, where four come together.
    async with _all_lent(lab, item, "after errors with every status") as four:
        pass
    for number, call in enumerate(four, start=1):
        answer = await call
        what = f"After errors with every status, visitor {number} of {SIZE}"
        _expect_status(lab, answer, 200, what, "forgotten-count" if answer.status == 503 else None)


@check(
    "Whoever has a connection is served to the end, however long it takes",
    needs=["quiet-day"],
    lesson="what-does-the-limit-cover",
    quiz="exhaustion.bound",
)
async def test_slow_work(lab: Lab) -> None:
    await lab.start()
    item = await add_item(lab)
    slow = (("GET", item.path, None, 200), ("POST", _orders(item), {"quantity": 2}, 201), ("GET", "/report", None, 200))
    # Not at a BEGIN: when that is cut off, `databases` itself loses the connection.
    async with lab.gate("items"), lab.gate("orders"):
        mark = len(lab.ledger)
        calls = [lab.send(method, path, body=body) for method, path, body, _ in slow]
        at_work = await lab.until(
            lambda ledger: _working(ledger, mark) >= len(calls) or bool(_responses(ledger, mark)), within=3.0
        )
        expect(
            at_work,
            expected=f"{len(calls)} visitors who come together have a connection of the pool each.",
            happened=f"Only {_working(lab.ledger, mark)} of them had a statement under way.",
        )
        lab.advance(31)
        await _turn(lab)
    answers = [await call for call in calls]
    state = await settled(lab, SIZE)
    for answer, (method, path, _, status) in zip(answers, slow, strict=True):
        expect(
            answer.status == status,
            expected=f"{method} {path} has a connection; when its statement takes 31 s, it answers {status} then.",
            happened=f"{_said(lab, answer)} Afterwards {state.free} of {SIZE} connections were free.",
            misconception="whole-route-timeout" if state.free == SIZE else "cancels-and-leaks",
            at=_response(lab, answer),
            error=lab.request_error(answer.request),
        )
    _expect_all_free(lab, state.free, "After three slow visitors", "cancels-and-leaks")


@check(
    "A page that needs no database answers at once, also when every connection is lent",
    needs=["quiet-day"],
    lesson="what-does-the-limit-cover",
    quiz="exhaustion.hours",
)
async def test_opening_hours(lab: Lab) -> None:
    await lab.start()
    item = await add_item(lab)
    async with _all_lent(lab, item):
        await _expect_hours(lab, "nobody waiting", "every-page-waits")
        for _ in range(HOURS_TRIES):
            if await _hours_beside_a_visitor(lab, item):
                break


@check(
    "The fifth visitor waits, opens nothing, and is served when a connection comes back",
    points=2,
    needs=["slow-work", "opening-hours"],
    lesson="what-does-the-limit-cover",
    quiz="exhaustion.busy",
)
async def test_fifth_waits(lab: Lab) -> None:
    await lab.start()
    item = await add_item(lab)
    async with _all_lent(lab, item) as four:
        mark = len(lab.ledger)
        late = (
            ("GET", item.path, None, 200),
            ("POST", _orders(item), {"quantity": 1}, 201),
            ("GET", "/report", None, 200),
        )
        calls = [lab.send(method, path, body=body) for method, path, body, _ in late]
        await _queued(lab, mark, len(late))
        passed = await _pass_time(lab, EARLY, mark, 1)
        await _turn(lab)
        _expect_none_opened(lab, mark)
        early = first(_responses(lab.ledger, mark))
        asked = {event.request: event.detail for event in lab.ledger.of("request", since=mark)}
        expect(
            early is None,
            expected=f"A visitor who finds all {SIZE} connections lent waits up to {PATIENCE:g} s for one.",
            happened=(
                f"{asked[early.request]} found none, and was answered {early.status} after {passed:.1f} s."
                if early
                else ""
            ),
            misconception="no-wait",
            at=early,
        )
    for number, call in enumerate(four, start=1):
        answer = await call
        _expect_none_opened(lab, mark)
        _expect_status(lab, answer, 200, f"When the connections come back in time, visitor {number} of 4")
        _expect_row(answer, item.shown, f"GET {item.path}")
    for call, (method, path, _, status) in zip(calls, late, strict=True):
        answer = await call
        _expect_none_opened(lab, mark)
        _expect_status(lab, answer, status, f"When the connections come back in time, {method} {path}")
    state = await settled(lab, SIZE)
    _expect_all_free(lab, state.free, "After seven visitors", None)


@check(
    "Whoever waits has an answer after about two seconds",
    points=3,
    needs=["fifth-waits"],
    lesson="who-decides-how-long",
    quiz="exhaustion.busy",
)
async def test_gives_up(lab: Lab) -> None:
    await lab.start()
    item = await add_item(lab)
    async with _all_lent(lab, item):
        mark = len(lab.ledger)
        lab.send("GET", item.path)
        await _queued(lab, mark, 1)
        if await _times_out(lab, mark, 1):
            _expect_none_opened(lab, mark)
            return
        _expect_none_opened(lab, mark)
        # Past any patience, to tell a long one from none at all.
        await _pass_time(lab, 60, mark, 1, step=1.0)
        late = await lab.until(lambda ledger: bool(_responses(ledger, mark)), within=0.2)
        then = _responses(lab.ledger, mark)
        expect(
            False,
            expected=f"When no connection comes back, a visitor waits {PATIENCE:g} s and then has an answer.",
            happened=(
                f"After {LATE:g} s the fifth visitor had no answer, "
                + (f"and a minute later {then[0].status}." if late and then else "and none a minute later.")
            ),
            misconception="too-patient" if late else "unbounded-wait",
            at=first(lab.ledger.of("request", since=mark)),
        )


@check(
    "Every route that finds the pool exhausted answers 503 with Retry-After",
    points=3,
    needs=["gives-up"],
    lesson="why-503-and-not-500",
    quiz="exhaustion.busy",
)
async def test_says_503(lab: Lab) -> None:
    await lab.start()
    item = await add_item(lab)
    calls = (("GET", item.path, None), ("POST", _orders(item), {"quantity": 1}), ("GET", "/report", None))
    async with _all_lent(lab, item):
        mark = len(lab.ledger)
        waiting = [lab.send(method, path, body=body) for method, path, body in calls]
        await _queued(lab, mark, len(calls))
        await _times_out(lab, mark, len(calls))
        answered = {event.request: event for event in _responses(lab.ledger, mark)}
        right = [event for event in answered.values() if event.status == 503]
        for event in lab.ledger.of("request", since=mark):
            if event.request in answered:
                continue
            # As long again, and a moment: who waits twice in a row has an answer then, and a forgotten route has none.
            await _pass_time(lab, PATIENCE + 0.5, mark, len(calls))
            await _turn(lab)
            late = first([each for each in _responses(lab.ledger, mark) if each.request == event.request])
            expect(
                False,
                expected=f"{event.detail} answers 503 when it has waited {PATIENCE:g} s for a connection.",
                happened=(
                    f"After {LATE:g} s it had no answer, while {len(right)} of the 3 routes answered 503; "
                    + (f"it answered {late.status} when it had waited as long again." if late else "nor had it later.")
                ),
                misconception="too-patient" if late else "one-route-only" if right else None,
                at=event,
            )
    for call, (method, path, _) in zip(waiting, calls, strict=True):
        answer = await call
        expect(
            answer.status == 503,
            expected=f"{method} {path} answers 503 when it found the pool exhausted for {PATIENCE:g} s.",
            happened=f"{_said(lab, answer)} {len(right)} of the 3 routes answered 503.",
            misconception="one-route-only" if right else _why_no_503(answer),
            at=_response(lab, answer),
            error=lab.request_error(answer.request),
        )
        value = answer.headers.get("retry-after")
        expect(
            value is not None and _usable(value),
            expected="A 503 has the header Retry-After: a whole number of seconds, 1 or more.",
            happened=(
                f"{method} {path} answered 503 without it."
                if value is None
                else f"{method} {path} answered 503 with Retry-After: {short(value)}."
            ),
            misconception="no-retry-after" if value is None else "retry-after-unusable",
            at=_response(lab, answer),
        )


@check(
    "A visitor who was sent away takes nothing: no connection, and no order",
    points=3,
    needs=["says-503"],
    lesson="what-does-a-visitor-leave-behind-who-gave-up",
    quiz="exhaustion.after",
)
async def test_takes_nothing(lab: Lab) -> None:
    await lab.start()
    item = await add_item(lab)
    async with _all_lent(lab, item) as four:
        mark = len(lab.ledger)
        gone = lab.send("POST", _orders(item), body={"quantity": 2})
        await _queued(lab, mark, 1)
        await _times_out(lab, mark, 1)
        refused = first(_responses(lab.ledger, mark, _orders(item)))
        expect(
            refused is not None and refused.status == 503,
            expected=f"An order that waits {PATIENCE:g} s for a connection is answered 503.",
            happened=f"It was answered {refused.status}." if refused else f"It had no answer after {LATE:g} s.",
            at=refused,
        )
        later = len(lab.ledger)
        somebody = lab.send("GET", item.path)
        await _queued(lab, later, 1)
    for call in four:
        _expect_status(lab, await call, 200, "A visitor who had a connection")
    answer = await somebody
    _expect_status(
        lab,
        answer,
        200,
        "The visitor after the one who was sent away, for whom connections came back in time,",
        "stays-refusing" if answer.status == 503 else None,
    )
    # Whoever stood in the queue had a connection before these have; whoever comes back by the clock comes now.
    for seconds in (0, 60):
        lab.advance(seconds)
        state = await settled(lab, SIZE)
        _expect_all_free(
            lab, state.free, "After a visitor who gave up, and five who were served", "left-in-the-queue", refused
        )
        for _ in range(SIZE):
            _expect_status(lab, await lab.get(item.path), 200, "The next visitor")
    await settled(lab, SIZE)
    await gone
    orders = await lab.sql("SELECT quantity FROM orders WHERE item_id = ?", (item.id,))
    left = await lab.sql("SELECT stock FROM items WHERE id = ?", (item.id,))
    expect(
        (orders, left) == ([], [(STOCK,)]),
        expected="An order that was answered 503 is not carried out, neither then nor later.",
        happened=f"It was answered 503, and afterwards {count(len(orders), 'order')} of that item stood in the table.",
        misconception="works-on-after-503",
        at=first(lab.ledger.of("commit", since=mark)) or refused,
    )


@check(
    "When connections are back, the next visitor is served, however many were sent away",
    points=3,
    needs=["takes-nothing"],
    lesson="what-does-a-visitor-leave-behind-who-gave-up",
    quiz="exhaustion.after",
)
async def test_recovers(lab: Lab) -> None:
    await lab.start()
    begin = len(lab.ledger)
    item = await add_item(lab)
    kinds = (("GET", item.path, None), ("POST", _orders(item), {"quantity": 1}), ("GET", "/report", None))
    sent_away = 0
    for _ in range(2):
        async with _all_lent(lab, item) as four:
            mark = len(lab.ledger)
            calls = [lab.send(method, path, body=body) for method, path, body in kinds * CROWD]
            await _queued(lab, mark, len(calls))
            await _times_out(lab, mark, len(calls))
        answers = [await call for call in four]
        _expect_the_same(lab, begin)
        for answer in answers:
            _expect_status(lab, answer, 200, "A visitor who had a connection")
        for call in calls:
            _expect_status(lab, await call, 503, f"One of {len(calls)} visitors who found no connection")
        sent_away += len(calls)
        state = await settled(lab, SIZE)
        _expect_all_free(lab, state.free, f"After {count(sent_away, 'visitor')} who got 503", "left-in-the-queue")
        await _expect_served(lab, item, sent_away)
    async with _all_lent(lab, item):
        mark = len(lab.ledger)
        fifth = lab.send("GET", item.path)
        await _queued(lab, mark, 1)
        await _turn(lab)
    answer = await fifth
    _expect_status(
        lab,
        answer,
        200,
        f"After {count(sent_away, 'visitor')} who got 503, the next who has to wait for a moment",
        "forgotten-count" if answer.status == 503 else None,
    )
    state = await settled(lab, SIZE)
    _expect_all_free(lab, state.free, "After the visitor who had to wait for a moment", None)
    _expect_the_same(lab, begin)


@check(
    "The shutdown empties the pool, as it did before",
    needs=["gives-up"],
    lesson="why-not-open-a-third-connection",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


# --- visiting, holding, passing time ---


@asynccontextmanager
async def _all_lent(lab: Lab, item: Item, after: str = "") -> AsyncIterator[list[Call]]:
    """Hold four visitors at the database, each with a connection; they are let go when the block ends.

    Args:
        after: what has happened before, where it may have cost the app a place.
    """
    async with lab.gate():
        mark = len(lab.ledger)
        calls = [lab.send("GET", item.path) for _ in range(SIZE)]
        await lab.until(lambda ledger: len(lab.held()) == SIZE or bool(_responses(ledger, mark)), within=3.0)
        out = len(lab.held())
        expect(
            out == SIZE,
            expected=f"{SIZE} visitors who come together have a connection of the pool each.",
            happened=f"Only {out} of {SIZE} connections were lent to them{', ' if after else ''}{after}.",
            # The pool has connections to lend, and something in front of it does not ask.
            misconception="forgotten-count" if after and lab.pool.free and not lab.pool.waiting else None,
            at=first(_responses(lab.ledger, mark)),
        )
        yield calls


def _working(ledger: Ledger, mark: int) -> int:
    """How many connections have a statement on one of the tables under way, or had."""
    tables = ("items", "orders")
    statements = ledger.of("statement", since=mark)
    return len({event.connection for event in statements if any(name in event.detail.casefold() for name in tables)})


async def _queued(lab: Lab, mark: int, visitors: int) -> None:
    """Wait until visitors sent since `mark` have reached the pool's queue, or whatever stands before it."""
    if not await lab.until(lambda ledger: _arrived(ledger, mark, visitors), within=0.2):
        # They wait somewhere else, and a request that came later has come through; or the app keeps everybody waiting,
        # which the caller sees.
        await _turn(lab)


def _arrived(ledger: Ledger, mark: int, visitors: int) -> bool:
    done = len(_responses(ledger, mark)) + len(ledger.of("open", since=mark))
    return ledger.state.waiting + done >= visitors


async def _turn(lab: Lab) -> None:
    """Let the app do what it can do at once: two requests come and go, unless it keeps even these waiting."""
    for _ in range(2):
        with suppress(TimeoutError):
            async with asyncio.timeout(STUCK):
                await lab.turn()


async def _pass_time(lab: Lab, seconds: float, mark: int, answers: int, *, step: float = 0.1) -> float:
    """Move the app's clock on, in steps so that a wait made of short waits ends too; return the seconds that passed.

    Ends early when so many of the visitors since `mark` have an answer, or a connection was opened.
    """
    passed = 0.0
    while passed < seconds:
        lab.advance(step)
        passed += step
        if await lab.until(lambda ledger: _ended(ledger, mark, answers), within=0.005):
            break
    return passed


async def _times_out(lab: Lab, mark: int, visitors: int) -> bool:
    """Let the time pass in which visitors may wait; tell whether all of them then had an answer."""
    await _pass_time(lab, LATE, mark, visitors)
    for _ in range(2):
        if await lab.until(lambda ledger: _ended(ledger, mark, visitors), within=STUCK / 2):
            break
        await _turn(lab)  # on a busy machine this takes longer, and so do they
    return len(_responses(lab.ledger, mark)) >= visitors


def _ended(ledger: Ledger, mark: int, answers: int) -> bool:
    return len(_responses(ledger, mark)) >= answers or bool(ledger.of("open", since=mark))


def _responses(ledger: Ledger, mark: int, path: str = "") -> list[Event]:
    """The responses to the requests sent since `mark`, to one path where it is given, without the opening hours."""
    asked = {
        event.request
        for event in ledger.of("request", since=mark)
        if event.detail.endswith(path) and not event.detail.endswith(HOURS)
    }
    return [event for event in ledger.of("response", since=mark) if event.request in asked]


# --- expecting ---


def _expect_status(lab: Lab, answer: Answer, status: int, what: str, misconception: str | None = None) -> None:
    expect(
        answer.status == status,
        expected=f"{what} is answered {status}.",
        happened=_said(lab, answer),
        misconception=misconception,
        at=_response(lab, answer),
        error=lab.request_error(answer.request),
    )


def _expect_row(answer: Answer, row: dict[str, Any], what: str) -> None:
    body = answer.json()
    expect(
        isinstance(body, dict) and {key: body.get(key) for key in row} == row,
        expected=f"{what} answers what it answered before.",
        happened=f"It answered {told(answer)} where {short(row)} was right.",
    )


def _expect_error(lab: Lab, answer: Answer, status: int, what: str, why: str, misconception: str | None) -> None:
    """Fail the check unless an error has its own status; `misconception` is the mistake when it is a 503 instead."""
    sent = next(event for event in lab.ledger.of("request") if event.request == answer.request)
    borrowed = any(event.request == answer.request for event in lab.ledger.of("borrow", since=sent.seq))
    if status != 422 and not borrowed:
        # It never came to the error: something in front of the pool sent it away.
        misconception = "forgotten-count" if lab.pool.free == SIZE else None
    expect(
        answer.status == status,
        expected=f"{what} answers {status}, because {why}.",
        happened=f"{_said(lab, answer)} {lab.pool.free} of {SIZE} connections were free.",
        misconception=misconception if answer.status == 503 else None,
        at=_response(lab, answer),
        error=lab.request_error(answer.request),
    )


def _expect_all_free(lab: Lab, free: int, after: str, misconception: str | None, at: Event | None = None) -> None:
    out = lab.held()
    numbers = ", ".join(str(event.connection) for event in out)
    ended = [event for event in lab.ledger.of("close", "lost") if event.pooled]
    if ended and not out:
        misconception = why_changed(lab, ended, "grows-under-load")
    expect(
        free == SIZE,
        expected=f"When nobody is being served, all {SIZE} connections are free.",
        happened=f"{after}, {free} of {SIZE} are free"
        + (f": connection {numbers} was lent and never came back." if out else "."),
        misconception=misconception,
        at=first(out[-1:]) or at,
    )


def _expect_none_opened(lab: Lab, mark: int) -> None:
    opened = lab.ledger.of("open", since=mark)
    most = max((event.state.total for event in opened), default=0)
    expect(
        not opened,
        expected=f"Never more than {SIZE} connections are open, also when more visitors want one.",
        happened=f"When the pool was exhausted, a connection was opened: {most} were open at once.",
        misconception="grows-under-load" if opened and opened[0].pooled else "own-connection",
        at=first(opened),
    )


def _expect_the_same(lab: Lab, mark: int) -> None:
    changes = lab.ledger.of("open", "close", "lost", since=mark)
    expect(
        not changes,
        expected=f"The same {SIZE} connections serve before, during and after the exhaustion.",
        happened=f"Since startup {count(len(changes), 'connection')} {_was(changes)} opened or closed.",
        misconception=why_changed(lab, changes, "grows-under-load") if changes else None,
        at=first(changes),
    )


async def _expect_hours(lab: Lab, how_busy: str, misconception: str) -> None:
    mark = len(lab.ledger)
    call = lab.send("GET", HOURS)
    await asyncio.wait((call,), timeout=STUCK)
    expect(
        bool(lab.ledger.of("response", since=mark)),
        expected=f"GET {HOURS} needs no connection, so nothing keeps it waiting.",
        happened=f"With {SIZE} connections lent and {how_busy}, it had no answer after {STUCK:g} s.",
        misconception=misconception,
        at=first(lab.ledger.of("request", since=mark)),
    )
    answer = await call
    _expect_status(lab, answer, 200, f"GET {HOURS}", misconception if answer.status == 503 else None)


async def _hours_beside_a_visitor(lab: Lab, item: Item) -> bool:
    """Ask for the hours while a visitor waits; return whether that visitor waited all the time."""
    mark = len(lab.ledger)
    lab.send("GET", item.path)
    # Whoever waits somewhere else than at the pool, or blocks everything, never shows there.
    shows = await lab.until(lambda ledger: _arrived(ledger, mark, 1), within=0.1)
    # The first request for the hours may overtake a visitor on a busy machine; those behind it do not.
    for _ in range(1 if shows else HOURS_TRIES):
        await _expect_hours(lab, "one visitor waiting", "blocks-the-loop")
    # A visitor who has an answer by now may have blocked the app before the hours were asked for.
    return not _responses(lab.ledger, mark)


async def _expect_served(lab: Lab, item: Item, sent_away: int) -> None:
    answer = await lab.get(item.path)
    if answer.status == 200:
        _expect_row(answer, item.shown, f"GET {item.path}")
        return
    lab.advance(3600)
    hour_later = await lab.get(item.path)
    expect(
        False,
        expected=f"With all {SIZE} connections free again, the next visitor is answered 200.",
        happened=(
            f"After {count(sent_away, 'visitor')} who got 503, with {lab.pool.free} of {SIZE} connections free, the "
            f"next was answered {answer.status}, and one an hour later {hour_later.status}."
        ),
        misconception="stays-refusing" if hour_later.status == 200 else "forgotten-count",
        at=_response(lab, answer),
        error=lab.request_error(answer.request),
    )


# --- reading and finding out why ---


def _orders(item: Item) -> str:
    return f"{item.path}/orders"


async def _report(lab: Lab) -> dict[str, Any]:
    """What GET /report answers now."""
    rows = await lab.sql("SELECT count(*), coalesce(sum(quantity), 0) FROM orders")
    return {"orders": rows[0][0], "pieces": rows[0][1]}


def _response(lab: Lab, answer: Answer) -> Event | None:
    return next((event for event in lab.ledger.of("response") if event.request == answer.request), None)


def _why_broken(lab: Lab, answer: Answer) -> str | None:
    """The mistake when a page fails on a quiet day: the words of `databases` and of the pool tell."""
    error = lab.request_error(answer.request)
    message = error.message if error else ""
    return "returned-too-soon" if "not acquired" in message or "was returned" in message else None


def _why_no_503(answer: Answer) -> str:
    if answer.status < 400:
        return "says-200"
    return "exhaustion-is-500" if answer.status == 500 else "wrong-status"


def _usable(retry_after: str) -> bool:
    """Whether a client can read the header and has to wait: seconds of at least 1, or a date that is not over."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) >= 1
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone is meant as HTTP's dates are; the app's clock is never behind this one.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() > time.time() - SLACK
    except (ValueError, TypeError, IndexError, OverflowError):
        return False


def _said(lab: Lab, answer: Answer) -> str:
    error = lab.request_error(answer.request)
    if error:
        return f"It answered {answer.status}: the app raised {error}."
    return f"It answered {answer.status} with {told(answer)}".rstrip(",") + "."


def _was(events: list[Event]) -> str:
    return "was" if len(events) == 1 else "were"
