"""Exercise 10: no hold-and-wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shop import answered, expect_emptied, expect_none_opened_or_closed, first, settled, short, told, unusable

from poolkit.events import Event
from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

GIVEN_SIZE = 4
"""The pool's size in the file that a learner is given."""

CROWD = 45
"""Visitors at once; more than the 40 threads in which FastAPI runs plain functions."""

STANDSTILL = 0.8
"""Seconds without any event, while somebody waits for a connection, after which nobody is taken to move again."""

ALL_WAIT = 0.4
"""The same when every visitor there is waits for a connection."""

QUIET = 3.0
"""The same for visitors who wait for something else, which only they know."""

MANY_BORROWS = 6
"""Borrows of one request after which it is taken to go round in a circle."""

Condition = Callable[[Ledger], bool]


@dataclass(frozen=True)
class Order:
    """An order and its customer, made up for one run."""

    id: int
    item: str
    pieces: int
    customer_id: int
    customer: str
    key: str

    def path(self, key: str | None = None) -> str:
        """Where the app shows it; `key` in the place of the customer's own where it is given."""
        return f"/orders/{self.id}?key={self.key if key is None else key}"

    @property
    def shown(self) -> dict[str, Any]:
        """What the app answers for it."""
        return {"id": self.id, "customer": self.customer, "item": self.item, "pieces": self.pieces}


async def add_order(lab: Lab, like: Order | None = None) -> Order:
    """Put an order into the database that is this run's own, and its customer, or another one of `like`'s customer."""
    order = Order(
        id=lab.random.randrange(10_000, 10_000_000),
        item=f"Item {lab.random.randbytes(6).hex()}",
        pieces=lab.random.randrange(1, 500),
        customer_id=like.customer_id if like else lab.random.randrange(10_000, 10_000_000),
        customer=like.customer if like else f"Customer {lab.random.randbytes(6).hex()}",
        key=like.key if like else new_key(lab),
    )
    if not like:
        await lab.sql(
            "INSERT INTO customers (id, name, link_key) VALUES (?, ?, ?)",
            (order.customer_id, order.customer, order.key),
        )
    await lab.sql(
        "INSERT INTO orders (id, customer_id, item, pieces) VALUES (?, ?, ?, ?)",
        (order.id, order.customer_id, order.item, order.pieces),
    )
    return order


def no_number(lab: Lab, key: str = "") -> str:
    """Return an address with an order's id that is no number, and with a key where one is given."""
    return f"/orders/order-{lab.random.randbytes(3).hex()}" + (f"?key={key}" if key else "")


def new_key(lab: Lab) -> str:
    """Return a key that nobody has."""
    return f"key-{lab.random.randbytes(8).hex()}"


@check(
    "The app has one pool, full and free before the first request",
    lesson="how-few-connections-are-enough",
    quiz="hold-and-wait.cures",
)
async def test_starts_with_one_pool(lab: Lab) -> None:
    size = 3
    await lab.start(pool_size=size)
    state = lab.pool
    expect(
        state.free == state.total == size,
        expected=f"With a pool size of {size}, there are {size} connections after startup, all of them free.",
        happened=f"{count(state.total, 'connection')} {_were(state.total)} open and {state.free} free.",
        misconception=_why_not_one_pool(state.total, state.borrowed, size),
        at=first(lab.held()) or first(lab.ledger.of("open")),
    )


@check(
    "A customer sees the order, read over a connection of the pool that comes back",
    points=2,
    needs=["starts-with-one-pool"],
    lesson="how-few-connections-are-enough",
    quiz="hold-and-wait.in-turn",
)
async def test_shows_the_order(lab: Lab) -> None:
    await lab.start(pool_size=4)
    order = await add_order(lab)
    mark = len(lab.ledger)
    answer = await _visit(lab, order.path())
    error = lab.request_error(answer.request)
    expect(
        answer.status == 200,
        expected=f"GET {order.path()} answers 200 with the order.",
        happened=answered(lab, answer),
        misconception="used-after-return" if error and unusable(error.message) else None,
        at=first(lab.ledger.of("return", since=mark)),
        error=error,
    )
    _expect_order(answer, order)
    queries = lab.ledger.of("statement", since=mark)
    expect(
        any(event.pooled for event in queries),
        expected="The queries run on a connection that was borrowed from the pool.",
        happened="No query reached the database over a connection of the pool.",
    )
    await _expect_all_free(lab, 4, "an order was shown")


