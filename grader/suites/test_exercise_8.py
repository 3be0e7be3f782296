"""Exercise 8: concurrency."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from shop import TURNS, expect_emptied, first, settled, short, told, turns

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

STUCK = 0.7
"""Seconds without any event after which visitors who wait for a connection are taken to wait for ever."""

BAD = 1
"""Which of a day's items, in their order, came back more often than it was sold."""


@dataclass(frozen=True)
class Day:
    """A day of the shop, made up for one run."""

    name: str
    orders: tuple[tuple[str, int, int], ...]
    """Item, pieces and cents of each."""
    visits: int

    @property
    def path(self) -> str:
        """Where its dashboard is."""
        return f"/days/{self.name}"

    @property
    def report_path(self) -> str:
        """Where its report is written and read."""
        return f"/days/{self.name}/report"

    @property
    def dashboard(self) -> dict[str, Any]:
        """What its dashboard shows."""
        cents = sum(cents for _, _, cents in self.orders)
        return {"day": self.name, "orders": len(self.orders), "cents": cents, "visits": self.visits}

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of its report."""
        items = sorted({item for item, _, _ in self.orders})
        return [{"item": name, "pieces": sum(n for item, n, _ in self.orders if item == name)} for name in items]

    @property
    def report(self) -> dict[str, Any]:
        """What its report shows."""
        return {"day": self.name, "visits": self.visits, "lines": self.lines}


async def add_day(lab: Lab, *, refused: bool = False) -> Day:
    """Put a day of five items into the database; its report is `refused` when more of one came back than was sold."""
    random = lab.random
    name = f"{random.randrange(3000, 10_000)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
    orders: list[tuple[str, int, int]] = []
    items = sorted(f"Item {random.randbytes(4).hex()}" for _ in range(5))
    for place, item in enumerate(items):
        orders.append((item, random.randrange(2, 40), random.randrange(1_000, 90_000)))
        if place % 2:
            orders.append((item, random.randrange(2, 40), random.randrange(1_000, 90_000)))
        if refused and place == BAD:
            orders.append((item, -random.randrange(100, 200), -random.randrange(1_000, 90_000)))
    day = Day(name, tuple(orders), visits=random.randrange(11, 40))
    rows = ", ".join("(?, 'Ada', ?, ?, ?)" for _ in orders)
    values = [value for order in orders for value in (name, *order)]
    await lab.sql(f"INSERT INTO orders (day, customer, item, pieces, cents) VALUES {rows}", values)
    pages = ", ".join("(?, '/')" for _ in range(day.visits))
    await lab.sql(f"INSERT INTO visits (day, page) VALUES {pages}", [name] * day.visits)
    return day


@dataclass(frozen=True)
class Order:
    """An order of this run's own: nobody else is called like its customer."""

    day: str
    customer: str
    item: str
    pieces: int
    cents: int


def new_order(lab: Lab, day: str) -> Order:
    """Make up an order."""
    customer = f"Customer {lab.random.randbytes(6).hex()}"
    return Order(day, customer, "Teapot", lab.random.randrange(2, 9), lab.random.randrange(1_000, 90_000))


class Call:
    """A request that is under way."""

    def __init__(self, lab: Lab, method: str, path: str, body: object = None) -> None:
        self.line = f"{method} {path}"
        self._lab = lab
        self._mark = len(lab.ledger)
        self._task = lab.send(method, path, body=body)

    def __str__(self) -> str:
        return self.line

    def answered(self, ledger: Ledger) -> bool:
        """Whether its answer has come."""
        return self._has(ledger, "response")

    def over(self, ledger: Ledger) -> bool:
        """Whether the app has done everything for it."""
        return self._has(ledger, "done", "exited")

    async def answer(self) -> Answer:
        """Wait for its answer."""
        return await self._task

    def _has(self, ledger: Ledger, *kinds: str) -> bool:
        sent = next((e for e in ledger.of("request", since=self._mark) if e.detail == self.line), None)
        return sent is not None and any(
            e.kind == "exited" or e.request == sent.request for e in ledger.of(*kinds, "exited", since=sent.seq)
        )


# --- the checks ---


@check(
    "The dashboard counts the orders, the money and the visits of a day",
    points=2,
    lesson="what-is-shared-and-what-is-not",
    quiz="concurrency.together",
)
async def test_counts_the_day(lab: Lab) -> None:
    await lab.start()
    for day in (await add_day(lab), await add_day(lab)):
        _expect_dashboard(lab, await lab.get(day.path), day)
    order = new_order(lab, day.name)
    answer = await lab.request("POST", "/orders", body=vars(order))
    await _expect_stored(lab, answer, order)
    after = Day(day.name, (*day.orders, (order.item, order.pieces, order.cents)), day.visits)
    _expect_dashboard(lab, await lab.get(day.path), after)


