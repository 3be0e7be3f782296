"""Exercise 4: return on every path."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from shop import (
    answered,
    expect_emptied,
    expect_full,
    expect_none_opened_or_closed,
    first,
    over_or_stuck,
    settled,
    short,
    told,
    unusable,
)

from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger

GIVEN_SIZE = 4
"""The pool's size in the file that a learner is given."""

STUCK = 0.7
"""Seconds after which a visitor who waits for a connection, alone with the pool, is taken to wait for ever."""


@dataclass(frozen=True)
class Ware:
    """A row of `items` and one of `discounts`, made up for one run."""

    id: int
    name: str
    price_cents: int
    weight_grams: int
    stock: int
    percent: int
    """The discount on 3 pieces and more."""

    def path(self, quantity: int = 1) -> str:
        """Where the app tells its price."""
        return f"/items/{self.id}/price?quantity={quantity}"

    def price(self, quantity: int) -> dict[str, Any]:
        """What the app answers for it."""
        percent = self.percent if quantity >= 3 else 0
        return {
            "id": self.id,
            "name": self.name,
            "total_cents": self.price_cents * quantity * (100 - percent) // 100,
            "cents_per_kilo": self.price_cents * 1000 // self.weight_grams,
        }

    @property
    def too_few(self) -> dict[str, Any]:
        """What the app answers when more pieces are asked for than there are."""
        return {"id": self.id, "name": self.name, "available": self.stock}


@dataclass(frozen=True)
class _Failed:
    """A statement that failed, and what else is to be tried to tell why that lost a connection.

    `other` is the table that was not missing; `late` tells that other statements of the same borrow came before.
    """

    ware: Ware
    other: str
    late: bool


async def add_ware(lab: Lab, *, weightless: bool = False) -> Ware:
    """Put an item and a discount into the database whose numbers are this run's own."""
    ware = Ware(
        id=lab.random.randrange(10_000, 10_000_000),
        name=f"Item {lab.random.randbytes(6).hex()}",
        price_cents=lab.random.randrange(100, 100_000),
        weight_grams=0 if weightless else lab.random.randrange(10, 5_000),
        stock=lab.random.randrange(10, 90),
        percent=lab.random.randrange(5, 50),
    )
    row = (ware.id, ware.name, ware.price_cents, ware.weight_grams, ware.stock)
    await lab.sql("INSERT INTO items (id, name, price_cents, weight_grams, stock) VALUES (?, ?, ?, ?, ?)", row)
    await lab.sql("INSERT INTO discounts (item_id, from_quantity, percent) VALUES (?, 3, ?)", (ware.id, ware.percent))
    return ware


def missing_path(lab: Lab) -> str:
    """The path of an item that does not exist."""
    return f"/items/{lab.random.randrange(10_000_000, 100_000_000)}/price"


@check("The pool is full and idle before the first request", lesson="concept-flow", quiz="pool-lifecycle.order")
async def test_starts_full(lab: Lab) -> None:
    await lab.start()
    expect_full(lab, "never-returned")