@check(
    "A wrong key is refused, and so is another customer's order; the key is looked up each time",
    points=2,
    needs=["shows-the-order"],
    lesson="who-may-borrow-before-the-first-is-back",
    quiz="yield-dependency.after-404",
)
async def test_refuses_strangers(lab: Lab) -> None:
    await lab.start(pool_size=4)
    order, other = await add_order(lab), await add_order(lab)
    renewed = new_key(lab)
    _expect_order(await _expect_status(lab, order.path(), 200, "shows a customer's own order"), order)
    nowhere = f"/orders/{lab.random.randrange(10_000_000, 100_000_000)}?key={order.key}"
    for path, status, what in (
        (order.path(renewed), 401, "refuses a key that nobody has"),
        (order.path(other.key), 404, "keeps an order from other customers"),
        (nowhere, 404, "has no such order"),
        (f"/orders/{order.id}", 422, "refuses a visitor without a key"),
        (no_number(lab, order.key), 422, "refuses an id that is no number"),
        (no_number(lab), 422, "refuses an id that is no number, without a key"),
    ):
        await _expect_status(lab, path, status, what)
        await _expect_all_free(lab, 4, f"GET {path} was answered {status}", "leaks-on-refusal")
    await lab.sql("UPDATE customers SET link_key = ? WHERE id = ?", (renewed, order.customer_id))
    await _expect_status(lab, order.path(), 401, "refuses a key that was taken back", "cached-keys")
    answer = await _expect_status(lab, order.path(renewed), 200, "takes the key that replaced it", "cached-keys")
    _expect_order(answer, order)
    # A join names both tables in one statement; then the second round is like the first.
    for table in ("customers", "orders"):
        mark = len(lab.ledger)
        lab.faults.fail_statement(table, "disk I/O error")
        answer = await _visit(lab, other.path())
        expect(
            bool(lab.ledger.of("error", since=mark)),
            expected=f"GET {other.path()} asks the table `{table}`.",
            happened=f"No statement that names it reached the database. {answered(lab, answer)}",
        )
        await _expect_all_free(lab, 4, f"a statement on `{table}` failed", "leaks-on-errors")
    _expect_order(await _expect_status(lab, other.path(), 200, "is well again"), other)


@check(
    "A request has one connection at a time, however many are free",
    points=3,
    needs=["shows-the-order"],
    lesson="who-may-borrow-before-the-first-is-back",
    quiz="hold-and-wait.twice",
)
async def test_one_at_a_time(lab: Lab) -> None:
    size = lab.random.randrange(4, 7)
    await lab.start(pool_size=size)
    order, other = await add_order(lab), await add_order(lab)
    for path, status in (
        (order.path(), 200),
        (order.path(other.key), 404),
        (order.path(new_key(lab)), 401),
        (no_number(lab, order.key), 422),
    ):
        lost = (await settled(lab, size)).borrowed  # by an earlier request, which another check judges
        mark = len(lab.ledger)
        answer = await _visit(lab, path)
        most = max((event.state.borrowed - lost for event in lab.ledger.events[mark:]), default=0)
        deciding = next((e for e in lab.ledger.of("borrow", since=mark) if e.state.borrowed - lost > 1), None)
        expect(
            most <= 1,
            expected="A request never has more than one connection, also when others are free.",
            happened=(
                f"GET {path} was the only request, and {most} of {size} connections were out at the same time"
                f"{_at_line(deciding)}."
            ),
            misconception=await _why_two(lab, path) if most > 1 else None,
            at=deciding,
        )
        _expect_answered(lab, answer, status)


@check(
    "A pool of one connection is enough for every visitor, one after the other",
    points=3,
    needs=["shows-the-order"],
    lesson="how-few-connections-are-enough",
    quiz="hold-and-wait.thrice",
)
async def test_pool_of_one(lab: Lab) -> None:
    await lab.start(pool_size=1)
    order, other = await add_order(lab), await add_order(lab)
    for path, status in (
        (order.path(), 200),
        (order.path(new_key(lab)), 401),
        (order.path(other.key), 404),
        (f"/orders/{order.id}", 422),
        (no_number(lab, order.key), 422),
        (other.path(), 200),
    ):
        mark = len(lab.ledger)
        answer = await _visit(lab, path)
        borrows = lab.ledger.of("borrow", since=mark)
        expect(
            answer.status == status,
            expected=f"GET {path} answers {status} with a pool of one connection.",
            happened=(
                f"{answered(lab, answer)} The only connection of the pool was borrowed {_times(len(borrows))}, "
                "and nobody else wanted it."
            ),
            misconception="turns-visitors-away" if answer.status in (429, 503) else None,
            at=first(borrows),
            error=lab.request_error(answer.request),
        )
        await _expect_all_free(lab, 1, f"an answer {status}")
    _expect_order(answer, other)


