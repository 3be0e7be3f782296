"""Exercise 5: a dependency with yield."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from shop import (
    Item,
    add_item,
    expect_emptied,
    expect_full,
    expect_none_opened_or_closed,
    first,
    over_or_stuck,
    short,
    told,
)

from poolkit.events import Event, PoolState
from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.report import AppError
from poolkit.text import count

GIVEN_SIZE = 4
"""The pool's size in the file that a learner is given."""

STUCK = 0.5
"""Seconds after which a visitor who waits for a connection, alone with the pool, is taken to wait for ever."""

WITHOUT_ROUND_TRIPS = 0.8  # seconds to wait for a return where no request can be sent

ROUND_TRIPS = 15
"""Requests that the app answers before a connection which is still out is taken to be lost.

A return that nobody waits for comes a moment after the end of its request, and takes much less than one of these,
on a busy machine too. One check judges that it comes late; for the others, late is soon enough.
"""

LATE = 1.0
"""Seconds, on the lab's clock, that a return may be put off and still count as late and not as lost.

Less than a server keeps an idle connection to its client.
"""

_NO_STOCK = 5  # what `add_item` gives an item


@dataclass(frozen=True)
class Card:
    """A row of `customers`, made up for one run."""

    code: str
    name: str
    percent: int | None

    def reserve(self, item: Item, quantity: object = 1) -> str:
        """Where the app reserves pieces for its owner."""
        return f"/items/{item.id}/reservations?card={self.code}&quantity={quantity}"

    def reserved(self, item: Item, quantity: int) -> dict[str, Any]:
        """What the app answers for that."""
        assert self.percent is not None
        total = item.price_cents * quantity * (100 - self.percent) // 100
        return {"customer": self.name, "item": item.name, "quantity": quantity, "total_cents": total}


async def add_card(lab: Lab, *, broken: bool = False) -> Card:
    """Put a customer into the database whose card, name and percent are this run's own.

    Args:
        broken: leave the percent out, on which the route cannot count.
    """
    card = Card(
        code=f"card-{lab.random.randbytes(6).hex()}",
        name=f"Customer {lab.random.randbytes(6).hex()}",
        percent=None if broken else lab.random.randrange(1, 50),
    )
    await lab.sql("INSERT INTO customers (card, name, percent) VALUES (?, ?, ?)", (card.code, card.name, card.percent))
    return card


def missing_item(lab: Lab) -> Item:
    """An item that does not exist."""
    return Item(lab.random.randrange(10_000_000, 100_000_000), "nothing", 0)


def missing_card(lab: Lab) -> Card:
    """A card that nobody has."""
    return Card(f"none-{lab.random.randbytes(6).hex()}", "nobody", 0)


@check(
    "The pool is full and idle before the first request", lesson="what-does-the-yield-do", quiz="yield-dependency.order"
)
async def test_starts_full(lab: Lab) -> None:
    await lab.start()
    expect_full(lab, "one-for-all")


