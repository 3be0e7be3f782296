"""Exercise 11: let go early."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11
from shop import LATEST_RETURN, expect_emptied, expect_full, first, short, told, unusable

from poolkit.events import CONNECTION_KINDS, Event, PoolState
from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Answer, Lab
from poolkit.judge.ledger import Ledger

GIVEN_SIZE = 4
"""The pool's size in the file that a learner is given."""

CALM, STILL, STILL_S = 5, 25, 0.25
"""Round trips to the app without an event at the database, after which it is taken to be at rest: so many with every
connection in the pool, and so many, and seconds, while one is out."""

LONG, LONG_S = 60, 0.4
"""Round trips and seconds after which what has not happened yet is taken never to happen."""

MANY = 305
"""Orders of an export: more than a page, a batch or a limit is likely to hold."""

UNREAD = 155
"""Orders of an export that nobody reads: more than a page is likely to hold, so that there is a next one to fetch."""

HEAVY, HEAVY_NOTE = 12, 30_000
"""How many of these come first with a long note, and its bytes, in hex twice as many characters: a socket takes a few
such lines when nobody reads them. All of them together are less than the 1 MiB of one answer."""

THINKS = 90.0
"""Seconds for which the courier and the mailer think, by the app's clock."""

BATCH = 50
"""Orders that are put into the database at once."""

MAX_EXPORT = 4 << 20
MAX_MOVES = 150
"""Round trips with an event at the database after which an app is taken never to come to rest."""


@dataclass(frozen=True)
class Order:
    """A row of `orders`, made up for one run."""

    id: int
    customer: str
    city: str
    note: str

    @property
    def line(self) -> str:
        """Its line in the export."""
        return f"{self.id},{self.customer},{self.city},{self.note}"


@dataclass(frozen=True)
class Desk:
    """A clerk and orders that no learner can know."""

    clerk: str
    orders: list[Order]

    @property
    def order(self) -> Order:
        """One of the orders."""
        return self.orders[0]

    @property
    def export(self) -> str:
        """Where the app exports the orders."""
        return f"/orders/export?clerk={self.clerk}"

    def path(self, action: str = "", clerk: str = "") -> str:
        """Where the app shows, ships or receipts the order."""
        return f"/orders/{self.order.id}{action}?clerk={clerk or self.clerk}"


async def furnish(lab: Lab, orders: int = 3, heavy: int = 0) -> Desk:
    """Put a clerk into the database, and these orders in the place of those that are there.

    Args:
        heavy: how many of them, the first by their ids, have a long note.
    """
    made = [
        Order(
            id=number,
            customer=f"Customer {lab.random.randbytes(5).hex()}",
            city=f"City {lab.random.randbytes(3).hex()}",
            note=lab.random.randbytes(HEAVY_NOTE if place < heavy else 8).hex(),
        )
        for place, number in enumerate(sorted(lab.random.sample(range(10_000, 10_000_000), orders)))
    ]
    desk = Desk(f"clerk-{lab.random.randbytes(5).hex()}", made)
    await lab.sql("INSERT INTO clerks (name) VALUES (?)", (desk.clerk,))
    await lab.sql("DELETE FROM orders")
    for start in range(0, orders, BATCH):
        rows = made[start : start + BATCH]
        places = ", ".join("(?, ?, ?, ?)" for _ in rows)
        values = [value for row in rows for value in (row.id, row.customer, row.city, row.note)]
        await lab.sql(f"INSERT INTO orders (id, customer, city, note) VALUES {places}", values)
    return desk


@check(
    "The pool is full and idle before the first request",
    lesson="what-does-a-connection-do-while-its-borrower-waits",
    quiz="let-go-early.courier",
)
async def test_starts_full(lab: Lab) -> None:
    await lab.start()
    expect_full(lab, "reserved-connection")


