"""Exercise 3: borrow, use, return."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

from shop import (
    Item,
    add_item,
    expect_emptied,
    expect_full,
    expect_item,
    first,
    settled,
    short,
    told,
    turns,
    was_lent,
    why_changed,
)

from poolkit.events import Event
from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count


@check("The pool is full and idle before the first request", lesson="concept-flow", quiz="pool-lifecycle.order")
async def test_starts_full(lab: Lab) -> None:
    await lab.start()
    expect_full(lab, "shared-connection")


@check(
    "The item comes from the database, over a connection of the pool",
    points=2,
    needs=["starts-full"],
    lesson="concept-flow",
    quiz="borrow-and-return.costs",
)
async def test_reads_the_item(lab: Lab) -> None:
    await lab.start()
    in_memory = [event for event in lab.ledger.of("open") if event.detail == ":memory:"]
    expect(
        not in_memory,
        expected="The app reads from the shop's database, the file shop.db.",
        happened=f"{count(len(in_memory), 'connection')} opened to `:memory:`, each to an empty database of its own.",
        misconception="memory-database",
        at=first(in_memory),
    )
    items = [await add_item(lab) for _ in range(2)]
    mark = 0
    for item in items:
        mark = len(lab.ledger)
        answer = await lab.get(item.path)
        _expect_a_query(lab, answer, mark)
        expect_item(lab, answer, item)
    # Of the second request, because it tells a connection that is kept from one that is opened each time.
    queries = lab.ledger.of("statement", since=mark)
    opened_now = {event.connection for event in lab.ledger.of("open", since=mark)}
    own = next((event for event in queries if not event.pooled), None)
    kept = own is not None and own.connection not in opened_now
    expect(
        any(event.pooled for event in queries),
        expected="The route's query runs on a connection that it borrowed from the pool.",
        happened=(
            "Two requests ran their queries on one connection that the app opened outside the pool and kept."
            if kept
            else "The query ran on a connection that was opened for it, outside the pool."
        ),
        misconception="shared-connection" if kept else "own-connection",
        at=own,
    )


@check(
    "During a request one connection is lent, and the pool stays as large as it was",
    points=2,
    needs=["reads-the-item"],
    lesson="how-many-connections-does-one-request-need",
    quiz="borrow-and-return.a-request",
)
async def test_borrows_one(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item = await add_item(lab)
    mark = len(lab.ledger)
    async with lab.gate():
        call = lab.send("GET", item.path)
        held = await lab.until(lambda ledger: bool(ledger.of("statement", "response", since=mark)))
        _expect_none_opened(lab, mark, size)
        expect(
            held and bool(lab.ledger.of("statement", since=mark)),
            expected="The route asks the database for the item.",
            happened=(
                "It answered, and no query had reached the database."
                if held
                else f"After {lab.patience:g} s no query had reached the database, and there was no answer."
            ),
            at=first(lab.ledger.of("response", since=mark)),
        )
        state = lab.pool
        expect(
            state.free == size - 1 and state.total == size,
            expected=f"While the query runs, {size - 1} of {size} connections are free.",
            happened=f"{state.free} of {state.total} were free.",
            misconception="two-at-once" if state.borrowed > 1 else None,
        )
    answer = await call
    _expect_none_opened(lab, mark, size)
    # A second task may have borrowed only after the first statement was seen.
    busiest = max(lab.ledger.events[mark:], key=lambda event: event.state.borrowed)
    expect(
        busiest.state.borrowed == 1,
        expected="A request has one connection at a time.",
        happened=f"It had {busiest.state.borrowed} of the {size} at the same time.",
        misconception="two-at-once",
        at=busiest,
    )
    expect_item(lab, answer, item)


@check(
    "After each response the connection is back in the pool",
    points=3,
    needs=["reads-the-item"],
    lesson="what-if-the-connection-is-not-returned",
    quiz="borrow-and-return.free-after-two",
)
async def test_returns_the_connection(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    # One more than there are connections, so that the last is answered over one that truly came back.
    *items, spare = [await add_item(lab) for _ in range(size + 2)]
    for number, item in enumerate(items, 1):
        mark = len(lab.ledger)
        answer = await lab.get(item.path)
        response = first(lab.ledger.of("response", since=mark))
        state = await settled(lab, size)
        out = lab.held()
        kept = bool(out) and await _is_kept(lab, spare, out)
        lost = ", ".join(str(event.connection) for event in out)
        expect(
            not out,
            expected=f"When a request is over, all {size} connections are free again.",
            happened=(
                f"After {count(number, 'request')}, {state.free} of {size} connections "
                f"{'is' if state.free == 1 else 'are'} free: connection {lost} "
                + ("stays lent, and the next request uses it too." if kept else "was borrowed and never returned.")
            ),
            misconception="shared-connection" if kept else "never-returned",
            at=response,
        )
        closed = [event for event in lab.ledger.of("close", "lost", since=mark) if event.pooled]
        expect(
            state.free == size,
            expected=f"When a request is over, all {size} connections are open and free again.",
            happened=(
                f"After {count(number, 'request')}, {state.total} of {size} "
                f"{'is' if state.total == 1 else 'are'} open: {_closings(lab, closed)}."
            ),
            misconception=why_changed(lab, closed, "pool-per-request") if closed else None,
            at=first(closed),
        )
        expect_item(lab, answer, item)


@check(
    "The connection comes back too when there is no such item",
    points=2,
    needs=["returns-the-connection"],
    lesson="what-if-the-connection-is-not-returned",
    quiz="pool-lifecycle.one-kept",
)
async def test_returns_after_404(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    number = lab.random.randrange(10_000_000, 100_000_000)
    answer = await lab.get(f"/items/{number}")
    error = lab.request_error(answer.request)
    expect(
        answer.status == 404,
        expected="An item that does not exist is answered with 404.",
        happened=f"GET /items/{number} answered {answer.status}" + (f": the route raised {error}." if error else "."),
        error=error,
    )
    state = await settled(lab, size)
    out = lab.held()
    expect(
        state.free == size,
        expected=f"After a 404 all {size} connections are free again.",
        happened=f"After one 404, {state.free} of {size} {'is' if state.free == 1 else 'are'} free.",
        misconception="leaves-early" if out else None,
        at=first(lab.ledger.of("response")),
    )


@check(
    "A change in the database shows in the next answer",
    needs=["returns-the-connection"],
    lesson="concept-flow",
    quiz="pool-lifecycle.why-reuse",
)
async def test_shows_changes(lab: Lab) -> None:
    await lab.start()
    before = await add_item(lab)
    expect_item(lab, await lab.get(before.path), before)
    after = replace(before, name=before.name[::-1], price_cents=before.price_cents + 1)
    await lab.sql("UPDATE items SET name = ?, price_cents = ? WHERE id = ?", (after.name, after.price_cents, after.id))
    mark = len(lab.ledger)
    answer = await lab.get(before.path)
    error = lab.request_error(answer.request)
    expect(
        bool(lab.ledger.of("statement", since=mark)),
        expected="Each request asks the database, also for an item that was asked for before.",
        happened=(
            "The item's name and price changed in the database; the next request sent no query "
            + (f"and answered {answer.status}: the route raised {error}." if error else "")
            + ("" if error else f"and answered {told(answer)}.")
        ),
        misconception="cached-rows",
        error=error,
    )
    expect(
        answer.status != 200 or before.name.encode() not in answer.body,
        expected="The answer is the item as it stands in the database now.",
        happened=f"The item's name and price changed in the database; the next request answered {told(answer)}.",
        misconception="cached-rows",
        at=first(lab.ledger.of("statement", since=mark)),
    )
    expect_item(lab, answer, after)


@check(
    "Many requests use the same few connections",
    points=2,
    needs=["returns-the-connection"],
    lesson="concept-flow",
    quiz="borrow-and-return.second-request",
)
async def test_reuses_connections(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    items = [await add_item(lab) for _ in range(size + 2)]
    mark = len(lab.ledger)
    for item in items:
        expect_item(lab, await lab.get(item.path), item)
        changes = lab.ledger.of("open", "close", "lost", since=mark)
        opened = [event for event in changes if event.kind == "open"]
        expect(
            not changes,
            expected="Requests use the connections that startup opened; none is opened or closed in between.",
            happened=(
                f"During the requests {count(len(opened), 'connection')} opened and "
                f"{len(changes) - len(opened)} closed."
            ),
            misconception=why_changed(lab, changes, "pool-per-request") if changes else None,
            at=first(opened or changes),
        )


@check(
    "Visitors who come together each get their own item, and every connection comes back",
    points=2,
    needs=["borrows-one", "returns-the-connection"],
    lesson="how-many-connections-does-one-request-need",
    quiz="pool-lifecycle.same-connection",
)
async def test_visitors_together(lab: Lab) -> None:
    size = 4
    await lab.start(pool_size=size)
    # As many as there are connections: with one fewer, an app that holds one back would not show.
    items = [await add_item(lab) for _ in range(size)]
    mark = len(lab.ledger)
    async with lab.gate():
        calls = [lab.send("GET", item.path) for item in items]
        # All are on their way at once before the first is let through.
        reached = await lab.until(
            lambda ledger: _busy(ledger, mark) == size or bool(ledger.of("response", since=mark)), within=3.0
        )
        busy = _busy(lab.ledger, mark)
        let = len(lab.ledger)
    done = await lab.until(lambda ledger: len(ledger.of("done", since=mark)) == size)
    answered = len(lab.ledger.of("response", since=mark))
    state = await settled(lab, size)
    out = lab.held()
    expect(
        done and state.free == size,
        expected=f"After {size} visitors at once, all {size} connections are free again.",
        happened=(
            f"{answered} of {size} visitors had an answer, and then {state.free} of {size} connections "
            f"{'is' if state.free == 1 else 'are'} free; visitors who come one by one lose none."
        ),
        misconception="one-name-for-all" if out else None,
        at=first([event for event in out if event.seq > mark]),
    )
    for answer, item in zip(await asyncio.gather(*calls), items, strict=True):
        _expect_own_item(lab, answer, item, items)
    shared = _shared_borrow(lab, mark, items)
    expect(
        reached and busy == size,
        expected=f"{size} visitors who come at once use {size} connections, so nobody waits for another one's query.",
        happened=f"{size} visitors came and {size} connections were free; while the first query ran, "
        + (
            f"{size - busy} of them waited, and then their queries ran on a connection that another had borrowed."
            if shared
            else f"{size - busy} of them had to wait before they sent theirs."
        ),
        misconception="shared-connection" if shared else _why_in_line(lab, mark, let, items),
        at=shared or first(lab.ledger.of("statement", since=mark)),
    )


@check(
    "It works with a pool of one connection, also for visitors who come together",
    points=2,
    needs=["visitors-together"],
    lesson="how-many-connections-does-one-request-need",
    quiz="borrow-and-return.third-visitor",
)
async def test_pool_of_one(lab: Lab) -> None:
    await lab.start(pool_size=1)
    items = [await add_item(lab) for _ in range(3)]
    mark = len(lab.ledger)
    async with lab.gate():
        calls = [lab.send("GET", item.path) for item in items]
        held = await lab.until(lambda ledger: bool(ledger.of("statement", "response", since=mark)))
        # The one connection is busy, and the other two have come for it. That they wait in the pool's line is only what
        # the app says, and a line of its own does not show there: it is enough that they have had their turn.
        await turns(lab, lambda ledger: ledger.state.waiting == 2 or bool(ledger.of("response", since=mark)))
    done = await lab.until(lambda ledger: len(ledger.of("response", since=mark)) == 3)
    answered = len(lab.ledger.of("response", since=mark))
    expect(
        held and done,
        expected="Three visitors at once share a pool of one connection, one after the other.",
        happened=f"After {lab.patience:g} s, {answered} of 3 had an answer.",
        at=first(lab.ledger.of("borrow", since=mark)),
    )
    for answer, item in zip(await asyncio.gather(*calls), items, strict=True):
        expect(
            answer.status < 500,
            expected="A visitor for whom no connection is free waits until one comes back.",
            happened=f"GET {item.path} answered {answer.status} while another visitor had the one connection.",
            misconception="refuses-to-wait",
            error=lab.request_error(answer.request),
        )
        _expect_own_item(lab, answer, item, items)
    state = await settled(lab, 1)
    expect(
        state.total == state.free == 1,
        expected="Afterwards the one connection is free again.",
        happened=f"{state.total} open, {state.free} free.",
        misconception="never-returned" if lab.held() else None,
    )


@check(
    "The shutdown empties the pool, as it did before",
    needs=["reads-the-item"],
    lesson="concept-flow",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


def _expect_a_query(lab: Lab, answer: Answer, mark: int) -> None:
    """Fail the check when an answer came without any query."""
    if lab.ledger.of("statement", since=mark):
        return
    error = lab.request_error(answer.request)
    message = error.message if error else ""
    misconception: str | None
    if "coroutine" in message:
        misconception = "not-awaited"
    elif answer.status == 500:
        misconception = "used-after-return" if lab.ledger.of("return", since=mark) and _unusable(message) else None
    else:
        misconception = "cached-rows" if lab.ledger.of("statement") else "invented-rows"
    expect(
        False,
        expected="The route asks the database for the item.",
        happened=f"It answered {answer.status}, and no query reached the database"
        + (f": the route raised {error}." if error else "."),
        misconception=misconception,
        at=first(lab.ledger.of("response", since=mark)),
        error=error,
    )


def _expect_own_item(lab: Lab, answer: Answer, item: Item, together: list[Item]) -> None:
    """Fail the check unless an answer is the item's; that of another visitor is told apart."""
    body = answer.json()
    other = next((one for one in together if one != item and body == one.shown), None)
    expect(
        other is None,
        expected=f"GET {item.path} answers with its own item, also when others ask at the same moment.",
        happened=(
            f"It answered {short(body)}, the item that another visitor asked for at the same moment; "
            "visitors who come one by one get their own."
        ),
        misconception="one-name-for-all",
        at=next((event for event in lab.ledger.of("response") if event.request == answer.request), None),
    )
    expect_item(lab, answer, item)


