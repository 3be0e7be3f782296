"""What the suites of the shop's exercises share: a new item that no learner can know, and reading it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from poolkit.events import Event, PoolState
from poolkit.judge.checks import expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

LATEST_RETURN = 0.2  # seconds after the app has done everything for a request
PAST_EVERY_WAIT = 600.0  # seconds
TURNS = 8
"""Requests that go through an app until what was sent before them has surely had its turn."""
STUCK = 0.7  # seconds after which an app that does not answer one of them is given up
TURN = 0.05  # seconds in which what is about to show in the ledger shows, before the next request is sent


@dataclass(frozen=True)
class Item:
    """A row of `items`, made up for one request."""

    id: int
    name: str
    price_cents: int

    @property
    def path(self) -> str:
        """Where the app shows it."""
        return f"/items/{self.id}"

    @property
    def shown(self) -> dict[str, Any]:
        """What the app answers for it."""
        return {"id": self.id, "name": self.name, "price_cents": self.price_cents}


async def add_item(lab: Lab) -> Item:
    """Put an item into the shop's database whose number, name and price are this run's own."""
    item = Item(
        id=lab.random.randrange(10_000, 10_000_000),
        name=f"Item {lab.random.randbytes(6).hex()}",
        price_cents=lab.random.randrange(100, 100_000),
    )
    await lab.sql(
        "INSERT INTO items (id, name, price_cents, stock) VALUES (?, ?, ?, 5)",
        (item.id, item.name, item.price_cents),
    )
    return item


def expect_item(lab: Lab, answer: Answer, item: Item) -> None:
    """Fail the check unless an answer is the item's."""
    error = lab.request_error(answer.request)
    expected = f"GET {item.path} answers 200 with the item that stands in the database."
    expect(
        answer.status == 200,
        expected=expected,
        happened=f"It answered {answer.status}" + (f": the route raised {error}." if error else "."),
        error=error,
    )
    body = answer.json()
    expect(
        isinstance(body, dict) and {key: body.get(key) for key in item.shown} == item.shown,
        expected=expected,
        happened=f"It answered {told(answer)} where the row is {short(item.shown)}.",
        # With the row's name in it, the answer is of the wrong form and not made up.
        misconception=None if item.name.encode() in answer.body else "invented-rows",
    )


def expect_full(lab: Lab, misconception: str) -> None:
    """Fail the check unless the pool that startup opened is full and idle; a connection that is out tells which
    misconception it is.
    """
    size, state = lab.pool_size, lab.pool
    expect(
        size > 0 and state.free == state.total == size,
        expected="After startup every connection of the pool is open and free.",
        happened=(
            f"{count(state.total, 'connection')} open and {state.free} free, of the {size} that the pool is to have."
        ),
        misconception=misconception if state.borrowed else None,
        at=first(lab.held()),
    )


def first(events: list[Event]) -> Event | None:
    """Return the first event, if there is any."""
    return events[0] if events else None


def answered(lab: Lab, answer: Answer) -> str:
    """Return what an answer says, or what the route raised, as a sentence."""
    error = lab.request_error(answer.request)
    if error:
        return f"It answered {answer.status}: the route raised {error}."
    return f"It answered {answer.status} with {told(answer)}".rstrip(",") + "."


def unusable(message: str) -> bool:
    """Whether an error says, in the words of `databases` or of the pool, that a connection was returned."""
    return "not acquired" in message or "was returned" in message


def database_of(lab: Lab, event: Event) -> str:
    """Return the name of the database that an event's connection leads to."""
    return next((one.detail for one in lab.ledger.of("open", connection=event.connection)), "")


def was_lent(lab: Lab, end: Event) -> bool:
    """Whether a connection that ended was in its borrower's hands."""
    marks = [event for event in lab.ledger.of("borrow", "return", connection=end.connection) if event.seq < end.seq]
    return bool(marks) and marks[-1].kind == "borrow"


def why_changed(lab: Lab, changes: list[Event], another_pool: str) -> str:
    """Name the mistake behind connections that were opened or closed while a request ran.

    Args:
        changes: the rows of their openings and ends, at least one, in order.
        another_pool: what the exercise calls a second pool.
    """
    pooled = [event for event in changes if event.pooled]
    if not pooled:
        return "own-connection"
    if pooled[0].kind == "open":  # where a pool is opened anew, its connections close before
        return another_pool
    return "closes-it" if all(was_lent(lab, event) for event in pooled if event.kind != "open") else "reconnects"


def expect_none_opened_or_closed(lab: Lab, mark: int, another_pool: str = "pool-per-request") -> None:
    """Fail the check when a connection was opened or ended since `mark`; see `why_changed`."""
    changes = lab.ledger.of("open", "close", "lost", since=mark)
    if not changes:
        return
    opened = sum(event.kind == "open" for event in changes)
    expect(
        False,
        expected="A request uses the connections that startup opened, and leaves them open.",
        happened=(
            f"While the request ran, {count(opened, 'connection')} {'was' if opened == 1 else 'were'} opened "
            f"and {len(changes) - opened} closed."
        ),
        misconception=why_changed(lab, changes, another_pool),
        at=changes[0],
    )