@check(
    "Every route asks the database who the clerk is, at each request",
    needs=["starts-full"],
    lesson="when-does-a-routes-connection-come-back",
    quiz="let-go-early.pins",
)
async def test_asks_for_the_clerk(lab: Lab) -> None:
    await lab.start()
    size, desk = lab.pool.total, await furnish(lab)
    mark = len(lab.ledger)
    answer = await lab.get(desk.path())
    expect(
        answer.status == 200 and _says(answer, id=desk.order.id, customer=desk.order.customer),
        expected=f"GET {desk.path()} answers 200 with the order that stands in the database.",
        happened=_answered(lab, answer),
        misconception="clerks-from-the-start" if answer.status == 403 and _knew_the_clerks(lab, mark) else None,
        at=first([event for event in lab.ledger.of("response", since=mark) if event.request == answer.request]),
        error=lab.request_error(answer.request),
    )
    await _expect_403(lab, desk, f"clerk-{lab.random.randbytes(5).hex()}", "no clerk", "unguarded")
    await _expect_all_back(lab, size, "four visitors were refused with 403", "lost-on-refusal")
    nowhere = f"/orders/{lab.random.randrange(10_000_000, 100_000_000)}?clerk={desk.clerk}"
    await _expect_refused(lab, "GET", nowhere, 404, "there is no such order")
    await _expect_all_back(lab, size, "a visitor was refused with 404", "lost-on-refusal")
    for method, action in (("GET", ""), ("POST", "/ship"), ("POST", "/receipt")):
        await lab.request(method, f"/orders/order-{lab.random.randbytes(3).hex()}{action}?clerk={desk.clerk}")
        await _expect_all_back(lab, size, "an order's id was no number", "lost-on-refusal")
    await lab.sql("DELETE FROM clerks WHERE name = ?", (desk.clerk,))
    await _expect_403(lab, desk, desk.clerk, "no clerk any more", "remembered-clerk")


@check(
    "An order is shipped: the courier is asked, and the parcel's number is stored",
    points=2,
    needs=["starts-full"],
    lesson="why-does-one-connection-serve-two-visitors-at-once",
    quiz="let-go-early.ship",
)
async def test_ships(lab: Lab) -> None:
    await lab.start()
    desk, mark = await furnish(lab), len(lab.ledger)
    await _expect_404(lab, desk, "/ship")
    call = await _ask(lab, "courier", desk.path("/ship"))
    _expect_question(lab, call, f"{desk.order.customer}, {desk.order.city}")
    await _ship(lab, desk, call)
    _expect_none_opened(lab, mark)
    await _expect_all_back(lab, lab.pool.total, "an order was shipped")


@check(
    "No connection is held while the courier is asked",
    points=3,
    needs=["ships"],
    lesson="what-does-a-connection-do-while-its-borrower-waits",
    quiz="let-go-early.courier",
)
async def test_lets_go_for_the_courier(lab: Lab) -> None:
    await lab.start()
    size, desk = lab.pool.total, await furnish(lab)
    call = await _ask(lab, "courier", desk.path("/ship"))
    await _expect_none_held(lab, size, desk, "the courier", "held-over-a-call")
    second = await _ask(lab, "courier", desk.path("/ship"))
    await _expect_none_held(lab, size, desk, "the courier, for two clerks,", "held-over-a-call")
    lab.advance(THINKS)
    for _ in range(CALM):
        await lab.turn()
    await _ship(lab, desk, call, "gives-up-waiting")
    await _ship(lab, desk, second, "gives-up-waiting")
    await _expect_all_back(lab, size, "two parcels were booked")


@check(
    "The export has a line for every order",
    points=2,
    needs=["starts-full"],
    lesson="how-can-a-stream-or-a-background-task-use-the-database",
    quiz="let-go-early.pins",
)
async def test_exports(lab: Lab) -> None:
    await lab.start()
    size, desk = lab.pool.total, await furnish(lab, orders=MANY)
    mark = len(lab.ledger)
    async with exporting(lab, desk) as client:
        await _expect_export(lab, client, desk, mark)
    _expect_none_opened(lab, mark)
    await _expect_all_back(lab, size, "an export")


@check(
    "No connection is held while an export's client does not read",
    points=3,
    needs=["exports"],
    lesson="how-can-a-stream-or-a-background-task-use-the-database",
    quiz="let-go-early.pins",
)
async def test_lets_go_for_a_slow_client(lab: Lab) -> None:
    await lab.start()
    size, desk = lab.pool.total, await furnish(lab, orders=UNREAD, heavy=HEAVY)
    mark = len(lab.ledger)
    async with exporting(lab, desk) as client:
        await _expect_none_held(lab, size, desk, "the export's client", "stream-pins")
        await _expect_export(lab, client, desk, mark)
    await _expect_all_back(lab, size, "an export to a slow client")


