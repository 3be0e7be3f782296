"""Exercise 1: startup fills the pool."""

from __future__ import annotations

from contextlib import suppress

from poolkit.events import Event
from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Lab
from poolkit.text import count

SIZE = 16
"""So many connections that a startup which does not wait for them cannot be done with them by chance."""


@check(
    "Importing the file opens no connection",
    points=2,
    lesson="why-not-connect-while-the-file-is-imported",
    quiz="pool-startup.import",
)
async def test_import_opens_nothing(lab: Lab) -> None:
    # The lab is told to leave without ever starting the app. What the import has set going shows before the
    # process ends, so there is nothing to sleep for.
    lab.process.command("stop")
    await lab.until(lambda ledger: bool(ledger.of("open")))
    opened = lab.ledger.of("open")
    expect(
        not opened,
        expected="Importing the file opens nothing: connections are opened when the app starts.",
        happened="The file was imported and the app was never started, yet a connection was opened.",
        misconception="opened-at-import",
        at=opened[0] if opened else None,
    )


@check(
    "When the app is ready, every connection of the pool is open and free",
    points=4,
    lesson="what-happens-when-startup-does-not-wait",
    quiz="pool-startup.when-ready",
)
async def test_starts_full(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    ready = lab.ledger.of("ready")[-1]
    if ready.state.free == ready.state.total >= SIZE:
        return
    misconception, happened = await _why_not_full(lab, ready)
    raise CheckFailed(
        "When the app says that it is ready, all connections of its pool are open and free: "
        f"{SIZE} of them in this check.",
        happened,
        misconception=misconception,
        at=ready,
    )


async def _why_not_full(lab: Lab, ready: Event) -> tuple[str, str]:
    """Say which mistake the evidence points to, and what happened."""
    state = ready.state
    before = lab.ledger.events[: ready.seq]
    opened = [event for event in before if event.kind == "open" and event.pooled]
    closed = [event for event in before if event.kind in ("close", "lost") and event.pooled]
    lent = [event for event in lab.held() if event.seq < ready.seq]
    startup = next(event.seq for event in before if event.kind == "startup")
    outside = state.total - len(opened) + len(closed)
    if closed:
        return "closed-at-once", (
            f"{count(len(opened), 'connection')} opened and {len(closed)} closed again during the startup; "
            f"when the app was ready, {state.total} {'was' if state.total == 1 else 'were'} open."
        )
    if any(event.kind == "open" for event in before[:startup]):
        return "opened-at-import", (
            f"The import opened {count(before[startup - 1].state.total, 'connection')}, before the startup; "
            f"when the app was ready, the pool had {state.free} of {SIZE}."
        )
    if outside:
        return "outside-the-pool", (
            f"{count(outside, 'connection')} opened outside the pool, where nobody else can borrow; "
            f"the pool itself had {len(opened)} of {SIZE}."
        )
    if lent:
        return "kept-from-startup", (
            f"When the app was ready, {state.free} of {state.total} connections were free: the startup had "
            f"borrowed {len(lent)} and not returned."
        )
    if opened or lab.pool_size:
        return "not-waited-for", (
            "The startup set off the opening and went on: "
            f"the app was ready with {state.total} of {SIZE} connections open."
        )
    if b"was never awaited" in lab.process.output:
        return "not-awaited", "The app was ready with no connection open: a coroutine was made and never awaited."
    mark = len(lab.ledger)
    with suppress(CheckFailed):
        await lab.get("/")
    if lab.ledger.of("open", since=mark):
        return "opened-by-a-request", "The app was ready with no connection open; the first request opened them."
    return "never-opened", "The app was ready with no connection open, and none was opened later."


@check(
    "The app is not ready without its pool",
    needs=["starts-full"],
    lesson="what-happens-when-startup-does-not-wait",
    quiz="pool-startup.why-at-startup",
)
async def test_not_ready_without_its_pool(lab: Lab) -> None:
    lab.faults.refuse_connection(1)
    if not await lab.try_start(pool_size=SIZE):
        return
    ready = lab.ledger.of("ready")[-1]
    expect(
        ready.state.free >= SIZE,  # it asked again, and got its connections
        expected="When the database refuses a connection, the startup fails, and no request is let in.",
        happened=f"The database refused one, and the app was ready with {ready.state.free} of {SIZE} connections free.",
        misconception="ready-without-a-pool",
        at=ready,
    )


@check(
    "The first request is served by a connection that startup opened",
    points=2,
    needs=["starts-full"],
    lesson="why-does-reuse-beat-opening-anew",
    quiz="pool-startup.first-visitor",
)
async def test_serves_from_the_pool(lab: Lab) -> None:
    await lab.start()
    mark = len(lab.ledger)
    at_startup = {event.connection for event in lab.ledger.of("open")}
    answer = await lab.get("/")
    error = lab.request_error(answer.request)
    expect(
        answer.status == 200,
        expected="GET / answers 200: the route finds the pool that startup filled.",
        happened=f"It answered {answer.status}" + (f": the route raised {error}." if error else "."),
        misconception="another-pool" if error and error.type == "PoolClosed" else None,
        at=lab.ledger.of("response")[-1],
        error=error,
    )
    late = lab.ledger.of("open", since=mark)
    queries = lab.ledger.of("statement", since=mark)
    used = late or queries
    expect(
        any(event.connection in at_startup and event.pooled for event in queries),
        expected="The query of GET / runs on one of the connections that startup opened.",
        happened=(
            f"It ran on connection {used[0].connection}, which was opened "
            + ("during the request." if late else "outside the pool.")
            if used
            else "No query reached the database during the request."
        ),
        misconception=_who_opened(used),
        at=used[0] if used else None,
    )


@check(
    "However often it is opened, there is one pool, and requests do not add to it",
    points=2,
    needs=["serves-from-the-pool"],
    lesson="why-does-reuse-beat-opening-anew",
    quiz="pool-lifecycle.why-reuse",
)
async def test_one_pool(lab: Lab) -> None:
    size = lab.random.choice((1, 2, 3, 5))
    await lab.start(pool_size=size)
    ready = lab.ledger.of("ready")[-1]
    expect(
        ready.state.total == size,
        expected=f"Startup opens one pool, of {size} connections in this check.",
        happened=f"{count(ready.state.total, 'connection')} were open when the app was ready.",
        misconception="two-pools" if ready.state.total > size else None,
        at=ready,
    )
    for number in range(1, 4):
        await lab.get("/")
        late = lab.ledger.of("open", since=ready.seq)
        expect(
            not late,
            expected="Requests use the connections that are open already.",
            happened=f"By the end of request {number}, {count(len(late), 'new connection')} had been opened.",
            misconception=_who_opened(late),
            at=late[0] if late else None,
        )


def _who_opened(events: list[Event]) -> str | None:
    if not events:
        return None
    return "opened-by-a-request" if events[0].pooled else "outside-the-pool"
