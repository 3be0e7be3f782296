"""What the suites of the shop's exercises share: a new item that no learner can know, and reading it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poolkit.events import Event, PoolState
from poolkit.judge.checks import expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.text import count

LATEST_RETURN = 0.2  # seconds after the app has done everything for a request


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