@check(
    "A price comes from the database, and the connection comes back",
    points=2,
    needs=["starts-full"],
    lesson="concept-flow",
    quiz="every-path.cure",
)
async def test_tells_the_price(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    ware = await add_ware(lab)
    for quantity in (1, 3):
        mark = len(lab.ledger)
        answer = await _visit(lab, ware.path(quantity))
        error = lab.request_error(answer.request)
        expect(
            answer.status == 200,
            expected=f"GET {ware.path(quantity)} answers 200 with the price.",
            happened=answered(lab, answer),
            misconception="used-after-return" if error and unusable(error.message) else None,
            at=first(lab.ledger.of("return", since=mark)),
            error=error,
        )
        _expect_body(answer, ware.price(quantity))
        queries = lab.ledger.of("statement", since=mark)
        expect(
            any(event.pooled for event in queries),
            expected="The route's queries run on a connection that it borrowed from the pool.",
            happened="No query reached the database over a connection of the pool.",
            misconception="own-connection" if queries else None,
            at=first(queries),
        )
        await _expect_all_free(lab, size, answer, "a price was told", "never-returned")


@check(
    "The connection comes back when too few pieces are left",
    points=2,
    needs=["tells-the-price"],
    lesson="concept-flow",
    quiz="every-path.finally-404",
)
async def test_returns_early(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    ware = await add_ware(lab)
    answer = await _visit(lab, ware.path(ware.stock + 1))
    expect(
        answer.status == 200,
        expected="When too few pieces are left, the answer is 200 and tells how many there are.",
        happened=answered(lab, answer),
        error=lab.request_error(answer.request),
    )
    _expect_body(answer, ware.too_few)
    await _expect_all_free(lab, size, answer, "one answer that too few pieces are left", "leaves-early")


@check(
    "The connection comes back after a 404, which stays a 404",
    points=2,
    needs=["tells-the-price"],
    lesson="does-a-404-cost-a-connection",
    quiz="every-path.missing-item",
)
async def test_returns_on_404(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    answer = await _visit(lab, missing_path(lab))
    expect(
        answer.status == 404,
        expected="An item that does not exist is answered with 404.",
        happened=answered(lab, answer),
        misconception=_why_no_404(answer),
        error=lab.request_error(answer.request),
    )
    await _expect_all_free(lab, size, answer, "one 404", "success-only")


@check(
    "No connection is lost for a request that is refused with 422",
    needs=["tells-the-price"],
    lesson="does-a-404-cost-a-connection",
    quiz="every-path.which-errors",
)
async def test_returns_on_422(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    ware = await add_ware(lab)
    for quantity in ("0", "many"):
        answer = await _visit(lab, f"/items/{ware.id}/price?quantity={quantity}")
        expect(
            answer.status == 422,
            expected="A quantity that is no number, or below 1, is answered with 422.",
            happened=f"For the quantity {quantity!r}: {answered(lab, answer)}",
            error=lab.request_error(answer.request),
        )
        await _expect_all_free(lab, size, answer, "one 422", "dependency-leak")


@check(
    "The connection comes back when the route fails, and the failure stays a 500",
    points=3,
    needs=["tells-the-price"],
    lesson="does-finally-hide-the-error",
    quiz="every-path.sure-return",
)
async def test_returns_on_an_exception(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    broken, ware = await add_ware(lab, weightless=True), await add_ware(lab)
    answer = await _visit(lab, broken.path())
    expect(
        answer.status == 500,
        expected="A row with a weight of 0 raises ZeroDivisionError in the route, and the answer is 500.",
        happened=answered(lab, answer),
        misconception="swallows-errors" if answer.status < 400 else "disguises-errors",
        error=lab.request_error(answer.request),
    )
    await _expect_all_free(lab, size, answer, "one 500", "http-exception-only")
    await _expect_price(lab, ware, "after it")


@check(
    "The connection comes back after an SQL error, and works for the next visitor",
    points=3,
    needs=["tells-the-price"],
    lesson="does-finally-hide-the-error",
    quiz="every-path.which-errors",
)
async def test_returns_on_an_sql_error(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    broken, ware = await add_ware(lab, weightless=True), await add_ware(lab)
    # Each statement of the route fails once, in whatever order the route sends them.
    for table, other in (("discounts", "items"), ("items", "discounts")):
        mark = len(lab.ledger)
        answer = await _visit_without(lab, table, ware)
        _expect_503(lab, answer)
        await _expect_all_free(
            lab,
            size,
            answer,
            f"one SQL error, while the table {table} was missing",
            "listed-errors",
            broken,
            _Failed(ware, other, late=_failed_late(lab, mark)),
        )
        for _ in range(size):  # so that the connection which met the error has its turn
            await _expect_price(lab, ware, "once the table is back")


@check(
    "Visitors who come together each get their own answer, and every connection comes back",
    points=2,
    needs=["returns-early", "returns-on-404", "returns-on-an-exception"],
    lesson="why-does-a-leak-hurt-other-pages",
    quiz="pool-lifecycle.same-connection",
)
async def test_visitors_together(lab: Lab) -> None:
    await lab.start(pool_size=4)
    ware, broken = await add_ware(lab), await add_ware(lab, weightless=True)
    paths = [ware.path(3), missing_path(lab), ware.path(ware.stock + 1), broken.path()]
    mark = len(lab.ledger)
    async with lab.gate():
        calls = [lab.send("GET", path) for path in paths]
        # All four are on their way at once before the first is let through.
        reached = await lab.until(
            lambda ledger: _busy(ledger, mark) == len(calls) or bool(ledger.of("response", since=mark)), within=3.0
        )
        busy = _busy(lab.ledger, mark)
    done = await lab.until(lambda ledger: len(ledger.of("done", since=mark)) == len(calls))
    state = await settled(lab, 4)
    out = lab.held()
    expect(
        done and state.free == 4,
        expected="After four visitors at once, all 4 connections are free again.",
        happened=(
            f"{len(lab.ledger.of('response', since=mark))} of 4 visitors had an answer, and then "
            f"{state.free} of 4 connections {_are(state.free)} free; visitors who come one by one lose none."
        ),
        misconception="one-name-for-all" if out else None,
        at=first(out),
    )
    answers = await asyncio.gather(*calls)
    for answer, path, status in zip(answers, paths, (200, 404, 200, 500), strict=True):
        expect(
            answer.status == status,
            expected=f"GET {path} answers {status}, also when others ask at the same time.",
            happened=answered(lab, answer),
            error=lab.request_error(answer.request),
        )
    _expect_body(answers[0], ware.price(3))
    _expect_body(answers[2], ware.too_few)
    expect(
        reached and busy == len(calls),
        expected="Four visitors who come at once use 4 connections, so nobody waits for another one's query.",
        happened=f"While the first queries ran, there were queries on {busy} of 4 connections; the others lay idle.",
        at=first(lab.ledger.of("statement", since=mark)),
    )


@check(
    "With a pool of one connection, every visitor is served, whatever happened to the one before",
    points=2,
    needs=["returns-early", "returns-on-404", "returns-on-422", "returns-on-an-exception", "returns-on-an-sql-error"],
    lesson="why-does-a-leak-hurt-other-pages",
    quiz="every-path.how-many",
)
async def test_pool_of_one(lab: Lab) -> None:
    await lab.start(pool_size=1)
    ware, broken = await add_ware(lab), await add_ware(lab, weightless=True)
    await _expect_price(lab, ware, "with a pool of one connection")
    for path, status in (
        (missing_path(lab), 404),
        (ware.path(ware.stock + 1), 200),
        (ware.path(0), 422),
        (broken.path(), 500),
    ):
        answer = await _visit(lab, path)
        expect(
            answer.status == status,
            expected=f"GET {path} answers {status} with a pool of one connection.",
            happened=answered(lab, answer),
            error=lab.request_error(answer.request),
        )
        await settled(lab, 1)  # whether it came back is what the next visitor finds out
        await _expect_price(lab, ware, f"after a {status}")
    for table in ("discounts", "items"):
        _expect_503(lab, await _visit_without(lab, table, ware))
        await settled(lab, 1)
        await _expect_price(lab, ware, f"after an SQL error, without the table {table}")


@check(
    "The shutdown empties the pool, as it did before",
    needs=["returns-early"],
    lesson="concept-flow",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


# --- visiting ---


async def _visit(lab: Lab, path: str) -> Answer:
    """Send one request, with no other under way; fail the check when it opens or closes a connection."""
    mark = len(lab.ledger)
    call = lab.send("GET", path)
    waited = await over_or_stuck(lab, mark, STUCK)
    expect_none_opened_or_closed(lab, mark)
    answer = await call
    borrowed = lab.ledger.of("borrow", since=mark)
    expect(
        not (waited and borrowed),
        expected=f"GET {path} needs one connection at a time, so a pool of one is enough.",
        happened=(
            f"It borrowed connection {borrowed[0].connection if borrowed else 0} and then waited for a second one; "
            f"when the pool gave up, it answered {answer.status}."
        ),
        misconception="two-at-once",
        at=first(borrowed),
    )
    expect_none_opened_or_closed(lab, mark)
    return answer


async def _visit_without(lab: Lab, table: str, ware: Ware) -> Answer:
    """Ask for a price while a table is away."""
    await lab.sql(f"ALTER TABLE {table} RENAME TO {table}_away")
    answer = await _visit(lab, ware.path(3))
    await lab.sql(f"ALTER TABLE {table}_away RENAME TO {table}")
    return answer


async def _loses_one(lab: Lab, path: str) -> bool:
    """Whether one more visitor, to this path, leaves one more connection lent."""
    before = len(lab.held())
    if not lab.pool.free:
        return False
    try:
        await _visit(lab, path)
    except CheckFailed:
        return False
    # It may end either way: what is lent afterwards is the answer.
    await lab.until(lambda _: len(lab.held()) == before, within=0.1)
    return len(lab.held()) > before


async def _why_lost_by_statement(lab: Lab, failed: _Failed) -> str | None:
    """Name the mistake of a route that loses a connection by a failed statement, and on no other way out."""
    mark = len(lab.ledger)
    await lab.sql(f"ALTER TABLE {failed.other} RENAME TO {failed.other}_away")
    other_lost = await _loses_one(lab, failed.ware.path(3))
    await lab.sql(f"ALTER TABLE {failed.other}_away RENAME TO {failed.other}")
    other_late = _failed_late(lab, mark)
    if other_lost and (failed.late or other_late):
        return "listed-errors"
    if not other_lost and other_late and not failed.late:
        return "before-the-try"
    return None


def _failed_late(lab: Lab, mark: int) -> bool:
    """Whether the first statement that failed after `mark` was not the first of its borrow."""
    error = first(lab.ledger.of("error", since=mark))
    if error is None:
        return False
    sent = 0
    for event in lab.ledger.of("borrow", "statement", connection=error.connection):
        if event.seq < error.seq:
            sent = 0 if event.kind == "borrow" else sent + 1
    return sent > 1


# --- expecting ---


async def _expect_all_free(
    lab: Lab,
    size: int,
    answer: Answer,
    after: str,
    misconception: str | None,
    broken: Ware | None = None,
    failed: _Failed | None = None,
) -> None:
    """Fail the check unless every connection is back.

    Args:
        after: what has happened, for the text.
        misconception: the mistake when nothing but this way loses a connection.
        broken: an item whose row is broken, where it is to be seen whether that loses one too.
        failed: the statement that failed, where it is to be seen whether another one loses one too.
    """
    state = await settled(lab, size)
    if state.free == size:
        return
    out = lab.held()
    response = next((event for event in lab.ledger.of("response") if event.request == answer.request), None)
    happened = f"After {after}, {state.free} of {size} connections {_are(state.free)} free" + (
        f": connection {', '.join(str(event.connection) for event in out)} was borrowed and never returned."
        if out
        else "."
    )
    if misconception in ("leaves-early", "http-exception-only", "listed-errors"):
        # The other ways out tell whether this one was forgotten, or never thought of.
        if await _loses_one(lab, missing_path(lab)):
            misconception = "success-only"
        elif broken is not None and await _loses_one(lab, broken.path()):
            misconception = "http-exception-only"
        elif failed is not None:
            misconception = await _why_lost_by_statement(lab, failed)
    expect(
        False,
        expected=f"When a request is over, however it ended, all {size} connections are free again.",
        happened=happened,
        misconception="bigger-pool" if size > GIVEN_SIZE else misconception,
        at=response,
    )


def _expect_503(lab: Lab, answer: Answer) -> None:
    if answer.status < 400:
        misconception = "swallows-errors"
    else:
        misconception = "loses-the-error" if answer.status == 500 else "disguises-errors"
    expect(
        answer.status == 503,
        expected="A missing table raises sqlite3.OperationalError, which `database_trouble` answers with 503.",
        happened=answered(lab, answer),
        misconception=misconception,
        at=first(lab.ledger.of("error")),
        error=lab.request_error(answer.request),
    )


async def _expect_price(lab: Lab, ware: Ware, when: str) -> None:
    answer = await _visit(lab, ware.path(3))
    expect(
        answer.status == 200,
        expected=f"The next visitor, {when}, gets a price.",
        happened=answered(lab, answer),
        error=lab.request_error(answer.request),
    )
    _expect_body(answer, ware.price(3))


def _expect_body(answer: Answer, row: dict[str, Any]) -> None:
    body = answer.json()
    expect(
        isinstance(body, dict) and {key: body.get(key) for key in row} == row,
        expected="The route answers what it answered before it was mended.",
        happened=f"It answered {told(answer)} where {short(row)} was right.",
    )


# --- finding out why ---


def _why_no_404(answer: Answer) -> str | None:
    if answer.status < 400:
        return "swallows-errors"
    if answer.status != 500:
        return "disguises-errors"
    # A route that answers 500 by itself sends JSON; for an error that came out of it, the framework sends text.
    return "catches-its-own-404" if isinstance(answer.json(), dict) else "loses-the-error"


def _busy(ledger: Ledger, mark: int) -> int:
    """On how many connections statements have come after `mark`."""
    return len({event.connection for event in ledger.of("statement", since=mark)})


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