def free_in(lab: Lab, name: str, until: int) -> int:
    """Return how many connections to a database were in a pool and free at the row of that number."""
    free: set[int | None] = set()
    for event in lab.ledger.of("open", "borrow", "return", "close", "lost"):
        if event.seq > until or not event.pooled or database_of(lab, event) != name:
            continue
        if event.kind in ("open", "return"):
            free.add(event.connection)
        else:
            free.discard(event.connection)
    return len(free)


async def shut_down(lab: Lab) -> int:
    """Let the app shut down, and return the number of the row at which it was asked to.

    A pool that waits for a connection which nobody returns is spared its wait: the lab's clock goes on.
    """
    asked = len(lab.ledger) + 1
    leaving = asyncio.create_task(lab.stop())
    seen = 0
    while not await lab.until(lambda ledger: bool(ledger.of("stopped")) or leaving.done(), within=0.1):
        if len(lab.ledger) == seen and closes_in_vain(lab, asked):
            lab.advance(PAST_EVERY_WAIT)
        seen = len(lab.ledger)
    await leaving
    return asked


async def expect_given(lab: Lab, path: str, status: int, wanted: object = None) -> None:
    """Fail the check unless a route that was given answers as it did; `wanted` is its JSON, where that matters."""
    answer = await lab.get(path)
    right = answer.status == status and (wanted is None or answer.json() == wanted)
    told_right = f"{status} with {short(wanted)}" if wanted is not None else str(status)
    expect(
        right,
        expected=f"GET {path} answers as in the file that you were given: {told_right}.",
        happened=answered(lab, answer),
        misconception="changes-what-was-given",
        error=lab.request_error(answer.request),
    )


async def expect_emptied(lab: Lab) -> None:
    """Let the app shut down, and fail the check unless the pool is closed then, as the given code does it."""
    size = lab.pool.total
    asked = await shut_down(lab)
    await lab.until(lambda ledger: not ledger.state.total, within=LATEST_RETURN)
    left, lost = lab.pool.total, lab.ledger.of("lost", since=asked)
    expect(
        not left and not lost,
        expected="The shutdown closes every connection of the pool, as in the file that you were given.",
        happened=f"When the shutdown was over, {count(left or len(lost), 'connection')} of {size} "
        + ("stood open." if left else "broke off without being closed."),
        misconception="drops-the-shutdown" if left == size else None,
        at=first(lab.ledger.of("stopped")) or first(lost),
        error=lab.startup_error,
    )


def closes_in_vain(lab: Lab, asked: int) -> bool:
    """Whether a pool that has begun to close, after the row of that number, still lends a connection."""
    closing = {database_of(lab, event) for event in lab.ledger.of("close", since=asked)}
    return any(database_of(lab, event) in closing for event in lab.held())


async def over_or_stuck(lab: Lab, mark: int, stuck: float) -> bool:
    """Wait until the only request under way is over, or has opened or closed a connection.

    Tells whether it waited for a connection for `stuck` seconds: unless another task of its own returns one, nobody
    ever will, so the lab's clock goes past the pool's own patience.
    """

    def over(ledger: Ledger) -> bool:
        return bool(ledger.of("done", "open", "close", "lost", since=mark))

    await lab.until(lambda ledger: over(ledger) or ledger.state.waiting > 0)
    waited = not await lab.until(lambda ledger: over(ledger) or not ledger.state.waiting, within=stuck)
    if waited:
        lab.advance(3600)
    await lab.until(over)
    return waited


async def turns(lab: Lab, there: Callable[[Ledger], bool], times: int = TURNS, stuck: float = STUCK) -> bool:
    """Wait for a condition for as long as it takes some requests to go through the app; tell whether it came true.

    What was sent to the app before them has had its turn by then, on a busy machine too; on a shared connection
    nothing of it shows in the ledger before the statement in front is done.

    Args:
        times: how many requests.
        stuck: seconds after which an app that does not answer one of them is given up.
    """
    for _ in range(times):
        if await lab.until(there, within=TURN):
            return True
        try:
            async with asyncio.timeout(stuck):
                await lab.turn()
        except TimeoutError:
            break
    return there(lab.ledger)


async def settled(lab: Lab, size: int) -> PoolState:
    """Return the pool's state once `size` connections are free, or when it is clear that they will not be.

    A return may trail the response a little: an iterator that was left early gives its connection back when
    Python collects it.
    """
    await lab.until(lambda ledger: ledger.state.free == size, within=LATEST_RETURN)
    return lab.pool


def told(answer: Answer) -> str:
    """Return what an answer says, as text that fits a line."""
    body = answer.json()
    if body is None and answer.body != b"null":
        return f"the text {short(answer.body[:200].decode(errors='replace'))}, which is not JSON,"
    return short(body)


def short(value: object, limit: int = 120) -> str:
    """Return a value as text that fits a line."""
    text = ascii(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