@check(
    "When an export's client hangs up, the connection comes back",
    points=2,
    needs=["lets-go-for-a-slow-client"],
    lesson="when-does-a-routes-connection-come-back",
    quiz="cancellation.finally",
)
async def test_returns_when_the_client_hangs_up(lab: Lab) -> None:
    await lab.start()
    size, desk = lab.pool.total, await furnish(lab, orders=UNREAD, heavy=HEAVY)
    async with exporting(lab, desk) as client:
        await _expect_rest(lab, "the export's client")
        client.close()
    # Whether the app ends what it does for that client is its own affair, if only the connection comes back.
    await lab.until(lambda ledger: any(event.request == client.number for event in ledger.of("done")))
    await _expect_all_back(lab, size, "a client hung up between two lines", "lost-on-hangup")
    mark = len(lab.ledger)
    async with lab.gate("orders"):
        call = lab.send("GET", desk.export)
        asked = await lab.until(lambda ledger: bool(_naming("orders", ledger, mark)))
        expect(
            asked,
            expected=f"GET {desk.export} asks the database for the orders.",
            happened="After a client had hung up, no statement that names the table `orders` came.",
        )
        call.cancel()
        await asyncio.wait((call,))
        for _ in range(CALM):  # so that the app has seen the hang-up before its rows come
            await lab.turn()
    await _expect_all_back(lab, size, "a client hung up while rows were being fetched", "lost-on-hangup")
    mark = len(lab.ledger)
    async with exporting(lab, desk) as again:
        await _expect_export(lab, again, desk, mark)


@check(
    "A receipt is promised at once; the mail goes out afterwards, and its number is stored",
    points=2,
    needs=["starts-full"],
    lesson="how-can-a-stream-or-a-background-task-use-the-database",
    quiz="let-go-early.handed-over",
)
async def test_mails_the_receipt(lab: Lab) -> None:
    await lab.start()
    size, desk = lab.pool.total, await furnish(lab)
    mark = len(lab.ledger)
    await _expect_404(lab, desk, "/receipt")
    call = await _ask(lab, "mailer", desk.path("/receipt"))
    _expect_question(lab, call, f"{desk.order.customer}, receipt {desk.order.id}")
    await _expect_promised(lab, call)
    await _mail(lab, desk, call, mark)
    _expect_none_opened(lab, mark)
    await _expect_all_back(lab, size, "a receipt was mailed")


@check(
    "No connection is held while the mailer is asked, after the answer",
    points=3,
    needs=["mails-the-receipt"],
    lesson="when-does-a-routes-connection-come-back",
    quiz="let-go-early.when-back",
)
async def test_lets_go_for_the_mailer(lab: Lab) -> None:
    await lab.start()
    size, desk = lab.pool.total, await furnish(lab)
    mark = len(lab.ledger)
    call = await _ask(lab, "mailer", desk.path("/receipt"))
    await _expect_promised(lab, call)
    await _expect_none_held(lab, size, desk, "the mailer", "held-over-a-call", mailing=True)
    lab.advance(THINKS)
    for _ in range(CALM):
        await lab.turn()
    await _mail(lab, desk, call, mark, "gives-up-waiting")
    await _expect_all_back(lab, size, "a receipt was mailed")


@check(
    "One connection is enough while the courier, the mailer and a slow client are all waited for",
    points=2,
    needs=["lets-go-for-the-courier", "lets-go-for-a-slow-client", "lets-go-for-the-mailer"],
    lesson="why-does-one-connection-serve-two-visitors-at-once",
    quiz="let-go-early.pins",
)
async def test_pool_of_one(lab: Lab) -> None:
    await lab.start(pool_size=1)
    desk, mark = await furnish(lab, orders=HEAVY, heavy=HEAVY), len(lab.ledger)
    parcel = await _ask(lab, "courier", desk.path("/ship"))
    letter = await _ask(lab, "mailer", desk.path("/receipt"))
    async with exporting(lab, desk) as client:
        await _expect_rest(lab, "all three")
        visitor = lab.send("GET", desk.path())
        await _finished(lab, visitor)
        answer = await visitor
        expect(
            answer.status == 200,
            expected="A visitor is served while three others wait for somebody outside.",
            happened=_answered(lab, answer),
            error=lab.request_error(answer.request),
        )
        await _ship(lab, desk, parcel)
        await _mail(lab, desk, letter, mark)
        await _expect_export(lab, client, desk, mark)
    await _expect_all_back(lab, 1, "all of them were served")


