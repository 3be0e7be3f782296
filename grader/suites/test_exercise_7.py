"""Exercise 7: transactions."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shop import expect_emptied, expect_given, first, settled, short, told, turns

from poolkit.events import Event
from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger
from poolkit.text import count

ROOM = 1_000_000
"""The capacity of a shelf that never fills up."""

TURNS = 10
"""Round trips through the app after which transfers that have not come together are taken to go one by one."""

STUCK = 0.5
"""Seconds after which a transfer that is alone and gets no connection, or no lock, is taken to wait for ever."""

SENT = 0.3
"""Seconds within which an answer that was sent before a commit is seen."""

MOST_UPDATES = 8
"""The most statements of one transfer that are made to fail in turn."""

_WRITE = re.compile(r"\W*(insert|update|replace|delete|with)\b", re.IGNORECASE)
_BEGIN = re.compile(r"\W*(begin|savepoint)\b", re.IGNORECASE)
_LOCKING_BEGIN = re.compile(r"\W*begin\s+(immediate|exclusive)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Shelves:
    """An item that two warehouses keep, made up for one run: how many pieces each of them has at first."""

    item: str
    source: str
    target: str
    at_source: int
    at_target: int

    def order(self, pieces: int, **other: str) -> dict[str, Any]:
        """What a client sends to move some pieces."""
        return {"item": self.item, "source": self.source, "target": self.target, "pieces": pieces} | other

    def moved(self, pieces: int = 0) -> tuple[int, int]:
        """The pieces at the source and at the target when that many have been moved."""
        return self.at_source - pieces, self.at_target + pieces


async def add_shelves(lab: Lab, *, room: int | None = None) -> Shelves:
    """Put an item on two shelves.

    Args:
        room: for how many more pieces the target has room; for all when not given.
    """
    shelves = Shelves(
        item=f"item-{lab.random.randbytes(4).hex()}",
        source=f"house-{lab.random.randbytes(3).hex()}",
        target=f"house-{lab.random.randbytes(3).hex()}",
        at_source=lab.random.randrange(100, 900),
        at_target=lab.random.randrange(100, 900),
    )
    capacity = ROOM if room is None else shelves.at_target + room
    await lab.sql(
        "INSERT INTO stock (warehouse, item, pieces, capacity) VALUES (?, ?, ?, ?), (?, ?, ?, ?)",
        (
            *(shelves.source, shelves.item, shelves.at_source, ROOM),
            *(shelves.target, shelves.item, shelves.at_target, capacity),
        ),
    )
    return shelves


# --- the checks ---


@check(
    "A transfer takes the pieces from one shelf and puts them on the other",
    points=2,
    lesson="when-is-it-written",
    quiz="transactions.begin",
)
async def test_moves_the_pieces(lab: Lab) -> None:
    await lab.start()
    size = lab.pool.total
    shelves, others = await add_shelves(lab), await add_shelves(lab)
    await _expect_moved(lab, shelves, size)
    expect(
        await _pieces(lab, others) == others.moved(),
        expected="A transfer of one item changes no other item's shelves.",
        happened=f"Another item's shelves changed: {await _told(lab, others)}.",
    )
    shown = {others.source: others.at_source, others.target: others.at_target}
    await expect_given(lab, f"/stock/{others.item}", 200, shown)


@check(
    "The transfer is committed before its answer is sent",
    points=3,
    needs=["moves-the-pieces"],
    lesson="when-is-it-written",
    quiz="transactions.answer",
)
async def test_committed_before_the_answer(lab: Lab) -> None:
    await lab.start()
    shelves, pieces = await add_shelves(lab), lab.random.randrange(2, 50)
    mark = len(lab.ledger)
    async with lab.gate("commit"):
        call = lab.send("POST", "/transfers", body=shelves.order(pieces))
        await lab.until(lambda ledger: bool(ledger.of("commit", "response", since=mark)))
        # The commit is held. What was sent before it is on its way; nothing else can be.
        await lab.until(lambda ledger: bool(ledger.of("response", since=mark)), within=SENT)
        now = await _pieces(lab, shelves)
        answered = lab.ledger.of("response", since=mark)
    expect(
        not answered or now == shelves.moved(pieces),
        expected="When a client has the answer, the database has the transfer, whoever asks it.",
        happened=(
            "The commit was held at the database, and the answer came all the same; at that moment "
            f"{_state(shelves, now)}."
        ),
        misconception="commit-after-response",
        at=first(answered),
    )
    answer = await call
    _expect_status(lab, answer, 200, "A transfer that the shelves allow")


@check(
    "A transfer that a shelf does not allow is answered with 409, and changes neither shelf",
    points=2,
    needs=["moves-the-pieces"],
    lesson="what-happens-to-the-half-that-went-well",
    quiz="transactions.bare",
)
async def test_refuses_whole(lab: Lab) -> None:
    await lab.start()
    few, full, kept = await add_shelves(lab), await add_shelves(lab, room=10), len(lab.held())
    for shelves, pieces, why in (
        (few, few.at_source + 1, "of more pieces than the source has"),
        (full, 11, "for which the target has no room"),
    ):
        mark = len(lab.ledger)
        answer = await _post(lab, shelves.order(pieces))
        leaked = await _leaked(lab, kept)
        await _expect_unchanged(lab, shelves, mark, f"a transfer {why}")
        _expect_status(lab, answer, 409, f"A transfer {why}")
        if leaked:
            return


@check(
    "When one of the warehouses does not keep the item, the answer is 404 and the other is unchanged",
    points=2,
    needs=["moves-the-pieces"],
    lesson="what-happens-to-the-half-that-went-well",
    quiz="transactions.return",
)
async def test_not_found_whole(lab: Lab) -> None:
    await lab.start()
    shelves, nowhere, kept = await add_shelves(lab), f"house-{lab.random.randbytes(4).hex()}", len(lab.held())
    for end in ("target", "source"):
        mark = len(lab.ledger)
        answer = await _post(lab, shelves.order(7, **{end: nowhere}))
        leaked = await _leaked(lab, kept)
        await _expect_unchanged(lab, shelves, mark, f"a transfer whose {end} does not keep the item", answer)
        _expect_status(lab, answer, 404, f"A transfer whose {end} does not keep the item")
        if leaked:
            return


@check(
    "Whichever statement fails at the database, the answer is 503 and neither shelf changes",
    points=3,
    needs=["moves-the-pieces"],
    lesson="what-happens-to-the-half-that-went-well",
    quiz="transactions.whole",
)
async def test_survives_an_sql_error(lab: Lab) -> None:
    await lab.start()
    kept, updates = len(lab.held()), await _count_updates(lab)
    # Made before anything fails: an open transaction of the app's would lock the judge out.
    each = [await add_shelves(lab) for _ in range(updates)]
    for number, shelves in enumerate(each, 1):
        last = number == updates
        if number > 1:
            lab.faults.delay_statement("update", 0.0, times=number - 1)  # these pass
        # A disk that fails goes on failing, so nothing can be put back by hand; it comes last, to end with the lab.
        lab.faults.fail_statement("update", "disk I/O error", times=99 if last else 1)
        mark = len(lab.ledger)
        answer = await _post(lab, shelves.order(5))
        leaked = await _leaked(lab, kept)
        failing = f"the {'last' if last and number > 1 else 'first' if number == 1 else 'next'} UPDATE"
        if not last and answer.status < 400 and await _pieces(lab, shelves) == shelves.moved(5):
            continue  # it has tried again, and told the truth
        error = first(lab.ledger.of("error", since=mark))
        expect(
            answer.status >= 400,
            expected="A transfer that failed is not answered as if it had gone well.",
            happened=f"While {failing} failed with a disk I/O error, it {_answered(lab, answer)}",
            misconception="swallows-errors",
            at=error,
        )
        await _expect_unchanged(lab, shelves, mark, f"a disk I/O error in {failing}")
        expect(
            answer.status == 503,
            expected="An sqlite3.OperationalError comes out of the route, and `database_trouble` answers it with 503.",
            happened=f"While {failing} failed with a disk I/O error, it {_answered(lab, answer)}",
            misconception="disguises-errors" if 400 <= answer.status < 500 else None,
            at=error,
            error=lab.request_error(answer.request),
        )
        if leaked:
            return


@check(
    "After every way out no transaction is open, the write lock is free, and the next transfer works",
    points=3,
    needs=["refuses-whole", "not-found-whole", "survives-an-sql-error"],
    lesson="who-ends-it",
    quiz="transactions.whole",
)
async def test_leaves_nothing_open(lab: Lab) -> None:
    await lab.start(pool_size=1)
    shelves, full = await add_shelves(lab), await add_shelves(lab, room=10)
    nowhere = f"house-{lab.random.randbytes(4).hex()}"
    kept = len(lab.held())
    moved = 0
    for order, how, fails in (
        (full.order(4), "a transfer that went well", False),
        (full.order(7), "a 409", False),
        (shelves.order(shelves.at_source * 2), "a 409", False),
        (shelves.order(3, target=nowhere), "a 404", False),
        (shelves.order(3, source=nowhere), "a 404", False),
        (shelves.order(3), "an SQL error", True),
    ):
        if fails:
            lab.faults.fail_statement("update", "disk I/O error")
        mark = len(lab.ledger)
        answer = await _post(lab, order)
        if fails and answer.status < 400:
            moved += 3  # it has tried again
        await _expect_nothing_open(lab, mark, kept, how, full)
        pieces = lab.random.randrange(1, 9)
        answer = await _post(lab, shelves.order(pieces))
        moved += pieces
        _expect_status(lab, answer, 200, f"With a pool of one connection, the next transfer after {how}")
    for one, number in ((full, 4), (shelves, moved)):
        expect(
            await _pieces(lab, one) == one.moved(number),
            expected="Transfers that went well are in the database, and nothing of the others is.",
            happened=f"{count(number, 'piece')} went well, and then {await _told(lab, one)}.",
        )


@check(
    "Two transfers at the same moment both count",
    points=3,
    needs=["moves-the-pieces"],
    lesson="why-does-the-second-one-wait",
    quiz="transactions.begin",
)
async def test_two_at_once(lab: Lab) -> None:
    await lab.start(pool_size=4)
    await _expect_both_count(lab, await add_shelves(lab), back=False)
    await _expect_both_count(lab, await add_shelves(lab), back=True)


@check(
    "A transfer waits while another process writes, and then counts from what that one has left",
    points=2,
    needs=["moves-the-pieces"],
    lesson="why-does-the-second-one-wait",
    quiz="transactions.begin",
)
async def test_waits_for_its_turn(lab: Lab) -> None:
    await lab.start()
    shelves = await add_shelves(lab)
    sold, pieces = lab.random.randrange(10, 40), lab.random.randrange(10, 40)
    await lab.sql("BEGIN IMMEDIATE")
    await lab.sql(
        "UPDATE stock SET pieces = pieces - ? WHERE warehouse = ? AND item = ?", (sold, shelves.source, shelves.item)
    )
    mark = len(lab.ledger)
    call = lab.send("POST", "/transfers", body=shelves.order(pieces))
    await lab.until(lambda ledger: bool(_attempts(ledger, mark)) or bool(ledger.of("response", since=mark)))
    await lab.sql("COMMIT")
    answer = await call
    _expect_not_locked(lab, answer, mark, "Another process had the write lock for a moment, and then")
    now = await _pieces(lab, shelves)
    source, target = shelves.moved(pieces)
    expect(
        now == (source - sold, target),
        expected="What another process has changed stays changed: the transfer counts from there.",
        happened=(
            f"Another process sold {sold} pieces of {shelves.at_source}, then {pieces} were moved, "
            f"and then {_state(shelves, now)}."
        ),
        misconception="lost-update" if now == shelves.moved(pieces) else None,
        at=first(_attempts(lab.ledger, mark)),
    )


@check(
    "The shutdown empties the pool, as it did before",
    needs=["refuses-whole"],
    lesson="when-is-it-written",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


# --- asking ---


async def _post(lab: Lab, order: dict[str, Any]) -> Answer:
    """Send one transfer with no other under way; one that gets no connection is not waited for."""
    mark = len(lab.ledger)
    call = lab.send("POST", "/transfers", body=order)

    def over(ledger: Ledger) -> bool:
        return bool(ledger.of("done", "exited", since=mark))

    await lab.until(lambda ledger: over(ledger) or ledger.state.waiting > 0)
    if not await lab.until(lambda ledger: over(ledger) or not ledger.state.waiting, within=STUCK):
        lab.advance(3600)  # past the pool's own patience
    return await call


async def _pieces(lab: Lab, shelves: Shelves) -> tuple[int, int]:
    """Read, past the app, how many pieces the two shelves have; -1 for a shelf that is gone."""
    rows = await lab.sql("SELECT warehouse, pieces FROM stock WHERE item = ?", (shelves.item,))
    found = {warehouse: pieces for warehouse, pieces in rows}

    def of(warehouse: str) -> int:
        pieces = found.get(warehouse)
        return pieces if isinstance(pieces, int) else -1

    return of(shelves.source), of(shelves.target)


async def _count_updates(lab: Lab) -> int:
    """Return how many UPDATE statements a transfer that goes well sends."""
    mark = len(lab.ledger)
    await _post(lab, (await add_shelves(lab)).order(5))
    updates = [event for event in lab.ledger.of("statement", since=mark) if "update" in event.detail.lower()]
    return min(max(1, len(updates)), MOST_UPDATES)


async def _leaked(lab: Lab, kept: int) -> bool:
    """Wait until the work for a request is over; tell whether a connection is still out then.

    Another request may wait for a lock that this one never gives back. So the check ends there, and
    `leaves-nothing-open` judges it after the same ways out.

    Args:
        kept: connections that were out before the first request.
    """
    return not await lab.until(lambda _: len(lab.held()) <= kept, within=0.2)


async def _lock_is_free(lab: Lab) -> bool:
    """Whether somebody else can write to the database now."""
    await lab.sql("PRAGMA busy_timeout = 100")
    try:
        await lab.sql("BEGIN IMMEDIATE")
        await lab.sql("COMMIT")
    except CheckFailed:
        with contextlib.suppress(CheckFailed):  # there is nothing to undo when it was the first that was refused
            await lab.sql("ROLLBACK")
        return False
    finally:
        await lab.sql("PRAGMA busy_timeout = 2000")
    return True


def _attempts(ledger: Ledger, mark: int) -> list[Event]:
    """The statements that write, or ask for the right to."""
    return [
        event
        for event in ledger.of("statement", since=mark)
        if _WRITE.match(event.detail) or _LOCKING_BEGIN.match(event.detail)
    ]


# --- expecting ---


async def _expect_moved(lab: Lab, shelves: Shelves, size: int) -> None:
    pieces = lab.random.randrange(2, 50)
    mark = len(lab.ledger)
    answer = await _post(lab, shelves.order(pieces))
    await settled(lab, size)
    ended = next((event for event in lab.ledger.of("error", since=mark) if "no transaction" in event.detail), None)
    expected = "A transfer that the shelves allow is answered with 200 and the number of pieces moved."
    expect(
        answer.status == 200,
        expected=expected,
        happened=f"It {_answered(lab, answer)}",
        misconception="not-one-connection" if ended else None,
        at=ended,
        error=lab.request_error(answer.request),
    )
    body = answer.json()
    expect(
        isinstance(body, dict) and body.get("moved") == pieces,
        expected=expected,
        happened=f"It answered {told(answer)} where {short({'moved': pieces})} was right.",
    )
    now = await _pieces(lab, shelves)
    writes = _attempts(lab.ledger, mark)
    expect(
        now == shelves.moved(pieces),
        expected="After the answer the pieces are gone from the source, and are at the target.",
        happened=f"{count(pieces, 'piece')} were to be moved, the answer was 200, and then {_state(shelves, now)}.",
        misconception="no-commit" if now == shelves.moved() and writes else None,
        at=first(lab.ledger.of("rollback", since=mark)) or (writes[-1] if writes else None),
    )


def _expect_status(lab: Lab, answer: Answer, status: int, what: str) -> None:
    expect(
        answer.status == status,
        expected=f"{what} is answered with {status}.",
        happened=f"It {_answered(lab, answer)}",
        error=lab.request_error(answer.request),
    )


async def _expect_unchanged(lab: Lab, shelves: Shelves, mark: int, after: str, answer: Answer | None = None) -> None:
    """Fail the check unless the shelves are as they were at first."""
    now = await _pieces(lab, shelves)
    why, at = _why_half(lab.ledger, mark) if now != shelves.moved() else (None, None)
    if answer is not None and answer.status < 400:
        why = "unmatched-update"
    expect(
        now == shelves.moved(),
        expected="Both shelves change, or neither.",
        happened=f"After {after}, {_state(shelves, now)}.",
        misconception=why,
        at=at,
    )


async def _expect_nothing_open(lab: Lab, mark: int, kept: int, how: str, full: Shelves) -> None:
    """Fail the check when a connection is out that was not before, or when the write lock is.

    Args:
        kept: connections that were out before the first request.
        full: shelves of which 4 pieces were moved before this.
    """
    await lab.until(lambda _: len(lab.held()) <= kept, within=0.2)
    out, free = lab.held(), await _lock_is_free(lab)
    if len(out) <= kept and free and not any(event.in_transaction for event in lab.ledger.of("return", since=mark)):
        return
    misconception = "transaction-left-open"
    happened = f"After {how}, " + (
        f"connection {out[-1].connection} was not returned"
        if len(out) > kept
        else "a connection still had its transaction open"
    )
    happened += ", and nobody else could write." if not free else ", its transaction still open."
    if not free and len(out) <= kept:
        # Who comes next uses the same connection; if its commit takes along what was left, that is the worse news.
        other = await _next_commits(lab, full)
        if other != full.moved(4) and other != full.moved():
            misconception = "commits-anothers-work"
            happened += f" The next transfer committed what it had left: {_state(full, other)}, less 4 that were moved."
    writes = _attempts(lab.ledger, mark)
    expect(
        False,
        expected="When a request is over, its transaction is committed or rolled back, and the write lock is free.",
        happened=happened,
        misconception=misconception,
        at=first(writes),
    )


async def _next_commits(lab: Lab, full: Shelves) -> tuple[int, int]:
    """Move one piece the other way, where that is possible; return what the shelves then have, without that piece."""
    call = lab.send("POST", "/transfers", body=full.order(1, source=full.target, target=full.source))
    await asyncio.wait((call,), timeout=STUCK)
    at_source, at_target = await _pieces(lab, full)
    if call.done() and not call.exception() and call.result().status == 200:
        return at_source - 1, at_target + 1
    return at_source, at_target


async def _expect_both_count(lab: Lab, shelves: Shelves, *, back: bool) -> None:
    """Let two transfers of one item meet at the database; fail the check unless both are done.

    Args:
        back: let the second one go the other way.
    """
    one, two = lab.random.sample(range(10, 50), 2)
    order = shelves.order(two, source=shelves.target, target=shelves.source) if back else shelves.order(two)
    mark = len(lab.ledger)
    async with lab.gate("update"):
        calls = [lab.send("POST", "/transfers", body=body) for body in (shelves.order(one), order)]
        await turns(
            lab,
            lambda ledger: (
                len({event.connection for event in _attempts(ledger, mark)}) > 1
                or bool(ledger.of("response", since=mark))
            ),
            times=TURNS,
            stuck=STUCK,
        )
    answers = await asyncio.gather(*calls)
    for answer in answers:
        _expect_not_locked(lab, answer, mark, "Two transfers came at the same moment, and for one of them")
    now = await _pieces(lab, shelves)
    both = one - two if back else one + two
    expect(
        now == shelves.moved(both),
        expected="Of two transfers at the same moment none undoes the other.",
        happened=(
            f"{one} pieces went to the target and {two} {'back' if back else 'more'} at the same moment, both with a "
            f"200, and then {_state(shelves, now)}; {_counted(*shelves.moved(both))} was right."
        ),
        misconception="lost-update",
        at=next((event for event in _attempts(lab.ledger, mark)), None),
    )


def _expect_not_locked(lab: Lab, answer: Answer, mark: int, when: str) -> None:
    error = next((event for event in lab.ledger.of("error", since=mark) if "locked" in event.detail), None)
    expect(
        answer.status == 200,
        expected="A transfer waits until it may write, and then goes well.",
        happened=f"{when} it {_answered(lab, answer)}" + (f" The database said: {error.detail}." if error else ""),
        misconception=_why_locked(lab.ledger, error) if error else None,
        at=error,
        error=lab.request_error(answer.request),
    )


# --- finding out why ---


def _why_half(ledger: Ledger, mark: int) -> tuple[str, Event | None]:
    """Return the mistake that let a part of a transfer stay, and the row that shows it."""
    events = ledger.of("statement", "commit", "error", since=mark)
    begins = [event for event in events if event.kind == "statement" and _BEGIN.match(event.detail)]
    writes = [event for event in events if event.kind == "statement" and _WRITE.match(event.detail)]
    commits = [event for event in events if event.kind == "commit"]
    error = next((event for event in events if event.kind == "error"), None)
    if not begins and not commits:
        undone = [event for event in writes if error and event.seq > error.seq]
        return ("undo-by-hand", undone[0]) if undone else ("autocommit", first(writes))
    homes = {event.connection for event in begins + commits}
    stray = [event for event in writes if event.connection not in homes]
    if stray:
        return "not-one-connection", stray[0]
    if len(commits) > 1 or len([event for event in begins if "savepoint" not in event.detail.lower()]) > 1:
        return "two-transactions", first(commits)
    if error and any(event.seq > error.seq for event in commits):
        return "commits-after-error", commits[-1]
    return "return-commits", first(commits)


def _why_locked(ledger: Ledger, error: Event) -> str | None:
    """Tell a lock that went to somebody else from one that the request itself holds."""
    before = [event for event in ledger.of("statement", connection=error.connection) if event.seq < error.seq]
    begins = [place for place, event in enumerate(before) if _BEGIN.match(event.detail)]
    if not begins:
        return None
    since = before[begins[-1] : -1]  # the last one is the one that failed
    reads = [event for event in since if not _BEGIN.match(event.detail) and not _WRITE.match(event.detail)]
    writes = [event for event in since if _WRITE.match(event.detail)]
    return "deferred-upgrade" if reads and not writes and not _LOCKING_BEGIN.match(since[0].detail) else None


# --- telling ---


async def _told(lab: Lab, shelves: Shelves) -> str:
    return _state(shelves, await _pieces(lab, shelves))


def _state(shelves: Shelves, now: Sequence[int]) -> str:
    return f"{_counted(*now)}; at first they had {shelves.at_source} and {shelves.at_target}"


def _counted(source: int, target: int) -> str:
    return f"the source had {source} and the target {target}"


def _answered(lab: Lab, answer: Answer) -> str:
    error = lab.request_error(answer.request)
    if error:
        return f"answered {answer.status}: the route raised {str(error).rstrip('.')}."
    return f"answered {answer.status} with {told(answer)}".rstrip(",") + "."