@check(
    "Both pages are served with a lent connection, and it comes back",
    points=2,
    needs=["starts-full"],
    lesson="what-does-the-yield-do",
    quiz="yield-dependency.return",
)
async def test_serves_and_takes_back(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item, card = await add_item(lab), await add_card(lab)
    quantity = lab.random.randrange(2, 5)
    calls: list[tuple[str, str, int, dict[str, Any]]] = [
        ("GET", item.path, 200, item.shown),
        ("POST", card.reserve(item, quantity), 201, card.reserved(item, quantity)),
    ]
    for method, path, status, body in calls:
        mark = len(lab.ledger)
        answer = await _visit(lab, method, path)
        error = lab.request_error(answer.request)
        expect(
            answer.status == status,
            expected=f"{method} {path} answers {status}.",
            happened=_answered(lab, answer),
            misconception=_why_unusable(error),
            at=first(lab.ledger.of("return", since=mark)),
            error=error,
        )
        _expect_body(answer, body)
        statements = lab.ledger.of("statement", since=mark)
        expect(
            any(event.pooled for event in statements),
            expected="The statements run on a connection that was lent by the pool.",
            happened="No statement reached the database over a connection of the pool.",
            misconception="own-connection" if statements else None,
            at=first(statements),
        )
        state = await _settled(lab, size)
        if state.free != size:
            happened = _lost(lab, size, f"one answer {status}")
            misconception = "never-returned" if await _loses_one(lab, "GET", item.path) else "one-for-all"
            expect(
                False,
                expected=f"When the request is over, all {size} connections are free again.",
                happened=happened,
                misconception="bigger-pool" if size > GIVEN_SIZE else misconception,
                at=_response(lab, answer),
            )
    rows = await lab.sql("SELECT item_id, quantity FROM reservations WHERE card = ?", (card.code,))
    expect(
        rows == [(item.id, quantity)],
        expected="A reservation that was answered with 201 is in the table `reservations`.",
        happened=f"For that card the table holds {short(rows)} where {short([(item.id, quantity)])} is right.",
    )


@check(
    "One request borrows one connection, which the route and its dependencies share",
    points=2,
    needs=["serves-and-takes-back"],
    lesson="who-shares-the-connection",
    quiz="yield-dependency.how-many",
)
async def test_one_for_the_request(lab: Lab) -> None:
    await lab.start()
    item, card = await add_item(lab), await add_card(lab)
    mark = len(lab.ledger)
    await _expect_answer(lab, "POST", card.reserve(item), 201)
    borrows = lab.ledger.of("borrow", since=mark)
    returns = lab.ledger.of("return", since=mark)
    together = len(borrows) > 1 and not any(event.seq < borrows[1].seq for event in returns)
    expect(
        len(borrows) == 1,
        expected="A reservation borrows one connection, once: the customer, the item and the route share it.",
        happened=f"While one reservation was made, connections were borrowed {count(len(borrows), 'time')}"
        + (", the second before the first was back." if together else ", one after the other."),
        misconception="two-at-once" if together else "borrows-again",
        at=borrows[1] if len(borrows) > 1 else None,
    )


@check(
    "The connection comes back after an HTTPException, whoever raises it, and the answer keeps its status",
    points=3,
    needs=["serves-and-takes-back"],
    lesson="what-happens-after-a-404",
    quiz="yield-dependency.after-404",
)
async def test_returns_on_http_exceptions(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item, card = await add_item(lab), await add_card(lab)
    for method, path, status, where in (
        ("GET", missing_item(lab).path, 404, "`wanted_item` raised"),
        ("POST", missing_card(lab).reserve(item), 401, "`current_customer` raised"),
        ("POST", card.reserve(item, _NO_STOCK + 1), 409, "the route raised"),
    ):
        answer = await _expect_answer(lab, method, path, status)
        await _expect_all_free(lab, size, answer, f"one {status}, which {where}", (item, card))


@check(
    "The connection comes back from a request that FastAPI refuses with 422",
    points=2,
    needs=["serves-and-takes-back"],
    lesson="does-a-refused-request-borrow",
    quiz="yield-dependency.422",
)
async def test_returns_on_422(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item, card = await add_item(lab), await add_card(lab)
    for method, path, what in (
        ("POST", card.reserve(item, 0), "a quantity of 0"),
        ("GET", "/items/teapot", "an item that is no number"),
        ("POST", f"/items/{item.id}/reservations", "a missing card"),
    ):
        answer = await _expect_answer(lab, method, path, 422)
        await _expect_all_free(lab, size, answer, f"one 422, for {what}", (item, card))


@check(
    "The connection comes back when the route fails, and the failure stays a 500",
    points=2,
    needs=["serves-and-takes-back"],
    lesson="what-happens-after-a-404",
    quiz="yield-dependency.caught",
)
async def test_returns_on_500(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item, card = await add_item(lab), await add_card(lab, broken=True)
    answer = await _expect_answer(lab, "POST", card.reserve(item), 500)
    await _expect_all_free(lab, size, answer, "one 500")


@check(
    "The connection comes back after an SQL error, and the error reaches `database_trouble`",
    points=2,
    needs=["serves-and-takes-back"],
    lesson="what-happens-after-a-404",
    quiz="yield-dependency.caught",
)
async def test_returns_on_an_sql_error(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item, card = await add_item(lab), await add_card(lab)
    await lab.sql("ALTER TABLE reservations RENAME TO reservations_away")
    answer = await _expect_answer(lab, "POST", card.reserve(item), 503)
    await _expect_all_free(lab, size, answer, "one SQL error")
    await lab.sql("ALTER TABLE reservations_away RENAME TO reservations")
    for _ in range(size):  # so that the connection which met the error has its turn
        await _expect_answer(lab, "GET", item.path, 200)


@check(
    "A reservation that is refused leaves nothing behind in the database",
    needs=["serves-and-takes-back"],
    lesson="what-happens-after-a-404",
    quiz="transactions.whole",
)
async def test_undoes_what_was_refused(lab: Lab) -> None:
    await lab.start()
    item, card = await add_item(lab), await add_card(lab)
    mark = len(lab.ledger)
    await _expect_answer(lab, "POST", card.reserve(item, _NO_STOCK + 1), 409)
    await _settled(lab, lab.pool.total)
    rows = await lab.sql("SELECT item_id, quantity FROM reservations WHERE card = ?", (card.code,))
    expect(
        not rows,
        expected="After a 409 the table `reservations` holds nothing of that reservation.",
        happened=f"The answer was 409, and {count(len(rows), 'reservation')} of that customer "
        f"{'is' if len(rows) == 1 else 'are'} in the table: {short(rows)}.",
        misconception="commits-failures",
        at=first(lab.ledger.of("commit", since=mark)),
    )


@check(
    "By the time the app has finished a request that failed, the connection is back",
    points=2,
    needs=["serves-and-takes-back", "returns-on-http-exceptions"],
    lesson="when-is-the-connection-back",
    quiz="yield-dependency.after-404",
)
async def test_back_before_it_is_over(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item, card = await add_item(lab), await add_card(lab)
    mark = len(lab.ledger)
    # The pool rolls back on the way home. While the database is slow at that, whoever waits for the return waits.
    async with lab.gate("rollback"):
        refused = lab.send("POST", card.reserve(item, _NO_STOCK + 1))
        await lab.until(lambda ledger: bool(ledger.of("rollback", "done", since=mark)))
        # An answer from the same app: what it had done by then, it has told by now.
        await lab.turn()
        number = lab.ledger.of("request", since=mark)[0].request
        over = [event for event in lab.ledger.of("done", since=mark) if event.request == number]
        out = lab.held()
    await refused
    state = await _settled(lab, size)
    expect(
        not over or not out,
        expected="The app has finished a request only when the return of its connection is complete.",
        happened=(
            f"The request was over while connection {out[0].connection if out else 0} was still on its way back; "
            f"later {state.free} of {size} were free."
        ),
        misconception="nobody-waits",
        at=first(over),
    )


@check(
    "Visitors who come together each get their own answer, and every connection comes back",
    points=2,
    needs=["returns-on-http-exceptions"],
    lesson="who-shares-the-connection",
    quiz="yield-dependency.how-many",
)
async def test_visitors_together(lab: Lab) -> None:
    await lab.start(pool_size=4)
    items, card = [await add_item(lab) for _ in range(2)], await add_card(lab)
    calls = [
        ("GET", items[0].path, 200),
        ("GET", missing_item(lab).path, 404),
        ("POST", missing_card(lab).reserve(items[1]), 401),
        ("GET", items[1].path, 200),
    ]
    mark = len(lab.ledger)
    async with lab.gate():
        sent = [lab.send(method, path) for method, path, _ in calls]
        # All four are on their way at once before the first is let through.
        await lab.until(
            lambda ledger: (
                len({event.connection for event in ledger.of("statement", since=mark)}) == len(calls)
                or bool(ledger.of("response", since=mark))
                or ledger.state.waiting > 0
            ),
            within=3.0,
        )
    done = await lab.until(lambda ledger: len(ledger.of("done", since=mark)) == len(calls))
    answered = len(lab.ledger.of("response", since=mark))
    state = await _settled(lab, 4)
    out = lab.held()
    expect(
        done and state.free == 4,
        expected="After four visitors at once, all 4 connections are free again.",
        happened=(
            f"{answered} of 4 visitors had an answer, and then "
            f"{state.free} of 4 connections {_are(state.free)} free; visitors who come one by one lose none."
        ),
        misconception="one-for-all" if out else None,
        at=first(out),
    )
    answers = await asyncio.gather(*sent)
    for answer, (method, path, status) in zip(answers, calls, strict=True):
        expect(
            answer.status == status,
            expected=f"{method} {path} answers {status}, also when others ask at the same time.",
            happened=_answered(lab, answer),
            error=lab.request_error(answer.request),
        )
    _expect_body(answers[0], items[0].shown)
    _expect_body(answers[3], items[1].shown)
    await _expect_answer(lab, "POST", card.reserve(items[0]), 201)


@check(
    "With a pool of one connection, every visitor is served, whatever happened to the one before",
    points=2,
    needs=["returns-on-http-exceptions", "returns-on-422", "returns-on-500", "returns-on-an-sql-error"],
    lesson="who-shares-the-connection",
    quiz="yield-dependency.how-many",
)
async def test_pool_of_one(lab: Lab) -> None:
    await lab.start(pool_size=1)
    item = await add_item(lab)
    card, broken = await add_card(lab), await add_card(lab, broken=True)
    for method, path, status in (
        ("POST", card.reserve(item), 201),
        ("GET", missing_item(lab).path, 404),
        ("POST", missing_card(lab).reserve(item), 401),
        ("POST", card.reserve(item, _NO_STOCK + 1), 409),
        ("POST", card.reserve(item, 0), 422),
        ("POST", broken.reserve(item), 500),
    ):
        await _expect_answer(lab, method, path, status, "with a pool of one connection")
        await _settled(lab, 1)
        await _expect_answer(lab, "GET", item.path, 200, f"with a pool of one connection, after a {status}")
        await _settled(lab, 1)


@check(
    "The shutdown empties the pool, as it did before",
    needs=["serves-and-takes-back"],
    lesson="what-does-the-yield-do",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


# --- visiting ---


async def _visit(lab: Lab, method: str, path: str) -> Answer:
    """Send one request, with no other under way; fail the check when it opens or closes a connection."""
    mark = len(lab.ledger)
    call = lab.send(method, path)
    waited = await over_or_stuck(lab, mark, STUCK)
    expect_none_opened_or_closed(lab, mark)
    answer = await call
    borrowed = lab.ledger.of("borrow", since=mark)
    expect(
        not (waited and borrowed),
        expected=f"{method} {path} needs one connection, so a pool of one is enough.",
        happened=(
            f"It borrowed connection {borrowed[0].connection if borrowed else 0} and then waited for a second one; "
            f"when the pool gave up, it answered {answer.status}."
        ),
        misconception="two-at-once",
        at=first(borrowed),
    )
    expect_none_opened_or_closed(lab, mark)
    return answer


async def _settled(lab: Lab, size: int) -> PoolState:
    """Return the pool's state once `size` connections are free, or when it is clear that they will not be."""
    if lab.pool.free != size:
        lab.advance(LATE)
    for _ in range(ROUND_TRIPS):
        if lab.pool.free == size:
            break
        if lab.pool.free:
            await lab.turn()
        # With none free, even an app's answer that there is no such page might wait for one; so time has to tell.
        elif not await lab.until(lambda ledger: ledger.state.free > 0, within=WITHOUT_ROUND_TRIPS):
            break
    return lab.pool


async def _loses_one(lab: Lab, method: str, path: str) -> bool:
    """Whether one more visitor, to this path, leaves one more connection lent."""
    before = len(lab.held())
    if not lab.pool.free:
        return False
    try:
        await _visit(lab, method, path)
    except CheckFailed:
        return False
    lab.advance(LATE)
    for _ in range(ROUND_TRIPS):
        if len(lab.held()) == before or not lab.pool.free:
            break
        await lab.turn()
    return len(lab.held()) > before


# --- expecting ---


async def _expect_answer(lab: Lab, method: str, path: str, status: int, when: str = "") -> Answer:
    answer = await _visit(lab, method, path)
    error = lab.request_error(answer.request)
    expect(
        answer.status == status,
        expected=f"{method} {path} answers {status}{', ' if when else ''}{when}.",
        happened=_answered(lab, answer),
        misconception=_why_another_status(answer, error, status),
        at=_response(lab, answer),
        error=error,
    )
    return answer


async def _expect_all_free(
    lab: Lab, size: int, answer: Answer, after: str, known: tuple[Item, Card] | None = None
) -> None:
    """Fail the check unless every connection is back.

    Args:
        after: what has happened, for the text.
        known: an item and a card to try the other ways out with, where nothing is locked by what was lost.
    """
    state = await _settled(lab, size)
    if state.free == size:
        return
    happened = _lost(lab, size, after)
    # The other ways out tell whether this one was forgotten, or never thought of.
    misconception = "listed-errors"
    if _response_status(lab, answer) == 409 or await _loses_one(lab, "GET", missing_item(lab).path):
        misconception = "success-only"
        if known and not _in_transaction(lab):
            item, card = known
            if not await _loses_one(lab, "POST", card.reserve(item, _NO_STOCK + 1)):
                misconception = "route-returns"
    expect(
        False,
        expected=f"When a request is over, however it ended, all {size} connections are free again.",
        happened=happened,
        misconception=misconception,
        at=_response(lab, answer),
    )


def _expect_body(answer: Answer, row: dict[str, Any]) -> None:
    body = answer.json()
    expect(
        isinstance(body, dict) and {key: body.get(key) for key in row} == row,
        expected="The routes answer what they answered before.",
        happened=f"It answered {told(answer)} where {short(row)} was right.",
    )


# --- finding out why ---


def _why_unusable(error: AppError | None) -> str | None:
    """Why the route could not work with what it was given; told by the lab, so it explains and decides nothing."""
    message = error.message if error else ""
    if "was returned" in message or "not acquired" in message:
        return "used-after-return"
    if "event loop" in message or "'coroutine'" in message:
        return "not-async"
    if "generator" in message.casefold():
        return "hands-over-the-wrapping"
    return None


def _why_another_status(answer: Answer, error: AppError | None, status: int) -> str | None:
    if answer.status == status or status < 400:
        return None
    if answer.status < 400 or (error and error.type == "FastAPIError"):
        return "swallows-errors"
    # A status that was chosen comes as JSON; for an error that came out of the app, the framework sends text.
    return "disguises-errors" if isinstance(answer.json(), dict) else None


def _lost(lab: Lab, size: int, after: str) -> str:
    free, out = lab.pool.free, lab.held()
    return f"After {after}, {free} of {size} connections {_are(free)} free" + (
        f": connection {', '.join(str(event.connection) for event in out)} was borrowed and never returned."
        if out
        else "."
    )


def _answered(lab: Lab, answer: Answer) -> str:
    error = lab.request_error(answer.request)
    if error:
        text = f"{error}"
        return f"It answered {answer.status}: the app raised {text if len(text) <= 200 else text[:199] + '…'}."
    return f"It answered {answer.status} with {told(answer)}".rstrip(",") + "."


def _response(lab: Lab, answer: Answer) -> Event | None:
    return next((event for event in lab.ledger.of("response") if event.request == answer.request), None)


def _response_status(lab: Lab, answer: Answer) -> int | None:
    event = _response(lab, answer)
    return event.status if event else None


def _in_transaction(lab: Lab) -> bool:
    """Whether a connection that is out has written something, and keeps the database locked for it."""
    return any(
        event.detail.lstrip()[:6].upper() in ("INSERT", "UPDATE")
        for lent in lab.held()
        for event in lab.ledger.of("statement", since=lent.seq, connection=lent.connection)
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
