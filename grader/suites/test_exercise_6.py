"""Exercise 6: one lifespan opens and closes what the shop and the app that is mounted in it need."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from shop import database_of, first, free_in, settled, short, shut_down, told

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

SHOP, ARCHIVE = "shop.db", "archive.db"

SIZE = 3
"""Connections in each pool where a check counts them."""

HOLDS = 0.06
"""Seconds for which the database holds the statement that stores the views. A shutdown that does not wait for it
goes on within that time."""

GOES_ON = 0.5
"""Seconds for which it holds it when the shutdown has begun to close connections meanwhile."""

PAST_A_NAP = 3.0
"""Seconds by which the lab's clock moves meanwhile, past a sleep in which the views are hoped to be stored."""

SETTLES = 0.2
"""Seconds in which closings that were set off but not waited for show. Only a failed check waits for them."""

GIVES_UP = 0.3
"""Seconds in which an app that has said that its startup failed would show that it serves after all."""


@dataclass(frozen=True)
class Item:
    """A row of `items`, made up for one run."""

    id: int
    name: str
    price_cents: int

    @property
    def path(self) -> str:
        """Where the shop shows it."""
        return f"/items/{self.id}"


async def add_item(lab: Lab) -> Item:
    """Put an item into the shop whose number, name and price are this run's own."""
    item = Item(
        id=lab.random.randrange(10_000, 10_000_000),
        name=f"Item {lab.random.randbytes(6).hex()}",
        price_cents=lab.random.randrange(100, 100_000),
    )
    await lab.sql("INSERT INTO items (id, name, price_cents) VALUES (?, ?, ?)", (item.id, item.name, item.price_cents))
    return item