@check(
    "The shutdown empties the pool, as it did before",
    needs=["lets-go-for-the-courier"],
    lesson="what-does-a-connection-do-while-its-borrower-waits",
    quiz="pool-shutdown.life",
)
async def test_emptied_at_shutdown(lab: Lab) -> None:
    await lab.start()
    await expect_emptied(lab)


# --- a client that reads when it is told to ---


class Client:
    """Asks for an export and leaves the answer unread, which stops the stream once the sockets are full."""

    def __init__(self, lab: Lab, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.status = 0
        self.body = bytearray()
        self._lab = lab
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._http = h11.Connection(h11.CLIENT)
        self._open = True

    async def ask(self) -> None:
        """Send the request, and wait until the answer begins."""
        loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        self._lab.ledger.request(self.number, f"GET {self.path}")
        headers = [("host", "lab"), ("x-poolkit-request", str(self.number)), ("connection", "close")]
        request = self._http.send(h11.Request(method="GET", target=self.path, headers=headers)) or b""
        try:
            async with asyncio.timeout(self._lab.patience):
                await loop.sock_connect(self._socket, str(self._lab.process.http_path))
                await loop.sock_sendall(self._socket, request)
        except OSError:  # a timeout too
            raise CheckFailed(f"The app answers GET {self.path}.", "The app takes no request any more.") from None
        self._http.send(h11.EndOfMessage())
        # Little at a time, so that what follows stays in the app's hands.
        await self._read(until_whole=False, size=512)

    async def rest(self) -> bool:
        """Read to the end; tell whether the answer was whole."""
        whole = await self._read(until_whole=True, size=1 << 16)
        self.close(str(self.status) if whole else "cut off")
        return whole

    def close(self, outcome: str = "hung up") -> None:
        """Close the connection, in the middle of the answer if there is more of it."""
        if self._open:
            self._open = False
            self._socket.close()
            self._lab.ledger.answered(self.number, status=self.status or None, detail=outcome)

    async def _read(self, *, until_whole: bool, size: int) -> bool:
        """Read until the answer has begun, or until it is whole; tell whether it came to that."""
        try:
            while len(self.body) <= MAX_EXPORT:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    async with asyncio.timeout(self._lab.patience):
                        self._http.receive_data(await asyncio.get_running_loop().sock_recv(self._socket, size))
                elif isinstance(event, h11.Response):
                    self.status = event.status_code
                    if not until_whole:
                        return True
                elif isinstance(event, h11.Data):
                    self.body += event.data
                elif not isinstance(event, h11.InformationalResponse):
                    return isinstance(event, h11.EndOfMessage)
        except TimeoutError:
            raise CheckFailed(
                f"The app answers GET {self.path}.", f"For {self._lab.patience:g} s nothing more of the answer came."
            ) from None
        except (h11.RemoteProtocolError, ConnectionError):
            pass
        return False


@asynccontextmanager
async def exporting(lab: Lab, desk: Desk) -> AsyncIterator[Client]:
    """A client that has asked for the export, and has read how the answer begins."""
    # Numbers that the lab's own requests do not reach.
    client = Client(lab, 1000 + len(lab.ledger), desk.export)
    try:
        await client.ask()
        yield client
    finally:
        client.close()


async def _soon(lab: Lab, condition: Callable[[Ledger], bool]) -> bool:
    """Tell whether a condition comes true for which the app needs nobody outside.

    It has that long in round trips, which a busy machine slows down as well, and in time.
    """
    loop = asyncio.get_running_loop()
    trips, since = 0, loop.time()
    while not condition(lab.ledger):
        if trips >= LONG and loop.time() >= since + LONG_S:
            return False
        await lab.turn()
        # Trips without a rest would take the machine from the very app that is waited for.
        await lab.until(condition, within=LONG_S / LONG)
        trips += 1
    return True


async def _at_rest(lab: Lab) -> bool:
    """Wait until the app has gone as far as it can, such as with an export that nobody reads; tell whether it has.

    Between round trips of our own it makes its way. With a connection in its hands it might still be fetching: then
    it has longer, in round trips, which a busy machine slows down too, and in time.
    """
    loop = asyncio.get_running_loop()
    calm, moves, since = 0, 0, loop.time()
    while moves < MAX_MOVES:
        longer = bool(lab.pool.borrowed) and (calm < STILL or loop.time() < since + STILL_S)
        if calm >= CALM and not longer:
            return True
        seen = len(lab.ledger.of(*CONNECTION_KINDS))
        await lab.turn()
        if len(lab.ledger.of(*CONNECTION_KINDS)) == seen:
            calm += 1
        else:
            calm, moves, since = 0, moves + 1, loop.time()
    return False


async def _expect_rest(lab: Lab, whom: str) -> None:
    """Fail the check unless the app, while it waits for somebody outside, comes to rest."""
    mark = len(lab.ledger)
    rested = await _at_rest(lab)
    went_on = len(lab.ledger.of("statement", since=mark))
    expect(
        rested,
        expected=f"While the app waits for {whom}, it leaves the database alone.",
        happened=f"It went on and on, with {went_on} statements until this check looked no longer.",
        at=first(lab.held()),
    )


# --- asking a service ---


@dataclass(frozen=True)
class Call:
    """A request that has made the app ask a service, and waits for the answer."""

    task: asyncio.Task[Answer]
    number: int
    path: str
    service: str
    question: str


async def _ask(lab: Lab, service: str, path: str) -> Call:
    """Send a POST, and wait until the app asks the service; fail the check when it does not."""
    mark = len(lab.ledger)
    task = lab.send("POST", path)
    asked = lab.send("GET", f"/outside/{service}/question")
    await _finished(lab, task, asked)
    if not asked.done():
        # What goes on after the request's own end may ask a little later.
        await _soon(lab, lambda _: asked.done())
    number = next(event.request or 0 for event in lab.ledger.of("request", since=mark) if path in event.detail)
    if not asked.done():
        answer = await task
        error = lab.request_error(number)
        raise CheckFailed(
            f"For POST {path} the app asks the {service}.",
            f"The {service} was not asked. {_answered(lab, answer)}",
            misconception="used-after-return" if error and unusable(error.message) else None,
            error=error,
        )
    answer = await asked
    expect(
        answer.status == 200,
        expected=f"GET /outside/{service}/question, a route of the test double that stays as it was, answers 200.",
        happened=_answered(lab, answer),
    )
    body = answer.json()
    return Call(task, number, path, service, str(body.get("question")) if isinstance(body, dict) else "")


async def _finished(lab: Lab, *tasks: asyncio.Task[Answer]) -> None:
    """Wait until a request is finished; fail the check when it waits for a connection that nobody will return."""
    while not (await asyncio.wait(tasks, timeout=0.1, return_when=asyncio.FIRST_COMPLETED))[0]:
        if not lab.pool.waiting:
            continue
        mark = len(lab.ledger)
        await _at_rest(lab)  # if it does not come to rest, something moves, and that is asked next
        held, moved = lab.held(), lab.ledger.of(*CONNECTION_KINDS, since=mark)
        expect(
            bool(moved) or not held or not lab.pool.waiting or any(task.done() for task in tasks),
            expected="A pool of one connection is enough: nobody needs a second one while holding the first.",
            happened=(
                f"Connection {held[0].connection if held else 0} was borrowed and not returned while "
                f"{lab.pool.waiting} more were waited for, and nothing moved any more."
            ),
            misconception="two-at-once",
            at=first(held),
        )


async def _let_answer(lab: Lab, service: str) -> str:
    """Let a service answer with a word of this run's own, and return that."""
    word = f"{service[0].upper()}-{lab.random.randbytes(5).hex()}"
    await lab.request("POST", f"/outside/{service}/answer", body={"answer": word})
    return word


async def _ship(lab: Lab, desk: Desk, call: Call, misconception: str | None = None) -> None:
    """Let the courier answer; fail the check unless the parcel's number is answered and stored.

    Args:
        misconception: the mistake when the request has ended before that.
    """
    early = first([event for event in lab.ledger.of("response") if event.request == call.number])
    expect(
        early is None,
        expected=f"POST {call.path} waits until the courier has answered, who may think for a minute and more.",
        happened=f"It was answered {early.status} before the courier had said anything." if early else "",
        misconception=misconception,
        at=early,
    )
    parcel = await _let_answer(lab, "courier")
    await _finished(lab, call.task)
    answer = await call.task
    error = lab.request_error(call.number)
    expected = f"When the courier has answered, POST {call.path} answers 200 with the parcel's number."
    expect(
        answer.status == 200,
        expected=expected,
        happened=_answered(lab, answer),
        misconception="used-after-return" if error and unusable(error.message) else None,
        at=first(lab.ledger.of("return")),
        error=error,
    )
    expect(
        _says(answer, id=desk.order.id, parcel=parcel),
        expected=expected,
        happened=f"The courier said {parcel}, and the app answered {told(answer)}.",
    )
    stored = await lab.sql("SELECT parcel FROM orders WHERE id = ?", (desk.order.id,))
    expect(
        stored == [(parcel,)],
        expected="The parcel's number stands in the order's row.",
        happened=f"The courier said {parcel}, and in the row stands {short(stored[0][0] if stored else None)}.",
    )


async def _mail(lab: Lab, desk: Desk, call: Call, mark: int, misconception: str = "background-after-return") -> None:
    """Let the mailer answer; fail the check unless the letter's number is stored.

    Args:
        mark: where to look from, in the ledger, for what the app did for it.
        misconception: the mistake when it did not try to.
    """
    letter = await _let_answer(lab, "mailer")
    await _finished(lab, call.task)
    size = lab.pool.total

    def written(ledger: Ledger) -> bool:
        return bool(_naming("receipts", ledger, mark)) and ledger.state.free == size

    # The request is over by now, but a task of the app's own may be a little later; what stands there then counts.
    await _soon(lab, written)
    opened = lab.ledger.of("open", since=mark)
    stored = await lab.sql("SELECT letter FROM receipts WHERE order_id = ?", (desk.order.id,))
    if stored != [(letter,)] or opened:
        _expect_none_opened(lab, mark)
    error = lab.request_error(call.number)
    returned = lab.ledger.of("return", since=mark)
    told_error = f": the background task raised {error}" if error else ""
    expect(
        stored == [(letter,)],
        expected="When the mailer has answered, `receipts` has one row with the order and the letter's number.",
        happened=f"The mailer said {letter}, and the rows for the order are {short(stored)}{told_error}.",
        misconception=None if _naming("receipts", lab.ledger, mark) else misconception,
        at=returned[-1] if returned else None,
        error=error,
    )


# --- expecting ---


async def _expect_403(lab: Lab, desk: Desk, clerk: str, who: str, misconception: str) -> None:
    """Fail the check unless each route refuses a clerk."""
    routes = [("GET", f"/orders/export?clerk={clerk}"), ("GET", desk.path("", clerk))]
    routes += [("POST", desk.path(action, clerk)) for action in ("/ship", "/receipt")]
    for method, path in routes:
        await _expect_refused(lab, method, path, 403, f"{clerk} is {who}", misconception)


async def _expect_404(lab: Lab, desk: Desk, action: str) -> None:
    """Fail the check unless an order that does not exist is answered with 404."""
    path = f"/orders/{lab.random.randrange(10_000_000, 100_000_000)}{action}?clerk={desk.clerk}"
    await _expect_refused(lab, "POST", path, 404, "there is no such order", "looks-too-late")


async def _expect_refused(
    lab: Lab, method: str, path: str, status: int, because: str, misconception: str | None = None
) -> None:
    """Fail the check unless a request is answered with this status.

    Args:
        misconception: the mistake when it is served instead.
    """
    mark = len(lab.ledger)
    call = lab.send(method, path)

    def number(ledger: Ledger) -> int | None:
        return next((event.request for event in ledger.of("request", since=mark) if path in event.detail), None)

    def response(ledger: Ledger) -> Event | None:
        return first([event for event in ledger.of("response", since=mark) if event.request == number(ledger)])

    # Whoever is served may wait for a service, and never be answered.
    await _soon(lab, lambda ledger: response(ledger) is not None)
    answered = response(lab.ledger)
    got = answered.status if answered else None
    request = next((event for event in lab.ledger.of("request", since=mark) if path in event.detail), None)
    expect(
        got == status,
        expected=f"{method} {path} answers {status}, because {because}.",
        happened=f"It answered {got}." if answered else "It was served, and waits for a service.",
        misconception=misconception if got is None or got < 300 else None,
        at=answered or request,
    )
    await call


def _expect_question(lab: Lab, call: Call, question: str) -> None:
    expect(
        call.question == question,
        expected=f"For POST {call.path} the {call.service} is asked {short(question)}.",
        happened=f"It was asked {short(call.question)}.",
    )


async def _expect_promised(lab: Lab, call: Call) -> None:
    """Fail the check unless a request is answered while the service has not answered yet."""

    def responses(ledger: Ledger) -> list[Event]:
        return [event for event in ledger.of("response") if event.request == call.number]

    await _soon(lab, lambda ledger: bool(responses(ledger)))
    response = first(responses(lab.ledger))
    expected = f"POST {call.path} answers 202 without waiting for the mailer."
    expect(
        response is not None,
        expected=expected,
        happened="The mailer was asked and has not answered, and the visitor has no answer either.",
        misconception="answers-late",
        at=next(event for event in lab.ledger.of("request") if event.request == call.number),
    )
    assert response is not None
    expect(response.status == 202, expected=expected, happened=f"It answered {response.status}.", at=response)


async def _expect_none_held(
    lab: Lab, size: int, desk: Desk, whom: str, misconception: str, *, mailing: bool = False
) -> None:
    """Fail the check unless all connections are in the pool while the app waits for somebody outside.

    Args:
        whom: for whom it waits, for the text.
        misconception: the mistake, when the connection that is out was borrowed neither for the clerk nor earlier.
        mailing: whether what is left to do comes after the answer.
    """
    await _expect_rest(lab, whom)
    state = lab.pool
    if state.free == state.total == size:
        return
    out = lab.held()
    at = first(out)
    if size > GIVEN_SIZE:
        misconception = "bigger-pool"
    elif at and _served(lab, at, desk.clerk):
        misconception = "whole-request"
    elif at and mailing and _served(lab, at, desk.order.id):
        misconception = "kept-for-the-task"
    _expect_none_opened(lab, max(event.seq for event in lab.ledger.of("ready")))
    expect(
        False,
        expected=f"While the app waits for {whom} all {size} connections are free.",
        happened=(
            f"While it waited, {state.free} of {state.total} connections {'was' if state.free == 1 else 'were'} free: "
            f"connection {', '.join(str(event.connection) for event in out)} was borrowed and did nothing."
        ),
        misconception=misconception,
        at=at,
    )


async def _expect_export(lab: Lab, client: Client, desk: Desk, mark: int) -> None:
    """Read what is left of an export; fail the check unless it is whole and right.

    Args:
        mark: where the export begins in the ledger.
    """
    whole = await client.rest()
    expected = f"GET {client.path} answers 200 with a line for each of the {len(desk.orders)} orders."
    if not whole:  # then the app tells why, which comes before its `done`
        await _soon(lab, lambda ledger: any(event.request == client.number for event in ledger.of("done")))
    lines = client.body.decode(errors="replace").splitlines()
    error = lab.request_error(client.number)
    returned = lab.ledger.of("return", since=mark)
    expect(
        whole and client.status == 200,
        expected=expected,
        happened=_broke_off(client, lines) + (f": the app raised {error}." if error else "."),
        misconception="stream-after-return" if error and unusable(error.message) else None,
        at=returned[-1] if returned else None,
        error=error,
    )
    wanted = [order.line for order in desk.orders]
    here = set(lines)
    missing = [line for line in wanted if line not in here]
    queries = _naming("orders", lab.ledger, mark)
    misconception = None
    if here <= set(wanted):
        # Pages by number come back empty, or go on to a second query; a limit cuts off what one query found.
        cut_off = len(queries) == 1 and bool(lines) and lines == wanted[: len(lines)]
        misconception = "stops-at-a-limit" if cut_off else "loses-rows"
    expect(
        not missing,
        expected=expected,
        happened=f"{len(lines)} lines came, and {len(missing)} orders are missing, such as {short(missing[:1], 60)}.",
        misconception=misconception,
        at=queries[-1] if queries else None,
    )
    wrong = next((pair for pair in zip(lines, wanted, strict=False) if pair[0] != pair[1]), ("more lines", "no more"))
    expect(
        lines == wanted,
        expected=f"{expected} They come in the order of their ids, once each.",
        happened=f"Where {short(wrong[1], 60)} was due, there came {short(wrong[0], 60)}.",
    )


def _broke_off(client: Client, lines: list[str]) -> str:
    if not client.status:
        return "It hung up without an answer"
    if client.status != 200:
        return f"It answered {client.status}"
    return f"It answered 200, and after {len(lines)} lines the answer broke off"


async def _expect_all_back(lab: Lab, size: int, after: str, misconception: str = "never-returned") -> None:
    """Fail the check unless all connections are in the pool when the app has done what it can do.

    Args:
        misconception: the mistake when one is out.
    """
    state = await _settled(lab, size)
    out = lab.held()
    expect(
        state.free == state.total == size,
        expected=f"After all is done, all {size} connections are free again.",
        happened=f"After {after}, {state.free} of {state.total} are free{_borrower(lab, first(out))}.",
        misconception=misconception if out else None,
        at=first(out),
    )


def _expect_none_opened(lab: Lab, mark: int) -> None:
    changes = lab.ledger.of("open", "close", "lost", since=mark)
    opened = [event for event in changes if event.kind == "open"]
    expect(
        not changes,
        expected="The app uses the connections that startup opened, and leaves them open.",
        happened=f"Since startup {len(opened)} were opened and {len(changes) - len(opened)} closed.",
        misconception="own-connection" if opened else None,
        at=first(changes),
    )


# --- finding out ---


async def _settled(lab: Lab, size: int) -> PoolState:
    """Return the pool's state once all is free, or when it is clear that it will not be."""
    if not await lab.until(lambda ledger: ledger.state.free == ledger.state.total == size, within=LATEST_RETURN / 4):
        await _at_rest(lab)  # what is out after so long is told, at rest or not
    return lab.pool


def _borrower(lab: Lab, borrow: Event | None) -> str:
    """Tell which connection is out, and for whom it was borrowed."""
    if borrow is None:
        return ""
    asked = first([event for event in lab.ledger.of("request") if event.request == borrow.request])
    whom = f" for {asked.detail}" if asked else ""
    where = f" at {borrow.where}" if borrow.where else ""
    return f": connection {borrow.connection}, borrowed{whom}{where}, did not come back"


def _knew_the_clerks(lab: Lab, mark: int) -> bool:
    """Whether the app asked for the clerks before it was ready, and not since `mark`."""
    ready = first(lab.ledger.of("ready"))
    before = [event for event in _naming("clerks", lab.ledger, 0) if ready and event.seq < ready.seq]
    return bool(before) and not _naming("clerks", lab.ledger, mark)


def _served(lab: Lab, borrow: Event, value: object) -> bool:
    """Whether a connection that is out has run the first statement that had this value in it."""
    asked = [event for event in lab.ledger.of("statement") if value in event.params]
    return bool(asked) and asked[0].connection == borrow.connection and asked[0].seq > borrow.seq


def _naming(table: str, ledger: Ledger, mark: int) -> list[Event]:
    """Return the statements since `mark` that name a table."""
    return [event for event in ledger.of("statement", since=mark) if table in event.detail.casefold()]


def _says(answer: Answer, **values: object) -> bool:
    body = answer.json()
    return isinstance(body, dict) and {name: body.get(name) for name in values} == values


def _answered(lab: Lab, answer: Answer) -> str:
    error = lab.request_error(answer.request)
    if error:
        return f"It answered {answer.status}: the app raised {error}."
    return f"It answered {answer.status} with {told(answer)}".rstrip(",") + "."