def _busy(ledger: Ledger, mark: int) -> int:
    """On how many connections statements have come after `mark`."""
    return len({event.connection for event in ledger.of("statement", since=mark)})


def _asks_for(event: Event, items: list[Item]) -> set[int]:
    """Return the numbers of those items that a statement names, as a parameter or in its text."""
    named = {*map(str, event.params), *re.findall(r"\d+", event.detail)}
    return {item.id for item in items if str(item.id) in named}


def _shared_borrow(lab: Lab, mark: int, items: list[Item]) -> Event | None:
    """Return the first statement that ran for one visitor on a connection that was borrowed for another, if any did."""
    asked: dict[int | None, set[int]] = {}
    for event in lab.ledger.of("borrow", "statement", since=mark):
        if event.kind == "borrow":
            asked[event.connection] = set()
        else:
            for_whom = asked.setdefault(event.connection, set())
            for_whom |= _asks_for(event, items)
            if len(for_whom) > 1:
                return event
    return None


def _why_in_line(lab: Lab, mark: int, let: int, items: list[Item]) -> str | None:
    """Name what made visitors wait until the queries before theirs were done, when each had a borrow of its own.

    Args:
        lab: the lab.
        mark: the number of the row before the visitors came.
        let: the number of the last row before the first query was let through.
        items: what the visitors asked for.
    """
    borrowed = len(lab.ledger.of("borrow", since=mark)) >= len(items)
    late = {number for event in lab.ledger.of("statement", since=let) for number in _asks_for(event, items)}
    return "own-line" if borrowed and late else None