@check(
    "A report is written as a whole, and before its writer is told so",
    points=2,
    needs=["counts-the-day"],
    lesson="why-do-the-lines-not-get-a-task-each",
    quiz="concurrency.sees",
)
async def test_writes_a_report(lab: Lab) -> None:
    await lab.start()
    day = await add_day(lab)
    mark = len(lab.ledger)
    async with lab.gate("into report_lines"):
        call = Call(lab, "POST", day.report_path)
        await _reaches(lab, call, lambda ledger: bool(_inserts(ledger, "report_lines", mark)), "its first line")
        _expect_one_transaction(lab, mark)
        # Every line is held here, so an answer that comes now comes before them.
        early = await turns(
            lab, lambda ledger: call.answered(ledger) and bool(_inserts(ledger, "report_lines", mark)), times=3
        )
        expect(
            not early,
            expected=f"{call} answers when the whole report is in the database.",
            happened="It answered while a line of the report was on its way to the database.",
            misconception="answers-too-early",
            at=first(_inserts(lab.ledger, "report_lines", mark)),
        )
    answer = await call.answer()
    _expect_status(lab, answer, call.line, 201)
    _expect_body(answer, call.line, {"day": day.name, "lines": len(day.lines)})
    answer = await lab.get(day.report_path)
    _expect_status(lab, answer, f"GET {day.report_path}", 200)
    _expect_body(answer, f"GET {day.report_path}", day.report)
    mark = len(lab.ledger)
    again = await lab.request("POST", day.report_path)
    rows = await _rows(lab, day)
    expect(
        again.status == 409 and rows == (1, len(day.lines)),
        expected="A second report of a day is refused with 409, and the first stays as it is.",
        happened=(
            f"It answered {again.status}. Before it, {_counted((1, len(day.lines)))} of that day were there; after it, "
            f"{_counted(rows)}."
        ),
        misconception=_why_rows_stay(lab, mark) if rows != (1, len(day.lines)) else None,
        at=first(_report_inserts(lab.ledger, mark)),
        error=lab.request_error(again.request),
    )


@check(
    "Visitors who come together are served side by side, each on a connection of their own",
    points=2,
    needs=["writes-a-report"],
    lesson="why-does-the-second-visitor-not-wait",
    quiz="concurrency.global",
)
async def test_visitors_side_by_side(lab: Lab) -> None:
    await lab.start()
    days = (await add_day(lab), await add_day(lab))
    mark = len(lab.ledger)
    async with lab.gate("visits"):
        calls = [Call(lab, "GET", day.path) for day in days]
        together = await turns(lab, lambda ledger: len({e.connection for e in _visits(ledger, mark)}) > 1)
        state = lab.pool
    answers = [await call.answer() for call in calls]
    queries = _visits(lab.ledger, mark)
    expect(
        together,
        expected="Two visitors who ask for a dashboard at the same time do not wait for each other.",
        happened=(
            "While a query of one was held at the database, no such query of the other arrived there; "
            f"{state.borrowed} of {count(state.total, 'connection')} {'was' if state.borrowed == 1 else 'were'} in use."
        ),
        misconception="shared-connection" if _one_borrow(lab, queries) else "one-at-a-time" if queries else None,
        at=queries[-1] if queries else None,
    )
    for answer, call in zip(answers, calls, strict=True):
        _expect_status(lab, answer, call.line, 200)
    mark = len(lab.ledger)
    async with lab.gate("from reports"):
        calls = [Call(lab, "GET", day.report_path) for day in days]
        together = await turns(lab, lambda ledger: all(_asks(ledger, "from reports", day.name) for day in days))
    answers = [await call.answer() for call in calls]
    queries = [event for day in days for event in _asks(lab.ledger, "from reports", day.name)]
    expect(
        together,
        expected="Two visitors who ask for a report at the same time do not wait for each other.",
        happened="While a query of one was held at the database, no such query of the other arrived there.",
        misconception="shared-connection" if _one_borrow(lab, queries) else "one-at-a-time" if queries else None,
        at=first(queries),
    )
    for answer, call in zip(answers, calls, strict=True):
        _expect_status(lab, answer, call.line, 404)
    async with lab.gate("into report"):
        report = Call(lab, "POST", days[0].report_path)
        await _reaches(lab, report, lambda ledger: bool(_report_inserts(ledger)), "its first row")
        call = Call(lab, "GET", days[1].path)
        expect(
            await turns(lab, call.over),
            expected="A visitor who asks for a dashboard does not wait until a report is written.",
            happened=f"While a report was held at the database, {call} was not answered.",
            misconception="one-at-a-time" if _asks(lab.ledger, "into report", days[0].name) else None,
        )
    answer = await report.answer()
    _expect_status(lab, answer, report.line, 201, _why_unusable(lab, answer))