@check(
    "Two visitors at once on a pool of two: each works on a connection of their own, and both are served",
    points=3,
    needs=["shows-the-order"],
    lesson="what-happens-when-everybody-has-one",
    quiz="hold-and-wait.lock",
)
async def test_two_at_once(lab: Lab) -> None:
    await _expect_full_house(lab, 2)


@check(
    "As many visitors at once as the pool has connections, some with the same key: all work at the same time",
    points=3,
    needs=["two-at-once"],
    lesson="what-happens-when-everybody-has-one",
    quiz="hold-and-wait.lock",
)
async def test_full_house(lab: Lab) -> None:
    await _expect_full_house(lab, lab.random.randrange(5, 8), with_one_key=2)


@check(
    f"{CROWD} visitors at once, many more than connections, are all served",
    points=3,
    needs=["shows-the-order"],
    lesson="what-happens-when-everybody-has-one",
    quiz="hold-and-wait.cures",
)
async def test_crowd(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    orders = [await add_order(lab) for _ in range(5)]
    limit = await _pace(lab, orders[0])
    mark = len(lab.ledger)
    async with lab.gate():
        calls = [lab.send("GET", orders[place % len(orders)].path()) for place in range(CROWD)]
        await _let_all_in(lab, limit)
    if not await _all_over(lab, lambda ledger: _answers(ledger, mark) >= CROWD, CROWD, limit):
        state = lab.pool
        raise CheckFailed(
            f"All of {CROWD} visitors who come at once are served, a few at a time.",
            f"{_answers(lab.ledger, mark)} of {CROWD} had an answer, and then nothing went on: "
            f"{state.borrowed} of {state.total} connections were borrowed, and {state.waiting} waits for one did not "
            "end.",
            misconception=_why_no_end(lab, mark),
            at=first(lab.held()),
        )
    for place, answer in enumerate(await asyncio.gather(*calls)):
        expect(
            answer.status == 200,
            expected=f"Each of {CROWD} visitors who come at once gets their order.",
            happened=f"The visitor number {place + 1}: {answered(lab, answer)}",
            misconception="turns-visitors-away" if answer.status in (429, 503) else None,
            error=lab.request_error(answer.request),
        )
        _expect_order(answer, orders[place % len(orders)])
    await lab.turn()  # whatever came before it is served by now, also those whom `_let_all_in` sent
    await _expect_all_free(lab, size, f"{CROWD} visitors", "one-name-for-all")


@check(
    "The shutdown empties the pool, as it did before",
    needs=["one-at-a-time"],
    lesson="how-few-connections-are-enough",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


async def _expect_full_house(lab: Lab, size: int, *, with_one_key: int = 1) -> None:
    """Fail the check unless `size` visitors share a pool of that size, each with a connection from the start.

    Args:
        with_one_key: how many of them look at different orders with the same key.
    """
    await lab.start(pool_size=size)
    orders = [await add_order(lab) for _ in range(size - with_one_key + 1)]
    orders += [await add_order(lab, like=orders[0]) for _ in range(with_one_key - 1)]
    limit = await _pace(lab, orders[0])
    mark = len(lab.ledger)

    def at_work(ledger: Ledger) -> int:
        return len({event.connection for event in ledger.of("statement", since=mark)})

    async with lab.gate():
        calls = [lab.send("GET", order.path()) for order in orders]
        some = f", {with_one_key} of them with the same key," if with_one_key > 1 else ""
        # Every visitor has borrowed, and waits at the database, before the first goes on.
        together = await lab.until(
            lambda ledger: at_work(ledger) == size or bool(ledger.of("response", since=mark)), within=limit
        )
        working, state, lent = at_work(lab.ledger), lab.pool, len(lab.ledger.of("borrow", since=mark))
    ended = await _all_over(lab, lambda ledger: _answers(ledger, mark) >= size, size, limit)
    if not together or working < size:
        borrows = lab.ledger.of("borrow", since=mark)
        misconception = "holds-one-idle"
        if lent == state.borrowed == size and not state.waiting:
            misconception = "waits-for-a-lock"  # each has what it needs, and nobody wants more
        elif state.borrowed < size:
            misconception = "one-visitor-at-a-time" if len(borrows) >= size or not ended else "shared-connection"
        turned_away = [e for e in lab.ledger.of("response", since=mark) if e.status in (429, 503)]
        raise CheckFailed(
            f"{size} visitors who come at once to a pool of {size}{some} work at the same time, each on a connection.",
            f"While the database held up every query, {working} of {size} visitors had sent one; "
            f"{state.borrowed} of {size} connections were borrowed and {state.free} free.",
            misconception="turns-visitors-away" if ended and turned_away else misconception,
            at=first(borrows),
        )
    if not ended:
        held = lab.held()
        raise CheckFailed(
            f"{size} visitors who come at once to a pool of {size} are all served.",
            f"Each of {size} visitors had borrowed a connection; then {count(lab.pool.waiting, 'visitor')} waited for "
            f"another one, {lab.pool.free} of {size} were free, and nothing went on.",
            misconception=_why_stuck(lab),
            at=held[-1] if held else None,
        )
    for order, answer in zip(orders, await asyncio.gather(*calls), strict=True):
        _expect_answered(lab, answer, 200)
        _expect_order(answer, order)
    await _expect_all_free(lab, size, f"{size} visitors at once", "one-name-for-all")


# --- visiting ---


async def _visit(lab: Lab, path: str) -> Answer:
    """Send one request, with no other under way; fail the check when it gets stuck, or opens or closes anything."""
    mark = len(lab.ledger)
    call = lab.send("GET", path)

    def circles(ledger: Ledger) -> bool:
        return len(ledger.of("borrow", since=mark)) > MANY_BORROWS

    def over(ledger: Ledger) -> bool:
        return circles(ledger) or bool(ledger.of("done", "exited", "open", "close", "lost", since=mark))

    ended = await _all_over(lab, over, 1)
    expect_none_opened_or_closed(lab, mark, "second-pool")
    if ended and not circles(lab.ledger):
        answer = await call
        expect_none_opened_or_closed(lab, mark, "second-pool")
        return answer
    held, stuck, total = lab.held(), len(lab.ledger), lab.pool.total
    misconception = "waits-and-retries" if ended else _why_stuck(lab)
    more = "it began again and again"
    if not ended:
        lab.advance(60)  # past every patience, to see what it does then
        # If nothing comes, that is what the report tells.
        later = ("borrow", "response", "open", "close", "exited")
        await lab.until(lambda ledger: bool(ledger.of(*later, since=stuck)), within=STANDSTILL)
        again = lab.ledger.of("borrow", since=stuck)
        status = next((event.status for event in lab.ledger.of("response", since=stuck)), None)
        if again or status == 200:
            misconception = "waits-and-retries"
        more = "after a while it began again" if again else f"in the end it answered {status or 'nothing'}"
    raise CheckFailed(
        f"GET {path}, the only request, needs one connection at a time, so that any pool is big enough.",
        f"It had borrowed {len(held)} of {count(total, 'connection')} and waited for another one, which nobody could "
        f"return; {more}.",
        misconception=misconception,
        at=first(held),
    )


async def _all_over(lab: Lab, over: Condition, visitors: int, pace: float = 0.0) -> bool:
    """Wait until something is over; return False as soon as it is clear that it never will be.

    While a visitor waits for a connection, either something happens at another connection or nothing ever will.

    Args:
        visitors: how many requests there were at first.
        pace: seconds that are little on this machine.
    """
    loop = asyncio.get_running_loop()
    mark = len(lab.ledger)
    seen, last = mark, loop.time()
    while not over(lab.ledger):
        waiting = lab.pool.waiting
        if not waiting:
            limit = QUIET
        elif waiting < visitors - _answers(lab.ledger, mark):
            limit = STANDSTILL
        else:
            limit = ALL_WAIT
        left = last + max(pace, limit) - loop.time()

        def moved(ledger: Ledger, before: tuple[int, int] = (seen, waiting)) -> bool:
            return over(ledger) or (len(ledger), ledger.state.waiting) != before

        if left <= 0 or not await lab.until(moved, within=left):
            return False
        if len(lab.ledger) != seen:
            seen, last = len(lab.ledger), loop.time()
    return True


async def _let_all_in(lab: Lab, limit: float) -> None:
    """Wait until a crowd is in the app, those included that wait for a thread and not for a connection."""
    here = asyncio.create_task(
        lab.until(lambda ledger: ledger.state.borrowed + ledger.state.waiting >= CROWD, within=2 * limit)
    )
    for _ in range(2):
        # Who comes last and wants no connection is answered when the others have come as far as they can; an app that
        # lends every request a connection answers late.
        last = asyncio.create_task(lab.turn())
        await asyncio.wait((here, last), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        last.cancel()
        await asyncio.wait((last,))
    here.cancel()
    await asyncio.wait((here,))


async def _pace(lab: Lab, order: Order) -> float:
    """Return how long to wait, on this machine and as busy as it is, for what takes a visitor no time at all."""
    mark = len(lab.ledger)
    _expect_answered(lab, await _visit(lab, order.path()), 200)
    events = lab.ledger.of("request", "done", since=mark)
    return max(0.4, min(1.5, 15 * (events[-1].at - events[0].at)))


def _answers(ledger: Ledger, mark: int) -> int:
    return sum(1 for event in ledger.of("response", since=mark) if event.status is not None and event.status != 404)


# --- expecting ---


async def _expect_status(lab: Lab, path: str, status: int, what: str, misconception: str | None = None) -> Answer:
    answer = await _visit(lab, path)
    expect(
        answer.status == status,
        expected=f"GET {path} answers {status}: the shop {what}.",
        happened=answered(lab, answer),
        misconception=misconception,
        error=lab.request_error(answer.request),
    )
    return answer


def _expect_answered(lab: Lab, answer: Answer, status: int) -> None:
    error = lab.request_error(answer.request)
    expect(
        answer.status == status,
        expected=f"The answer is {status}, as it is when nobody else asks.",
        happened=answered(lab, answer),
        misconception="one-name-for-all" if error and unusable(error.message) else None,
        error=error,
    )


def _expect_order(answer: Answer, order: Order) -> None:
    body = answer.json()
    expect(
        isinstance(body, dict) and {key: body.get(key) for key in order.shown} == order.shown,
        expected="The answer holds the order and the customer's name as they stand in the database.",
        happened=f"It answered {told(answer)} where {short(order.shown)} was right.",
    )


async def _expect_all_free(lab: Lab, size: int, after: str, misconception: str | None = None) -> None:
    state = await settled(lab, size)
    out = lab.held()
    expect(
        state.free == size,
        expected=f"When no request is under way, all {size} connections of the pool are free.",
        happened=f"After {after}, {state.free} of {state.total} {'is' if state.free == 1 else 'are'} free.",
        misconception=misconception if out else None,
        at=first(out),
    )


# --- finding out why ---


def _why_not_one_pool(total: int, borrowed: int, size: int) -> str | None:
    if borrowed:
        return "shared-connection"
    return "second-pool" if total > size else None


async def _why_two(lab: Lab, path: str) -> str:
    """Tell why a request has two connections, by how far it comes while the database holds up its queries."""
    await settled(lab, lab.pool.total)
    mark = len(lab.ledger)
    async with lab.gate():
        lab.send("GET", path)
        # It only looks for why: a request that sends one query at a time never comes to a second.
        await lab.until(lambda ledger: len(ledger.of("statement", since=mark)) > 1, within=0.4)
        borrows, statements = (len(lab.ledger.of(kind, since=mark)) for kind in ("borrow", "statement"))
    await lab.until(lambda ledger: bool(ledger.of("done", since=mark)), within=STANDSTILL)
    if statements > 1:
        return "both-at-once"
    return "holds-one-idle" if borrows > 1 else "holds-the-first"


def _why_stuck(lab: Lab) -> str:
    """Tell what the visitors who have a connection, and wait for another, have done with the first."""
    idle = [event for event in lab.held() if not _used(lab, event)]
    return "holds-one-idle" if idle else "holds-the-first"


def _used(lab: Lab, borrow: Event) -> bool:
    return bool(lab.ledger.of("statement", since=borrow.seq, connection=borrow.connection))


def _why_no_end(lab: Lab, mark: int) -> str | None:
    state = lab.pool
    if state.total > GIVEN_SIZE:
        return "bigger-pool"
    if not state.borrowed or not state.waiting:
        return None
    # Whoever neither is served nor waits for a connection has found no thread to go on in.
    if state.waiting < CROWD - _answers(lab.ledger, mark):
        return "starves-threads"
    return _why_stuck(lab)


def _at_line(event: Event | None) -> str:
    return f", the second one borrowed at {event.where}" if event and event.where else ""


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _times(number: int) -> str:
    return {0: "not once", 1: "once", 2: "twice"}.get(number, f"{number} times")