@check(
    "When the app is ready, both pools are full and idle",
    points=2,
    lesson="who-opens-the-pool-of-a-mounted-app",
    quiz="lifespan-hooks.opened",
)
async def test_opens_both_pools(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    ready = lab.ledger.of("ready")[-1]
    expected = f"At startup the app opens both pools: in this check {SIZE} connections in each, all of them free."
    happened = f"When the app was ready, {_counted(lab, ready.seq)}."
    early = [event for event in lab.ledger.of("close", "lost") if event.pooled and event.seq < ready.seq]
    expect(
        not early,
        expected=expected,
        happened=f"{happened} {count(len(early), 'connection')} had been closed already.",
        misconception="closed-at-once",
        at=first(early),
    )
    missing = [name for name in (SHOP, ARCHIVE) if free_in(lab, name, ready.seq) < SIZE]
    if missing:
        misconception = None if lab.held() else await _why_not_open(lab, missing)
        expect(False, expected=expected, happened=happened, misconception=misconception, at=ready)


@check(
    "The shop shows its items, from its own pool",
    needs=["opens-both-pools"],
    lesson="where-does-a-route-find-a-pool",
    quiz="lifespan-hooks.state",
)
async def test_shows_items(lab: Lab) -> None:
    await lab.start()
    total = lab.pool.total
    item = await add_item(lab)
    mark = len(lab.ledger)
    answer = await lab.get(item.path)
    expected = f"GET {item.path} answers 200 with the item, as before."
    _expect_200(lab, answer, expected, mark)
    row = {"id": item.id, "name": item.name, "price_cents": item.price_cents}
    body = answer.json()
    expect(
        isinstance(body, dict) and {key: body.get(key) for key in row} == row,
        expected=expected,
        happened=f"It answered {told(answer)} where the row is {short(row)}.",
    )
    await _expect_used(lab, SHOP, item.id, mark, total)


@check(
    "The mounted reports find the archive's pool",
    points=2,
    needs=["opens-both-pools"],
    lesson="where-does-a-route-find-a-pool",
    quiz="lifespan-hooks.mounted",
)
async def test_reports_answer(lab: Lab) -> None:
    await lab.start()
    total = lab.pool.total
    for number in (1, lab.random.randrange(10_000, 10_000_000)):
        mark = len(lab.ledger)
        answer = await lab.get(_report(number))
        expected = f"GET {_report(number)} answers 200 with what the archive holds about item {number}."
        _expect_200(lab, answer, expected, mark)
        row = {"item_id": number, "orders": 2 if number == 1 else 0, "pieces": 3 if number == 1 else 0}
        body = answer.json()
        expect(
            isinstance(body, dict) and {key: body.get(key) for key in row} == row,
            expected=expected,
            happened=f"It answered {told(answer)} where {short(row)} was right.",
        )
        await _expect_used(lab, ARCHIVE, number, mark, total)


@check(
    "At shutdown the views are stored",
    points=2,
    needs=["opens-both-pools"],
    lesson="why-in-the-opposite-order",
    quiz="lifespan-hooks.raises",
)
async def test_stores_the_views(lab: Lab) -> None:
    await lab.start()
    seen = await _look_at_items(lab)
    asked, early = await _shut_down_while_storing(lab)
    # Told before the table is read: what stands in it is a matter of chance then.
    expect(
        early is None,
        expected="The shutdown waits until `store_views()` is done, and then closes the shop's pool.",
        happened=(
            "While the database still held the statement that stores the views, "
            + ("the shutdown ended." if early and early.kind != "close" else "the shop's pool was being closed.")
        ),
        misconception="closed-before-storing" if early and early.kind == "close" else None,
        at=early,
        error=lab.startup_error,
    )
    marks = ", ".join("?" * len(seen))
    rows = await lab.sql(
        f"SELECT item_id, sum(number) FROM views WHERE item_id IN ({marks}) GROUP BY item_id", tuple(seen)
    )
    stored: dict[object, object] = {row[0]: row[1] for row in rows}
    tried = [event for event in lab.ledger.of("statement", since=asked) if "views" in event.detail.casefold()]
    closed = [event for event in lab.ledger.of("close", since=asked) if database_of(lab, event) == SHOP]
    error = lab.startup_error
    misconception = None
    if len(stored) < len(seen):
        misconception = "closed-before-storing" if closed and await _was_too_late(lab, tried) else "ignored-hook"
    expect(
        stored == seen,
        expected=f"After the shutdown the table `views` holds what was counted, here {short(seen)}.",
        happened=(
            f"It holds {short(stored)}"
            + (f"; the shutdown raised {error}." if error else ".")
            + (" No statement about `views` was sent." if not tried else "")
        ),
        misconception=misconception,
        at=first(tried or closed),
        error=error,
    )


@check(
    "When the shutdown is over, both pools are closed",
    points=2,
    needs=["opens-both-pools"],
    lesson="snapshot",
    quiz="lifespan-hooks.deprecated",
)
async def test_closes_both_pools(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    total = lab.pool.total
    item = await add_item(lab)
    await lab.get(item.path)
    await lab.get(_report(item.id))
    await shut_down(lab)
    left = _left_open(lab)
    expect(
        not any(left.values()),
        expected=f"The shutdown closes all of the {count(total, 'connection')}, {SIZE} in each pool in this check.",
        happened=f"When the shutdown was over, {_told_left(left)}.",
        misconception=await _why_not_closed(lab, all(left.values())) if any(left.values()) else None,
        at=_end(lab),
        error=lab.startup_error,
    )


@check(
    "Both pools are closed even when the views cannot be stored",
    points=3,
    needs=["closes-both-pools", "stores-the-views"],
    lesson="what-happens-when-a-closer-raises",
    quiz="lifespan-hooks.raises",
)
async def test_closes_both_when_storing_fails(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await _look_at_items(lab)
    lab.faults.fail_statement("views", "disk I/O error", times=1_000)
    asked = await shut_down(lab)
    left = _left_open(lab)
    failed = lab.ledger.of("error", since=asked)
    expect(
        not any(left.values()),
        expected="The shutdown closes both pools, also when the statement that stores the views fails.",
        happened=f"The database answered it with a disk I/O error, and when the shutdown was over, {_told_left(left)}.",
        misconception="skips-the-rest",
        at=first(failed) or _end(lab),
        error=lab.startup_error,
    )


@check(
    "When the pool that is opened first cannot be opened, the app does not start",
    needs=["opens-both-pools"],
    lesson="concept-flow",
    quiz="lifespan-hooks.second-fails",
)
async def test_stops_when_the_first_pool_fails(lab: Lab) -> None:
    await _expect_no_start_without(lab, 1)


@check(
    "When the pool that is opened second cannot be opened, the app does not start",
    needs=["opens-both-pools"],
    lesson="concept-flow",
    quiz="lifespan-hooks.second-fails",
)
async def test_stops_when_the_second_pool_fails(lab: Lab) -> None:
    await _expect_no_start_without(lab, SIZE + 1)


@check(
    "When the second pool cannot be opened, the first one is closed again",
    points=2,
    needs=["closes-both-when-storing-fails", "stops-when-the-second-pool-fails"],
    lesson="what-if-the-second-one-does-not-open",
    quiz="lifespan-hooks.second-fails",
)
async def test_closes_what_was_opened(lab: Lab) -> None:
    await _fail_to_start(lab, SIZE + 1)
    # In a process that has ended nothing is open; so what counts is what was closed before.
    await lab.until(lambda _: not any(_left_open(lab).values()), within=SETTLES)
    left = _left_open(lab)
    refused = first(lab.ledger.of("refused"))
    expect(
        not any(left.values()),
        expected="A startup that fails at the second pool closes the first one before it gives up.",
        happened=f"Connection {SIZE + 1} was refused at startup, and after the startup had failed, {_told_left(left)}.",
        misconception="half-open",
        at=refused,
        error=lab.startup_error,
    )


# --- visiting, starting, stopping ---


def _report(item_id: int) -> str:
    return f"/reports/sold/{item_id}"


async def _look_at_items(lab: Lab) -> dict[int, int]:
    """Look at three items of this run's own, some oftener than others; return how often at each."""
    seen: dict[int, int] = {}
    for _ in range(3):
        item = await add_item(lab)
        seen[item.id] = lab.random.randrange(1, 5)
        for _ in range(seen[item.id]):
            mark = len(lab.ledger)
            _expect_200(lab, await lab.get(item.path), f"GET {item.path} answers 200 with the item.", mark)
    return seen


async def _shut_down_while_storing(lab: Lab) -> tuple[int, Event | None]:
    """Shut the app down as `shut_down` does, and hold the statement that stores the views for a while.

    Returns the number of the row at which the shutdown began, and the row that shows that it did not wait for the
    statement: the shop's pool began to close, or the shutdown was over.
    """
    asked = len(lab.ledger) + 1

    def goes_on(ledger: Ledger) -> list[Event]:
        events = ledger.of("close", "lost", "stopped", "exited", since=asked)
        return [event for event in events if event.connection is None or database_of(lab, event) == SHOP]

    def storing(ledger: Ledger) -> bool:
        return any("views" in event.detail.casefold() for event in ledger.of("statement", since=asked))

    early = None
    async with lab.gate("views"):
        leaving = asyncio.create_task(shut_down(lab))
        # It may end in each of these ways: what is stored too late, or never, shows in the table.
        await lab.until(lambda ledger: storing(ledger) or bool(goes_on(ledger)) or leaving.done())
        if storing(lab.ledger) and not goes_on(lab.ledger):
            held = len(lab.ledger)
            lab.advance(PAST_A_NAP)
            if not await lab.until(lambda ledger: bool(goes_on(ledger)), within=HOLDS) and len(lab.ledger) > held:
                # The archive's pool may be closed before the views are stored; so this may end either way.
                await lab.until(lambda ledger: bool(goes_on(ledger)), within=GOES_ON)
        if storing(lab.ledger):
            early = first(goes_on(lab.ledger))
    await leaving
    return asked, early


async def _fail_to_start(lab: Lab, connection: int) -> None:
    """Refuse a connection at startup, and wait until the app has given up or is ready all the same."""
    lab.faults.refuse_connection(connection)
    starting = asyncio.create_task(lab.try_start(pool_size=SIZE))
    try:
        # What the lab says ends the wait only: a process whose first pool stays open does not end by itself. Both waits
        # may end either way; who asks for this looks at what the app came to.
        await lab.process.until("startup_failed", "ready", within=lab.patience)
        await lab.until(lambda ledger: bool(ledger.of("ready", "exited")), within=GIVES_UP)
    finally:
        starting.cancel()


async def _expect_no_start_without(lab: Lab, connection: int) -> None:
    """Fail the check when the app becomes ready though a connection was refused, unless it got another one."""
    await _fail_to_start(lab, connection)
    refused = first(lab.ledger.of("refused"))
    ready = first(lab.ledger.of("ready"))
    expect(
        refused is not None,
        expected=f"The startup opens more than {connection - 1} connections.",
        happened="It did not come to a connection that could be refused.",
    )
    full = ready is None or all(free_in(lab, name, ready.seq) >= SIZE for name in (SHOP, ARCHIVE))
    expect(
        full,
        expected=f"When connection {connection} is refused at startup, the error passes and the app does not start.",
        happened=f"The app was ready all the same; {_counted(lab, ready.seq if ready else 0)}.",
        misconception="swallows-startup",
        at=refused,
    )
    expect(
        ready is not None or lab.process.ended or lab.process.claimed("startup_failed") is not None,
        expected=f"When connection {connection} is refused at startup, the startup ends with the error.",
        happened=f"{lab.patience:g} s later the app was neither ready nor had it given up.",
        at=refused,
    )


# --- expecting ---


def _expect_200(lab: Lab, answer: Answer, expected: str, mark: int) -> None:
    error = lab.request_error(answer.request)
    misconception = None
    if error and not lab.ledger.of("statement", since=mark):
        misconception = {"AttributeError": "no-state", "PoolClosed": "another-pool"}.get(error.type)
    expect(
        answer.status == 200,
        expected=expected,
        happened=f"It answered {answer.status}" + (f": the route raised {error}." if error else "."),
        misconception=misconception,
        error=error,
    )


async def _expect_used(lab: Lab, name: str, number: int, mark: int, total: int) -> None:
    """Fail the check unless a query for item `number` ran on a pooled connection to a database, now free again."""
    queries = lab.ledger.of("statement", since=mark)
    expect(
        any(event.pooled and database_of(lab, event) == name and _names(event, number) for event in queries),
        expected=f"The query for item {number} runs on a connection of the pool of {name}.",
        happened=(
            "No query reached a database."
            if not queries
            else f"It ran on a connection to {', '.join(sorted({database_of(lab, event) for event in queries}))}."
        ),
        misconception="wrong-pool" if queries and all(database_of(lab, event) != name for event in queries) else None,
        at=first(queries),
    )
    state = await settled(lab, total)
    expect(
        state.free == total,
        expected=f"After the answer all {count(total, 'connection')} of startup are open and free.",
        happened=f"{state.total} were open and {state.free} free.",
        at=first(lab.held()),
    )


# --- reading the ledger ---


def _names(event: Event, number: int) -> bool:
    """Whether a statement asks for that number, as a parameter or in its text."""
    return number in event.params or str(number) in (*event.params, *re.findall(r"\d+", event.detail))


def _counted(lab: Lab, until: int) -> str:
    return " and ".join(f"{count(free_in(lab, name, until), 'connection')} to {name}" for name in (SHOP, ARCHIVE)) + (
        " stood open and free"
    )


def _end(lab: Lab) -> Event | None:
    """The row at which the shutdown was over."""
    return first(lab.ledger.of("stopped", "exited"))


def _left_open(lab: Lab) -> dict[str, int]:
    """Return how many connections to each database were not closed when the shutdown was over."""
    end = _end(lab)
    left: dict[str, int] = {}
    for event in lab.ledger.of("open", "close"):
        if end is None or event.seq < end.seq:
            left[database_of(lab, event)] = left.get(database_of(lab, event), 0) + (1 if event.kind == "open" else -1)
    return left


def _told_left(left: dict[str, int]) -> str:
    open_ones = [f"{count(number, 'connection')} to {name}" for name, number in sorted(left.items()) if number]
    return " and ".join(open_ones) + f" {'was' if sum(left.values()) == 1 else 'were'} still open"


# --- finding out why ---


async def _why_not_open(lab: Lab, missing: list[str]) -> str:
    """Ask for a report, to see whether that opens the pool which startup did not."""
    mark = len(lab.ledger)
    await lab.get(_report(1))
    if any(database_of(lab, event) in missing for event in lab.ledger.of("open", since=mark)):
        return "opened-by-a-visitor"
    if b"was never awaited" in lab.process.output:
        return "not-awaited"
    return "ignored-hook" if SHOP in missing else "mounted-hook"


async def _why_not_closed(lab: Lab, nothing_closed: bool) -> str | None:
    """Tell a closing that was forgotten from one that nobody waited for."""
    end = _end(lab)
    if await lab.until(lambda ledger: end is not None and bool(ledger.of("close", since=end.seq)), within=SETTLES):
        return None
    if b"was never awaited" in lab.process.output:
        return "not-awaited"
    return "ignored-hook" if nothing_closed else "one-of-two"


async def _was_too_late(lab: Lab, tried: list[Event]) -> bool:
    """Whether the views were to be stored, and the pool was closed already: the first of them at most got in."""
    error = lab.startup_error
    if tried or (error and error.type == "PoolClosed"):
        return True
    await lab.exits(within=1.0)  # what it has printed comes at the latest now
    return b"pool is clos" in lab.process.output