@check(
    "Between two requests every connection is free, one of those that startup opened",
    needs=["writes-a-report"],
    lesson="what-is-shared-and-what-is-not",
    quiz="concurrency.in-turn",
)
async def test_gives_everything_back(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    _expect_all_free(lab, size, "after the startup", "shared-connection")
    day, bad, other = await add_day(lab), await add_day(lab, refused=True), await add_day(lab)
    started = len(lab.ledger)
    order = vars(new_order(lab, day.name))
    for method, path, body, fails in (
        ("GET", day.path, None, None),
        ("POST", "/orders", order, None),
        ("POST", "/orders", {}, None),  # 422
        ("GET", day.report_path, None, None),
        ("POST", day.report_path, None, None),
        ("GET", day.report_path, None, None),
        ("POST", day.report_path, None, None),
        ("POST", bad.report_path, None, None),
        ("GET", day.path, None, "from visits"),
        ("POST", "/orders", order, "into orders"),
        ("POST", other.report_path, None, "from visits"),
        ("POST", other.report_path, None, "into report_lines"),
        ("GET", day.report_path, None, "from report"),
    ):
        if fails:
            lab.faults.fail_statement(fails, "disk I/O error")
        await lab.request(method, path, body=body)
        await settled(lab, size)
        changes = lab.ledger.of("open", "close", "lost", since=started)
        opened = [event for event in changes if event.kind == "open"]
        expect(
            not changes or lab.pool.borrowed > 0,
            expected="A request uses the connections that startup opened, and leaves them open.",
            happened=(
                f"While {method} {path} was served, {count(len(opened), 'connection')} "
                f"{'was' if len(opened) == 1 else 'were'} opened and {len(changes) - len(opened)} closed."
            ),
            misconception="own-connection" if any(not event.pooled for event in opened) else None,
            at=first(changes),
        )
        _expect_all_free(lab, size, f"after {method} {path}" + (", of which a statement failed" if fails else ""))


@check(
    "Each visitor gets the numbers of the day that they asked for",
    points=2,
    needs=["counts-the-day"],
    lesson="what-is-shared-and-what-is-not",
    quiz="concurrency.global",
)
async def test_keeps_answers_apart(lab: Lab) -> None:
    await lab.start()
    for table in ("visits", "orders"):
        days = (await add_day(lab), await add_day(lab))
        async with lab.gate(table):
            calls = []
            for day in days:
                calls.append(Call(lab, "GET", day.path))
                await turns(lab, lambda ledger: bool(_asks(ledger, table, day.name)), times=TURNS // 2)  # noqa: B023
        for call, day, other in zip(calls, days, reversed(days), strict=True):
            answer = await call.answer()
            _expect_dashboard(lab, answer, day, other)


@check(
    "A report that is refused leaves nothing behind",
    points=3,
    needs=["writes-a-report"],
    lesson="why-do-the-lines-not-get-a-task-each",
    quiz="concurrency.gather-error",
)
async def test_refused_report_leaves_nothing(lab: Lab) -> None:
    await lab.start()
    day = await add_day(lab, refused=True)
    mark = len(lab.ledger)
    async with lab.gate("rollback"):
        call = Call(lab, "POST", day.report_path)
        await _reaches(lab, call, lambda ledger: bool(ledger.of("rollback", since=mark)), "its rollback")
        # Whatever else the request has begun gets the time to line up behind the rollback.
        await turns(lab, call.over, times=3)
    answer = await call.answer()
    # None may come: that is the right end of this wait.
    if await turns(lab, lambda _: bool(_after_rollback(lab, mark)), times=3):
        await turns(lab, lambda _: False, times=2)  # more may follow the first
    late = _after_rollback(lab, mark)
    rows = await _rows(lab, day)
    happened = f"{call} answered {answer.status}; then there were {_counted(rows)} of that day."
    if late:
        happened += f" {count(len(late), 'row')} came to the database after the rollback."
    expect(
        rows == (0, 0) and not late,
        expected="When one line is refused, the report and all its lines are undone, and none is written afterwards.",
        happened=happened,
        misconception=(
            "gather-in-transaction" if late else "swallows-errors" if answer.status < 400 else _why_rows_stay(lab, mark)
        ),
        at=first(late) or _commit_after_error(lab, mark),
    )
    expect(
        answer.status == 409,
        expected="A report that does not add up is answered with 409.",
        happened=_answered(lab, answer),
        misconception="swallows-errors" if answer.status < 400 else None,
        at=first(lab.ledger.of("error", since=mark)),
        error=lab.request_error(answer.request),
    )
    item, pieces, _ = next(order for order in day.orders if order[1] < 0)
    await lab.sql("DELETE FROM orders WHERE day = ? AND item = ? AND pieces = ?", (day.name, item, pieces))
    whole = Day(day.name, tuple(order for order in day.orders if order[1] >= 0), day.visits)
    _expect_status(lab, await lab.request("POST", day.report_path), f"{call}, once its orders add up,", 201)
    _expect_body(await lab.get(day.report_path), f"GET {day.report_path}", whole.report)


@check(
    "A report is seen as a whole or not at all",
    points=2,
    needs=["writes-a-report"],
    lesson="who-sees-rows-before-the-commit",
    quiz="concurrency.sees",
)
async def test_unfinished_report_is_unseen(lab: Lab) -> None:
    await lab.start()
    day = await add_day(lab)
    mark = len(lab.ledger)
    async with AsyncExitStack() as gates:
        async with lab.gate("into report"):
            writer = Call(lab, "POST", day.report_path)
            await _reaches(lab, writer, lambda ledger: bool(_report_inserts(ledger, mark)), "its first row")
            reader = Call(lab, "GET", day.report_path)
            await turns(lab, reader.over)  # on a shared connection it cannot be: there it stands behind the writer
            # Whichever table comes second: there the report is written in part.
            second = "reports" if _inserts(lab.ledger, "report_lines", mark) else "report_lines"
            await gates.enter_async_context(lab.gate(f"into {second}"))
        # It may end either way: without a statement on the second table nothing can be seen in part.
        await turns(lab, lambda ledger: writer.over(ledger) or bool(_inserts(ledger, second, mark)))
        reports, lines = await _rows(lab, day)
        held = first(_inserts(lab.ledger, second, mark))
    # What a reader saw is told before what the database shows from outside: it is the visitor who is misled.
    seen = await reader.answer()
    written = await writer.answer()
    expect(
        seen.status == 404 or (seen.status == 200 and _holds(seen, day.report)),
        expected="Who asks for a report while it is being written gets 404, or the whole report.",
        happened=f"{reader} answered {seen.status} with {told(seen)}; the report has {count(len(day.lines), 'line')}.",
        misconception="sees-unfinished" if seen.status == 200 else None,
        at=first(_report_inserts(lab.ledger, mark)),
        error=lab.request_error(seen.request),
    )
    expect(
        written.status == 201,
        expected=f"{writer} answers 201, also when somebody else visits meanwhile.",
        happened=_answered(lab, written),
        misconception=_why_unusable(lab, written),
        error=lab.request_error(written.request),
    )
    expect(
        held is None or (reports, lines) == (0, 0),
        expected="Nothing of a report is committed before all of it is written.",
        happened=f"While a row of it was held, {_counted((reports, lines))} could be seen from outside.",
        misconception="no-transaction",
        at=held,
    )
    _expect_body(await lab.get(day.report_path), f"GET {day.report_path}", day.report)
    await _expect_one_moment(lab, await add_day(lab))


@check(
    "Who writes at the same time as others waits for them, and is not refused",
    points=2,
    needs=["visitors-side-by-side", "gives-everything-back"],
    lesson="what-if-two-want-to-write",
    quiz="concurrency.sees",
)
async def test_writers_wait(lab: Lab) -> None:
    await lab.start()
    days = (await add_day(lab), await add_day(lab))
    mark = len(lab.ledger)
    # Whoever has read by now and holds that moment keeps the other one from its commit: one of them must fail.
    async with lab.gate("into report"):
        calls = [Call(lab, "POST", day.report_path) for day in days]
        # Writers who wait for their turn in the app never come so far together.
        await turns(
            lab,
            lambda ledger: (
                len({event.connection for event in _write_attempts(ledger, mark)}) > 1
                or any(call.over(ledger) for call in calls)
            ),
        )
    await _expect_written(lab, calls, days, mark, "When two reports were written at the same moment")
    day = await add_day(lab)
    order = new_order(lab, (await add_day(lab)).name)
    mark = len(lab.ledger)
    async with lab.gate("into report"):
        writer = Call(lab, "POST", day.report_path)
        await _reaches(lab, writer, lambda ledger: bool(_report_inserts(ledger, mark)), "its first row")
        buyer = Call(lab, "POST", "/orders", vars(order))
        # Then it is stored, or has the write lock, or waits for it; unless it waits in the app for its turn.
        if await turns(lab, lambda ledger: bool(_asks(ledger, "orders", order.customer))):
            await turns(lab, buyer.answered, times=3)
    await _expect_written(lab, [writer], [day], mark, "When an order came while a report was written")
    await _expect_stored(lab, await buyer.answer(), order)


@check(
    "An order stays, whatever becomes of a report that is written at the same time",
    points=3,
    needs=["writes-a-report"],
    lesson="who-sees-rows-before-the-commit",
    quiz="concurrency.global",
)
async def test_orders_survive(lab: Lab) -> None:
    await lab.start()
    day = await add_day(lab, refused=True)
    order = new_order(lab, (await add_day(lab)).name)
    mark = len(lab.ledger)
    async with lab.gate("into orders"):
        async with lab.gate("into report"):
            writer = Call(lab, "POST", day.report_path)
            await _reaches(lab, writer, lambda ledger: bool(_report_inserts(ledger, mark)), "its first row")
            buyer = Call(lab, "POST", "/orders", vars(order))
            apart = await turns(lab, lambda ledger: bool(_asks(ledger, "orders", order.customer)))
        # The report goes on first. On a connection of its own, nothing of the order is in its way.
        went_on = await turns(
            lab, lambda ledger: writer.over(ledger) or _intruder(lab, mark, order.customer) is not None
        )
        intruder = _intruder(lab, mark, order.customer)
        header = first(_report_inserts(lab.ledger, mark))
        expect(
            went_on or not apart or intruder is not None,
            expected="A report that is being written does not wait for another visitor's order.",
            happened=f"{writer} went no further while an order was held at the database, on connection "
            f"{', '.join(str(e.connection) for e in _asks(lab.ledger, 'orders', order.customer))}.",
            misconception="one-name-for-all",
            at=header,
        )
    refused, answer = await writer.answer(), await buyer.answer()
    stored = await _stored(lab, order)
    inside = (
        f"The order came on connection {intruder.connection}, in the middle of the report's transaction. "
        if intruder is not None
        else ""
    )
    expect(
        intruder is None and (answer.status == 201) == stored,
        expected="An order is stored once it was answered with 201, also when a report is undone at that moment.",
        happened=(
            f"{inside}The report was answered with {refused.status}, the order with {answer.status}; "
            f"after that the order was {'in' if stored else 'not in'} the database."
        ),
        misconception="shared-transaction" if intruder is not None else None,
        at=intruder,
    )
    _expect_status(lab, answer, "POST /orders", 201)


@check(
    "A pool of one connection is enough for everything, also for visitors who come together",
    points=2,
    needs=["writes-a-report"],
    lesson="why-does-the-second-visitor-not-wait",
    quiz="concurrency.holds",
)
async def test_pool_of_one(lab: Lab) -> None:
    await lab.start(pool_size=1)
    day, bad, order = await add_day(lab), await add_day(lab, refused=True), new_order(lab, "2030-01-01")
    _expect_dashboard(lab, (await _visit(lab, ("GET", day.path, None)))[0], day)
    written = await _visit(lab, ("POST", day.report_path, None))
    _expect_status(lab, written[0], f"POST {day.report_path}", 201)
    read, refused, taken, shown = await _visit(
        lab,
        ("GET", day.report_path, None),
        ("POST", bad.report_path, None),
        ("POST", "/orders", vars(order)),
        ("GET", bad.path, None),
    )
    _expect_body(read, f"GET {day.report_path}", day.report)
    expect(
        refused.status >= 400,
        expected=f"POST {bad.report_path} is refused.",
        happened=_answered(lab, refused),
        misconception="swallows-errors",
    )
    _expect_status(lab, taken, "POST /orders", 201)
    _expect_dashboard(lab, shown, bad)


@check(
    "The shutdown empties the pool, as it did before",
    needs=["visitors-side-by-side"],
    lesson="what-is-shared-and-what-is-not",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


# --- visiting ---


async def _visit(lab: Lab, *requests: tuple[str, str, object]) -> list[Answer]:
    """Send requests together; fail the check when those that wait for a connection can never get one."""
    mark = len(lab.ledger)
    calls = [Call(lab, *request) for request in requests]

    def over(ledger: Ledger) -> bool:
        return all(call.over(ledger) for call in calls)

    while not over(lab.ledger):
        seen = len(lab.ledger)
        if await lab.until(lambda ledger: over(ledger) or len(ledger) > seen, within=STUCK):  # noqa: B023
            continue
        held = first(lab.held())
        expect(
            not lab.pool.waiting,
            expected="A request needs one connection at a time, so a pool of one is enough.",
            happened=(
                f"{' and '.join(map(str, calls))} stood still: {count(lab.pool.waiting, 'task')} waited for a "
                "connection, and whoever had the only one did not give it back."
            ),
            misconception="holds-and-waits" if held is not None and held.seq > mark else "shared-connection",
            at=held,
        )
        break
    return [await call.answer() for call in calls]


# --- what the ledger and the database say ---


def _asks(ledger: Ledger, words: str, about: str) -> list[Event]:
    """The statements with certain words in them that carry a value of this run's own."""
    return [e for e in _about(ledger, about) if words in e.detail.casefold()]


def _about(ledger: Ledger, about: str) -> Iterator[Event]:
    return (e for e in ledger.of("statement") if about in e.params or about in e.detail)


def _inserts(ledger: Ledger, table: str, since: int = 0) -> list[Event]:
    """The statements that write rows into a table."""
    into = re.compile(rf"\binto\s+\W?{table}\b", re.IGNORECASE)
    return [event for event in ledger.of("statement", since=since) if into.search(event.detail)]


def _report_inserts(ledger: Ledger, since: int = 0) -> list[Event]:
    """The statements that write a report's rows, into whichever of its tables."""
    both = [*_inserts(ledger, "reports", since), *_inserts(ledger, "report_lines", since)]
    return sorted(both, key=lambda event: event.seq)


def _write_attempts(ledger: Ledger, since: int) -> list[Event]:
    """The statements that write rows, or ask for the right to."""
    write = re.compile(r"\W*(insert|begin\s+(immediate|exclusive))\b", re.IGNORECASE)
    return [event for event in ledger.of("statement", since=since) if write.match(event.detail)]


def _transaction(lab: Lab, inside: Event) -> tuple[Event | None, Event | None]:
    """The statement that opened the transaction around a statement, and the event that ended it."""
    begin: Event | None = None
    for event in lab.ledger.of(
        "statement", "commit", "rollback", "borrow", "return", "close", "lost", connection=inside.connection
    ):
        if event.seq > inside.seq:
            if event.kind != "statement":
                return begin, event
        elif event.kind != "statement":
            begin = None
        elif begin is None and event.detail.casefold().lstrip().startswith(("begin", "savepoint")):
            begin = event
    return begin, None


def _visits(ledger: Ledger, mark: int) -> list[Event]:
    """The statements that ask for visits."""
    return [event for event in ledger.of("statement", since=mark) if "visits" in event.detail.casefold()]


def _intruder(lab: Lab, mark: int, about: str) -> Event | None:
    """The statement of another request in the middle of the report's transaction, if there is one."""
    header = first(_report_inserts(lab.ledger, mark))
    if header is None:
        return None
    begin, end = _transaction(lab, header)
    if begin is None:
        return None
    return next(
        (
            event
            for event in _about(lab.ledger, about)
            if event.connection == header.connection and event.seq > begin.seq and (end is None or event.seq < end.seq)
        ),
        None,
    )


def _after_rollback(lab: Lab, mark: int) -> list[Event]:
    """The rows that came on the report's connection after the rollback of the report."""
    header = first(_report_inserts(lab.ledger, mark))
    end = _transaction(lab, header)[1] if header is not None else None
    if end is None or end.kind != "rollback":
        return []
    return [e for e in _report_inserts(lab.ledger, end.seq) if e.connection == end.connection]


def _why_rows_stay(lab: Lab, mark: int) -> str | None:
    """Tell why rows of a refused report stayed, by the transactions that its rows were written in."""
    inserts = _report_inserts(lab.ledger, mark)
    begins = [_transaction(lab, insert)[0] for insert in inserts]
    if _commit_after_error(lab, mark) is not None:
        return "commits-after-an-error"
    alone = next((insert for insert, begin in zip(inserts, begins, strict=True) if begin is None), None)
    if alone is not None:
        return "outside-the-transaction" if _open_elsewhere(lab, alone, mark) else "no-transaction"
    return "no-transaction" if len({begin.seq for begin in begins if begin}) > 1 else None


def _commit_after_error(lab: Lab, mark: int) -> Event | None:
    """The commit of a transaction in which a row of the report was refused after others were written, if any."""
    inserts = _report_inserts(lab.ledger, mark)
    for error in lab.ledger.of("error", since=mark):
        before = [e for e in inserts if e.connection == error.connection and e.seq < error.seq]
        if len(before) < 2:
            continue
        begin, end = _transaction(lab, before[-1])
        if begin is not None and begin.seq < before[-2].seq and end is not None and end.kind == "commit":
            return end
    return None


def _open_elsewhere(lab: Lab, insert: Event, mark: int) -> bool:
    """Whether a transaction was open on another connection while a row was written."""
    for event in lab.ledger.of("statement", since=mark):
        if event.connection == insert.connection or not event.detail.casefold().lstrip().startswith("begin"):
            continue
        end = _transaction(lab, event)[1]
        if event.seq < insert.seq and (end is None or end.seq > insert.seq):
            return True
    return False


def _one_borrow(lab: Lab, queries: list[Event]) -> bool:
    """Whether several queries ran on one connection that was not returned in between."""
    if len(queries) < 2 or len({event.connection for event in queries}) > 1:
        return False
    start, end = queries[0].seq, queries[-1].seq
    marks = lab.ledger.of("borrow", "return", "open", connection=queries[0].connection)
    return not any(start < event.seq < end for event in marks)


async def _rows(lab: Lab, day: Day) -> tuple[int, int]:
    """How many reports of a day there are, and how many lines of reports."""
    found = await lab.sql(
        "SELECT (SELECT count(*) FROM reports WHERE day = ?), (SELECT count(*) FROM report_lines WHERE day = ?)",
        (day.name, day.name),
    )
    reports, lines = found[0]
    assert isinstance(reports, int)
    assert isinstance(lines, int)
    return reports, lines


async def _stored(lab: Lab, order: Order) -> bool:
    found = await lab.sql("SELECT day, customer, item, pieces, cents FROM orders WHERE customer = ?", (order.customer,))
    return found == [(order.day, order.customer, order.item, order.pieces, order.cents)]


# --- expecting ---


async def _reaches(lab: Lab, call: Call, there: Callable[[Ledger], bool], what: str) -> None:
    """Wait until a request has come to `what`, or is over without it, which the answer's own check judges."""
    expect(
        await lab.until(lambda ledger: call.over(ledger) or there(ledger)),
        expected=f"{call} goes on until it is answered.",
        happened=f"It came neither to {what} nor to its end, and {count(lab.pool.waiting, 'task')} waited.",
        at=first(lab.held()),
    )


def _expect_one_transaction(lab: Lab, mark: int) -> None:
    """Fail the check when a line waits for the transaction of its own report."""
    header, line = first(_inserts(lab.ledger, "reports", mark)), first(_inserts(lab.ledger, "report_lines", mark))
    if header is None or line is None:
        return
    begin, end = _transaction(lab, header)
    expect(
        begin is None or end is not None or line.connection == header.connection,
        expected="The lines of a report are written on the connection of its transaction.",
        happened=(
            f"The transaction was open on connection {header.connection}, and a line came on connection "
            f"{line.connection}."
        ),
        misconception="outside-the-transaction",
        at=line,
    )


async def _expect_one_moment(lab: Lab, day: Day) -> None:
    """Fail the check when a reader puts a report together from before and after the moment at which it was written."""
    mark = len(lab.ledger)
    async with lab.gate("from reports"):
        reader = Call(lab, "GET", day.report_path)
        await _reaches(lab, reader, lambda ledger: bool(_asks(ledger, "from reports", day.name)), "the report's row")
        await lab.turn()  # what it asks for beside that is asked by now
        writer = Call(lab, "POST", day.report_path)
        await turns(lab, writer.over)  # a reader in a transaction may keep the writer from its commit until later
    seen, written = await reader.answer(), await writer.answer()
    lines = [e for e in lab.ledger.of("statement", since=mark) if "from report_lines" in e.detail.casefold()]
    expect(
        seen.status == 404 or (seen.status == 200 and _holds(seen, day.report)),
        expected="Who asks for a report while it is being written gets 404, or the whole report.",
        happened=(
            f"While a reader was between two queries, the report was stored, {count(len(day.lines), 'line')} in all. "
            f"{reader} answered {seen.status} with {told(seen)}."
        ),
        misconception="two-moments" if seen.status == 200 else None,
        at=first(lines),
        error=lab.request_error(seen.request),
    )
    _expect_status(lab, written, writer.line, 201)


async def _expect_written(lab: Lab, calls: Sequence[Call], days: Sequence[Day], mark: int, when: str) -> None:
    """Fail the check unless all of these reports are stored."""
    answers = [await call.answer() for call in calls]
    locked = next((event for event in lab.ledger.of("error", since=mark) if "locked" in event.detail), None)
    for call, answer, day in zip(calls, answers, days, strict=True):
        error, rows = lab.request_error(answer.request), await _rows(lab, day)
        expect(
            answer.status == 201 and rows == (1, len(day.lines)),
            expected=f"{call} waits until it may write, and answers 201 once the report is stored.",
            happened=(
                f"{when}, {call} answered {answer.status}"
                + (f": the route raised {error}." if error else f", and {_counted(rows)} of that day were stored.")
            ),
            misconception="reads-then-writes" if locked else None,
            at=locked,
            error=error,
        )


def _expect_all_free(lab: Lab, size: int, when: str, misconception: str | None = None) -> None:
    state = lab.pool
    out = first(lab.held()) or first([e for e in lab.ledger.of("open") if not e.pooled])
    expect(
        size > 0 and state.free == state.total == size,
        expected="When no request is under way, every connection is free.",
        happened=f"{when[0].upper()}{when[1:]}, {state.free} of {count(state.total, 'connection')} were free.",
        misconception=misconception if state.borrowed else None,
        at=out,
    )


def _expect_dashboard(lab: Lab, answer: Answer, day: Day, other: Day | None = None) -> None:
    error = lab.request_error(answer.request)
    _expect_status(
        lab, answer, f"GET {day.path}", 200, _why_no_dashboard(lab, answer, day) if answer.status != 200 else None
    )
    body = answer.json()
    shown = body if isinstance(body, dict) else {}
    strange = other is not None and any(
        shown.get(name) == value != day.dashboard[name] for name, value in other.dashboard.items()
    )
    expect(
        {name: shown.get(name) for name in day.dashboard} == day.dashboard,
        expected=f"GET {day.path} counts the orders, cents and visits of that day.",
        happened=(
            f"It answered {told(answer)} where {short(day.dashboard)} was right"
            + (f"; another visitor had asked for {other.name}." if strange and other else ".")
        ),
        misconception="mixed-results" if strange else "one-cursor" if _swapped(shown, day) else None,
        error=error,
    )


def _why_no_dashboard(lab: Lab, answer: Answer, day: Day) -> str | None:
    error = lab.request_error(answer.request)
    if error is None:
        return None
    if "event loop" in error.message:
        return "two-loops"
    queries = list(_about(lab.ledger, day.name))
    one = len(queries) > 1 and len({event.connection for event in queries}) == 1
    # All the queries were answered, and one that counts always has a row; so somebody else took it.
    if one and not lab.ledger.of("error") and error.type in ("TypeError", "IndexError"):
        return "one-cursor"
    return None


def _swapped(shown: dict[str, Any], day: Day) -> bool:
    """Whether a dashboard has one of the right numbers under a wrong name."""
    right = {name: value for name, value in day.dashboard.items() if name != "day"}
    return any(shown.get(a) == right[b] != right[a] for a in right for b in right if a != b)


async def _expect_stored(lab: Lab, answer: Answer, order: Order) -> None:
    _expect_status(lab, answer, "POST /orders", 201)
    expect(
        await _stored(lab, order),
        expected="An order that is answered with 201 is in the database, once.",
        happened=f"POST /orders answered 201, and no order of {order.customer!r} was there as it was sent.",
    )


def _expect_status(lab: Lab, answer: Answer, call: str, status: int, misconception: str | None = None) -> None:
    expect(
        answer.status == status,
        expected=f"{call} answers {status}.",
        happened=_answered(lab, answer),
        misconception=misconception,
        error=lab.request_error(answer.request),
    )


def _expect_body(answer: Answer, call: str, right: dict[str, Any]) -> None:
    expect(
        _holds(answer, right),
        expected=f"{call} answers what stands in the database.",
        happened=f"It answered {told(answer)} where {short(right)} was right.",
    )


def _holds(answer: Answer, right: dict[str, Any]) -> bool:
    """Whether an answer has all these names with these values; it may have more."""
    body = answer.json()
    return isinstance(body, dict) and {name: body.get(name) for name in right} == right


def _answered(lab: Lab, answer: Answer) -> str:
    error = lab.request_error(answer.request)
    return f"It answered {answer.status}" + (f": the route raised {error}." if error else f" with {told(answer)}.")


def _counted(rows: tuple[int, int]) -> str:
    return f"{count(rows[0], 'report')} and {count(rows[1], 'line')}"


def _why_unusable(lab: Lab, answer: Answer) -> str | None:
    """Tell a request whose connection another one returned, in the words of `databases` or of the pool."""
    error = lab.request_error(answer.request)
    found = error is not None and ("not acquired" in error.message or "was returned" in error.message)
    return "one-name-for-all" if found else None
