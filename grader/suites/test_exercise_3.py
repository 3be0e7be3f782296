"""Exercise 3: borrow, use, return."""

from __future__ import annotations

import asyncio

from shop import add_item, count, expect_item

from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Lab


@check("The pool is full and idle before the first request")
async def test_starts_full(lab: Lab) -> None:
    await lab.start()
    size, state = lab.pool_size, lab.pool
    expect(
        size > 0 and state.free == state.total == size,
        expected="After startup every connection of the pool is open and free.",
        happened=f"{count(state.total, 'connection')} open and {state.free} free, of the {size} that the pool is to have.",
        misconception="never-returned" if state.borrowed else None,
    )


@check("The item comes from the database, over a connection of the pool", points=2, needs=["starts-full"])
async def test_reads_the_item(lab: Lab) -> None:
    await lab.start()
    for _ in range(2):
        item = await add_item(lab)
        mark = len(lab.ledger)
        answer = await lab.get(item.path)
        expect_item(lab, answer, item)
        queries = lab.ledger.of("statement", since=mark)
        expect(
            any(event.pooled for event in queries),
            expected="The route's query runs on a connection that it borrowed from the pool.",
            happened=(
                "The query ran on a connection that was opened for it, outside the pool."
                if queries
                else "No query reached the database during the request."
            ),
            misconception="own-connection" if queries else "invented-rows",
            at=queries[-1] if queries else None,
        )


@check(
    "During a request one connection is lent, and the pool stays as large as it was",
    points=2,
    needs=["reads-the-item"],
)
async def test_borrows_one(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    item = await add_item(lab)
    mark = len(lab.ledger)
    async with lab.gate():
        call = lab.send("GET", item.path)
        await lab.until(lambda ledger: bool(ledger.of("statement", "response", since=mark)))
        state = lab.pool
        opened = lab.ledger.of("open", since=mark)
        expect(
            not opened,
            expected=f"The request borrows one of the {count(size, 'connection')} that are open.",
            happened=f"{count(len(opened), 'new connection')} opened while the request ran.",
            misconception="pool-per-request" if len(opened) > 1 else "own-connection",
            at=opened[0] if opened else None,
        )
        expect(
            state.free == size - 1 and state.total == size,
            expected=f"While the query runs, {size - 1} of {size} connections are free.",
            happened=f"{state.free} of {state.total} were free.",
            misconception="two-at-once" if state.free < size - 1 else None,
        )
    expect_item(lab, await call, item)


@check("After each response the connection is back in the pool", points=3, needs=["reads-the-item"])
async def test_returns_the_connection(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    for number in range(1, 4):
        item = await add_item(lab)
        answer = await lab.get(item.path)
        state = lab.pool
        out = lab.held()
        expect(
            state.free == size,
            expected=f"When a request is over, all {size} connections are free again.",
            happened=(
                f"After {count(number, 'request')}, {state.free} of {size} connections "
                f"{'is' if state.free == 1 else 'are'} left: "
                f"connection {', '.join(str(event.connection) for event in out)} was borrowed and never returned."
                if out
                else f"After {count(number, 'request')}, {state.total} connections are open and {state.free} are free."
            ),
            misconception="never-returned" if out else "reconnects",
            at=lab.ledger.of("response")[-1],
        )
        expect_item(lab, answer, item)


@check("Many requests use the same few connections", points=2, needs=["returns-the-connection"])
async def test_reuses_connections(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    mark = len(lab.ledger)
    for _ in range(size + 2):
        item = await add_item(lab)
        expect_item(lab, await lab.get(item.path), item)
        opened, closed = lab.ledger.of("open", since=mark), lab.ledger.of("close", "lost", since=mark)
        expect(
            not opened and not closed,
            expected="Requests use the connections that startup opened; none is opened or closed in between.",
            happened=f"During the requests {count(len(opened), 'connection')} opened and {len(closed)} closed.",
            misconception="reconnects" if any(e.pooled for e in closed) else "own-connection",
            at=(opened or closed or [None])[0],
        )


@check(
    "It works with a pool of one connection, also for visitors who come together",
    points=2,
    needs=["returns-the-connection"],
)
async def test_pool_of_one(lab: Lab) -> None:
    await lab.start(pool_size=1)
    items = [await add_item(lab) for _ in range(3)]
    calls = [lab.send("GET", item.path) for item in items]
    answered = await lab.until(lambda ledger: len(ledger.of("response")) == len(calls), within=3.0)
    expect(
        answered,
        expected="Three visitors at once share a pool of one connection, one after the other.",
        happened=f"After 3 s, {len(lab.ledger.of('response'))} of 3 had an answer.",
        misconception="two-at-once",
        at=(lab.ledger.of("borrow") or [None])[-1],
    )
    for answer, item in zip(await asyncio.gather(*calls), items, strict=True):
        expect_item(lab, answer, item)
    state = lab.pool
    expect(
        state.total == state.free == 1,
        expected="Afterwards the one connection is free again.",
        happened=f"{state.total} open, {state.free} free.",
        misconception="never-returned",
    )