def _unusable(message: str) -> bool:
    """Whether an error says, in the words of `databases` or of the pool, that a connection was returned."""
    return "not acquired" in message or "was returned" in message


def _expect_none_opened(lab: Lab, mark: int, size: int) -> None:
    opened = lab.ledger.of("open", since=mark)
    expect(
        not opened,
        expected=f"The request borrows one of the {count(size, 'connection')} that are open.",
        happened=f"{count(len(opened), 'new connection')} opened while the request ran.",
        misconception=why_changed(lab, lab.ledger.of("open", "close", "lost", since=mark), "pool-per-request"),
        at=first(opened),
    )


async def _is_kept(lab: Lab, item: Item, out: list[Event]) -> bool:
    """Whether one more request runs on a connection that an earlier one borrowed."""
    if not lab.pool.free:
        return False
    mark = len(lab.ledger)
    lab.send("GET", item.path)
    # When neither comes, the request hangs, and what it would have used stays unknown: then nothing was kept.
    await lab.until(lambda ledger: bool(ledger.of("statement", "response", since=mark)))
    lent = {event.connection for event in out}
    return any(event.connection in lent for event in lab.ledger.of("statement", since=mark))


def _closings(lab: Lab, closed: list[Event]) -> str:
    if not closed:
        return "the rest never came back"
    if was_lent(lab, closed[0]):
        return f"connection {closed[0].connection} was closed by its borrower"
    return f"{count(len(closed), 'connection')} {'was' if len(closed) == 1 else 'were'} closed during the request"
