"""Exercise 2: shutdown empties the pool."""

from __future__ import annotations

from shop import shut_down

from poolkit.events import Event
from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Lab
from poolkit.text import count

SIZE = 8
"""So many connections in each pool that a shutdown which does not wait for them cannot be done by chance."""

"""Seconds, on the lab's clock: more than any closing waits for a connection that does not come back."""

SETTLES = 0.5
"""Seconds in which closings that were set off but not waited for show. Only a failed check waits for them."""


@check("After startup every connection is open and free", lesson="concept-flow", quiz="pool-shutdown.life")
async def test_starts_full(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    state = lab.pool
    early = lab.ledger.of("close", "lost")
    expect(
        state.free == state.total >= SIZE,
        expected=f"When the app is ready, its pools are full: {SIZE} connections in each, all free.",
        happened=f"{count(state.total, 'connection')} open and {state.free} free"
        + (f"; {len(early)} had been closed already." if early else "."),
        misconception=(
            "closed-too-early" if any(event.pooled for event in early) else "kept-from-startup" if lab.held() else None
        ),
        at=early[0] if early else lab.ledger.of("ready")[-1],
    )


@check(
    "The pool stays open as long as the app runs",
    points=2,
    needs=["starts-full"],
    lesson="where-does-the-number-of-open-connections-change",
    quiz="pool-shutdown.after-last-request",
)
async def test_stays_open(lab: Lab) -> None:
    await lab.start()
    total = lab.pool.total
    for number in range(1, 4):
        answer = await lab.get("/")
        closed = [event for event in lab.ledger.of("close", "lost") if event.pooled]
        expect(
            not closed,
            expected=f"The {count(total, 'connection')} of startup stay open until the shutdown.",
            happened=f"By the end of request {number}, {len(closed)} had been closed.",
            misconception="closed-too-early",
            at=closed[0] if closed else None,
        )
        error = lab.request_error(answer.request)
        expect(
            answer.status == 200,
            expected="GET / answers 200 as often as it is asked.",
            happened=f"Request {number} was answered {answer.status}"
            + (f": the route raised {error}." if error else "."),
            error=error,
        )


@check(
    "When shutdown is over, every connection is closed",
    points=4,
    needs=["starts-full"],
    lesson="why-must-it-be-the-same-object",
    quiz="pool-shutdown.two-pools",
)
async def test_closes_everything(lab: Lab) -> None:
    await lab.start(pool_size=SIZE)
    await lab.get("/")
    total = lab.pool.total
    asked = await shut_down(lab)
    stopped = lab.ledger.of("stopped")
    lost = lab.ledger.of("lost")
    expected = (
        f"The shutdown closes all of the {count(total, 'connection')} ({SIZE} in each pool in this check), "
        "and is over when they are closed."
    )
    expect(
        bool(stopped),
        expected=expected,
        happened=f"The process ended in the middle of the shutdown; {count(len(lost), 'connection')} broke off.",
        misconception="ended-by-force",
        at=lost[0] if lost else None,
    )
    if stopped[0].state.total or lost:
        misconception, happened = await _why_not_empty(lab, asked, stopped[0])
        raise CheckFailed(expected, happened, misconception=misconception, at=stopped[0], error=lab.startup_error)
    forced = _closed_while_borrowed(lab)
    expect(
        not forced,
        expected="Every connection is free when its pool closes it.",
        happened=f"{count(len(forced), 'connection')} had been borrowed and not returned: "
        "the pool waited in vain, and closed under the borrower in the end.",
        misconception="held-at-shutdown",
        at=forced[0] if forced else None,
    )


async def _why_not_empty(lab: Lab, asked: int, stopped: Event) -> tuple[str, str]:
    """Say which mistake the evidence points to, and what happened."""
    left = stopped.state.total
    happened = f"When the shutdown was over, {count(left, 'connection')} {'was' if left == 1 else 'were'} open."
    closed = {event.connection for event in lab.ledger.of("close") if event.seq < stopped.seq}
    if not closed and b"was never awaited" in lab.process.output:
        return "not-awaited", f"{happened} A coroutine was made and never awaited."
    if error := lab.startup_error:
        return "ends-at-an-error", f"{happened} The shutdown code raised {error}, and went no further."
    if late := lab.ledger.of("open", since=asked):
        return "another-pool", f"{happened} The shutdown had opened {len(late)} more."
    if all(not event.pooled for event in lab.ledger.of("open") if event.connection not in closed):
        return "outside-the-pool", f"{happened} {'It' if left == 1 else 'They'} had been opened outside the pool."
    await lab.until(lambda ledger: not ledger.state.total, within=SETTLES)
    if lost := lab.ledger.of("lost"):
        return "never-closed", f"{count(len(lost), 'connection')} broke off without being closed."
    if lab.ledger.of("close", since=stopped.seq):
        return "not-waited-for", f"{happened} The closing had been set off, and nobody waited for it."
    if closed:
        return "one-of-two", f"{happened} {len(closed)} had been closed."
    return "never-closed", f"{happened} None had been closed."


def _closed_while_borrowed(lab: Lab) -> list[Event]:
    """Return the closings of pooled connections that somebody still held."""
    out: set[int | None] = set()
    forced: list[Event] = []
    for event in lab.ledger.of("borrow", "return", "close"):
        if event.kind == "borrow":
            out.add(event.connection)
        elif event.kind == "return":
            out.discard(event.connection)
        elif event.connection in out:
            forced.append(event)
    return forced


@check(
    "The shutdown code runs to its end", needs=["closes-everything"], lesson="concept-flow", quiz="pool-shutdown.raises"
)
async def test_shuts_down_without_an_error(lab: Lab) -> None:
    await lab.start()
    await lab.get("/")
    await shut_down(lab)
    error = lab.startup_error
    expect(
        error is None,
        expected="The shutdown raises nothing: closing what is closed already is harmless, using it is not.",
        happened=f"The shutdown raised {error}.",
        misconception="used-after-close" if error and error.type == "PoolClosed" else None,
        error=error,
    )


@check(
    "After the shutdown the process ends by itself",
    points=2,
    needs=["closes-everything"],
    lesson="what-if-the-shutdown-code-is-missing",
    quiz="pool-shutdown.why-close",
)
async def test_process_ends(lab: Lab) -> None:
    await lab.start()
    await lab.get("/")
    await shut_down(lab)
    expect(
        await lab.exits(within=2.0),
        expected="When the last connection is closed, nothing keeps the process any more.",
        happened="2 s after the shutdown the process was still there, with no connection open: "
        "something else in the app goes on.",
        misconception="keeps-running",
        at=lab.ledger.of("stopped")[-1],
    )
