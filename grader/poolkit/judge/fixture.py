"""What a suite holds in its hands: `lab`, one run of the learner's app with the judge all around it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from poolkit.errors import HostFault
from poolkit.events import Event, PoolState, Value
from poolkit.judge import pace
from poolkit.judge.checks import CheckFailed, NeverRan
from poolkit.judge.client import LabTransport
from poolkit.judge.controls import Faults, Gate, matching
from poolkit.judge.host import START_LIMIT
from poolkit.judge.ledger import Ledger
from poolkit.judge.process import LabProcess, app_error
from poolkit.judge.witness import location
from poolkit.report import AppError

MAX_BODY = 1 << 20
MAX_POOL = 1_000_000
"""The largest `min_size` that a lab is believed to have claimed in earnest."""
REQUEST_HEADER = "x-poolkit-request"


@dataclass(frozen=True)
class Answer:
    """One response: `request` is its number in the ledger, `body` its bytes, at most 1 MiB."""

    request: int
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401  (any JSON)
        """Return the body as JSON, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Lab:
    """One fresh process with the learner's app in it, not yet started.

    `ledger` is what happened so far; `random` a source that depends on the run's seed and on the check alone;
    `faults` makes the database fail.

    Args:
        process: the lab, launched.
        random: for names, numbers and orders that the learner cannot know.
        patience: seconds to wait for anything that the app owes an answer to.
    """

    def __init__(self, process: LabProcess, random: random.Random, patience: float) -> None:
        self.process = process
        self.random = random
        self.patience = patience
        self._transport: LabTransport | None = None
        self._numbers = itertools.count(1)
        self._workers: list[Lab] = []
        self._calls: set[asyncio.Task[Answer]] = set()

    @property
    def ledger(self) -> Ledger:
        """Everything that happened in this lab."""
        return self.process.ledger

    @property
    def faults(self) -> Faults:
        """Failures that the database is to have."""
        return self.process.faults

    @property
    def pool(self) -> PoolState:
        """The pool's state now."""
        return self.ledger.state

    @property
    def pool_size(self) -> int:
        """The `min_size` of all the pools that the app opened, added up; 0 when it opened none."""
        sizes = [claim.get("min_size") for claim in self.process.claims if claim["event"] == "pool"]
        return sum(size for size in sizes if isinstance(size, int) and 0 < size <= MAX_POOL)

    # --- the app's life ---

    async def shut_in(self) -> None:
        """Wait until the lab is ready for the learner's file; how long that takes is the machine's doing alone.

        Raises:
            HostFault: the lab did not get that far.
        """
        await self.process.until("shut_in", within=START_LIMIT)
        if self.process.layers is None:
            told = self.process.output.decode(errors="replace").strip().splitlines()[-1:]
            why = " ".join(told)[:300] if self.process.ended else f"not within {START_LIMIT:g} s; is the machine busy?"
            raise HostFault(f"a lab did not get as far as reading the learner's file: {why}")

    async def imported(self) -> None:
        """Wait until the learner's file is imported, which the lab does by itself.

        Raises:
            NeverRan: it could not be imported.
            HostFault: the lab did not get as far as the import.
        """
        await self.shut_in()
        in_time = await self.process.until("imported", "failed", within=self.patience)
        if self.process.claimed("imported"):
            return
        if failure := app_error(self.process.claimed("failed")):
            raise NeverRan(failure)
        if not in_time:
            at = location((self.process.claimed("importing") or {}).get("at"))
            where = "; it was at this line" if at else ""
            raise NeverRan(AppError("", f"importing the file did not finish within {self.patience:g} s{where}", at))
        how = next((event.detail for event in self.ledger.of("exited")), "no exit code")
        raise NeverRan(AppError("", f"the process ended while the file was being imported ({how})"))

    async def start(self, *, pool_size: int | None = None) -> None:
        """Start the app and wait until it is ready.

        Args:
            pool_size: replaces the `min_size` and `max_size` of every pool that the app opens.

        Raises:
            CheckFailed: the startup raised, the process ended, or nothing was ready in time.
        """
        self._begin(pool_size)
        if not await self.process.until_ready(self.patience, believe=True):
            expected = "The app starts: its startup code runs to the end."
            error = self.startup_error
            if error:
                raise CheckFailed(expected, f"The startup raised {error}.", error=error)
            raise CheckFailed(expected, self._why_no_answer("it was not ready"))

    async def try_start(self, *, pool_size: int | None = None) -> bool:
        """Start the app; tell whether it became ready, whatever it says of that itself."""
        self._begin(pool_size)
        return await self.process.until_ready(self.patience)

    def _begin(self, pool_size: int | None) -> None:
        self.ledger.record("startup")
        self.process.command("start", sizes=[pool_size, pool_size] if pool_size else None)

    @property
    def startup_error(self) -> AppError | None:
        """What the startup raised, as the lab tells it."""
        return next((app_error(c) for c in self._raised() if c.get("during") == "lifespan"), None)

    def request_error(self, request: int) -> AppError | None:
        """What the app raised while it served a request, as the lab tells it."""
        return next((app_error(c) for c in self._raised() if c.get("request") == request), None)

    def _raised(self) -> list[dict[str, Any]]:
        return [claim for claim in self.process.claims if claim["event"] == "raised"]

    async def stop(self) -> None:
        """Ask the app to shut down, and wait until its shutdown code has run.

        Raises:
            CheckFailed: it did not finish in time.
        """
        await self._hang_up()
        self.ledger.record("shutdown")
        self.process.command("stop")
        if not await self.process.until("stopped", within=self.patience):
            raise CheckFailed(
                "The app shuts down when it is asked to.", self._why_no_answer("its shutdown did not finish")
            )

    async def printed(self, within: float) -> str:
        """Return what the app has printed until now, its workers included; see `LabProcess.printed`."""
        for each in self._workers:
            await each.printed(within)
        return await self.process.printed(within)

    async def exits(self, within: float) -> bool:
        """Tell whether the app's process ends by itself within the seconds given."""
        return await self.process.until_ended(within)

    def interrupt(self) -> None:
        """Cancel the app's lifespan, as when a server is stopped the hard way; nothing waits for what it does."""
        self.process.command("interrupt")

    async def worker(self, **environment: str) -> Lab:
        """Return another process of the same app, imported and not yet started, on the same database.

        Its ledger, faults and gates are this lab's own, so that they count all workers together. Its clock is not:
        `advance` moves that of one process.

        Args:
            environment: the variables that the app finds.

        Raises:
            CheckFailed: the file could not be imported there.
        """
        worker = Lab(self.process.another(environment), self.random, self.patience)
        worker._numbers = self._numbers  # a request's number is unique in the ledger
        self._workers.append(worker)
        await worker.process.launch()
        try:
            await worker.imported()
        except NeverRan as failure:
            found = ", ".join(f"{name}={value}" for name, value in environment.items())
            raise CheckFailed(
                f"The file can be imported with {found}.", f"It failed: {failure.error}.", error=failure.error
            ) from None
        return worker

    def advance(self, seconds: float) -> None:
        """Move the lab's clock forward; by less than 0, let it stand still for so long."""
        self.process.command("advance", seconds=seconds)

    @asynccontextmanager
    async def in_step(self) -> AsyncIterator[None]:
        """Let the lab's clock lose until the block ends what the judge's own loses to other work on the machine.

        For what the app itself sets limits to; see `poolkit.judge.pace`.
        """
        loop = asyncio.get_running_loop()

        async def keep() -> None:
            lost = time.monotonic() - loop.time()
            while True:
                # By the loop's clock, so that it is told at each step, however slow that clock is.
                await asyncio.sleep(pace.STEP * pace.SLOWEST)
                now = time.monotonic() - loop.time()
                if now > lost:
                    self.advance(lost - now)
                lost = now

        keeping = loop.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait((keeping,))

    # --- requests ---

    async def get(self, path: str) -> Answer:
        """Send a GET and wait until the app has done everything for it; as `request`."""
        return await self.request("GET", path)

    async def request(self, method: str, path: str, *, body: object = None) -> Answer:
        """Send a request, and wait for its answer and for all the work that the app does for it.

        Args:
            body: sent as JSON where it is given.

        Raises:
            CheckFailed: there was no proper HTTP answer in time.
        """
        answer = await self._exchange(method, path, body)
        await self.until(
            lambda ledger: any(event.request == answer.request for event in ledger.of("done", "exited")),
        )
        return answer

    async def turn(self) -> None:
        """Make a round trip through the app that leaves no row in the ledger: what could run at once, has run then.

        It asks for a page that does not exist; see `request` for what it raises.
        """
        # Not of `random`: how often a check goes round may depend on the machine, what it draws may not.
        await self.peek(f"/nowhere-{secrets.token_hex(4)}")

    async def peek(self, path: str) -> Answer:
        """Send a GET that leaves no row in the ledger, for what the app tells of itself and learners need not read.

        The answer's `request` is 0. It waits for the answer only, not for work that the app does afterwards; what such
        a page does at the database shows all the same, as nobody's. See `request` for what it raises.
        """
        try:
            async with asyncio.timeout(self.patience):
                return await self._fetch(None, "GET", path, None)
        except TimeoutError:
            raise CheckFailed("The app answers.", self._why_no_answer("there was no answer")) from None
        except httpx.HTTPError as error:
            raise CheckFailed("The app answers.", self._broken_answer(error)) from None

    def send(self, method: str, path: str, *, body: object = None) -> asyncio.Task[Answer]:
        """Send a request without waiting for it; cancel the task to hang up on the app."""
        task = asyncio.get_running_loop().create_task(self.request(method, path, body=body))
        self._calls.add(task)
        task.add_done_callback(self._call_ended)
        return task

    def _call_ended(self, call: asyncio.Task[Answer]) -> None:
        self._calls.discard(call)
        self.ledger.wake()  # a condition may ask whether a call is done
        if not call.cancelled():
            call.exception()  # asked for, so that asyncio does not complain of one that no check waits for

    async def _exchange(self, method: str, path: str, body: object) -> Answer:
        number = next(self._numbers)
        call = f"{method} {path}"
        self.ledger.request(number, call)
        expected = f"The app answers {call}."
        status = None
        outcome = "hung up"
        try:
            async with asyncio.timeout(self.patience):
                answer = await self._fetch(number, method, path, body)
            status, outcome = answer.status, f"{answer.status}"
            return answer
        except TimeoutError:
            outcome = "no answer"
            raise CheckFailed(expected, self._why_no_answer("there was no answer")) from None
        except httpx.HTTPError as error:
            outcome = "no proper answer"
            raise CheckFailed(expected, self._broken_answer(error)) from None
        finally:
            self.ledger.answered(number, status=status, detail=outcome)

    async def _fetch(self, number: int | None, method: str, path: str, body: object) -> Answer:
        if self._transport is None:
            self._transport = LabTransport(self.process.http_path)
        headers = {"accept-encoding": "identity"} | ({} if number is None else {REQUEST_HEADER: str(number)})
        request = httpx.Request(method, f"http://lab{path}", json=body, headers=headers)
        response = await self._transport.handle_async_request(request)
        async with aclosing(response):
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MAX_BODY:
                    raise httpx.ReadError(f"the response is over {MAX_BODY >> 20} MiB")
            return Answer(number or 0, response.status_code, dict(response.headers), bytes(content))

    def _broken_answer(self, error: httpx.HTTPError) -> str:
        if self.process.ended:
            return self._why_no_answer("it ended")
        return f"What came back is no proper HTTP response: {str(error)[:200] or type(error).__name__}."

    def _why_no_answer(self, what: str) -> str:
        if self.process.ended:
            how = next((event.detail for event in self.ledger.of("exited")), "")
            return f"The app's process ended before that ({how})."
        return f"After {self.patience:g} s {what}."

    # --- waiting, holding, reading ---

    async def until(self, condition: Callable[[Ledger], bool], within: float | None = None) -> bool:
        """Wait until the ledger meets a condition; tell whether it did within the lab's patience."""
        limit = self.patience if within is None else within
        return await self.ledger.until(lambda ledger: condition(ledger) or self.process.ended, limit)

    @asynccontextmanager
    async def gate(self, pattern: str = "") -> AsyncIterator[Gate]:
        """Hold every statement that contains `pattern` at the database until the block ends."""
        async with self._gate(self.process.witness.gates, pattern) as gate:
            yield gate

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Gate]:
        """Hold every statement before it is in the ledger, until the block ends; then all of them come into it.

        What their tasks did before comes first in the ledger, and what follows from an answer comes after all of them.
        `until` looks again whenever one more is held.
        """
        async with self._gate(self.process.witness.lines, "") as gate:
            gate.on_wait = self.ledger.wake
            yield gate

    @asynccontextmanager
    async def _gate(self, gates: list[Gate], pattern: str) -> AsyncIterator[Gate]:
        gate = Gate(matching(pattern))
        gates.append(gate)
        try:
            async with gate:
                yield gate
        finally:
            gates.remove(gate)

    async def sql(self, statement: str, parameters: Iterable[Value] = ()) -> list[tuple[Value, ...]]:
        """Run a statement on the exercise's database, past the app; return its rows.

        Raises:
            CheckFailed: the app holds the database's lock, or has made something else of the database.
        """
        try:
            return await self.process.witness.files.fetch(statement, parameters)
        except (sqlite3.Error, MemoryError) as error:
            if "locked" not in str(error):
                raise CheckFailed(
                    "The database's tables stay as the exercise made them.",
                    f"A statement of the check's own failed: {str(error) or 'out of memory'}.",
                ) from None
            raise CheckFailed(
                "No transaction stays open when the app is idle.",
                "A transaction of the app's still holds the database's lock.",
                misconception="transaction-left-open",
            ) from None

    def held(self) -> list[Event]:
        """Return the borrow of each pooled connection that is out now, the oldest first."""
        last: dict[int, Event] = {}
        for event in self.ledger.of("borrow", "return", "close", "lost"):
            assert event.connection is not None
            last[event.connection] = event
        return [event for event in last.values() if event.kind == "borrow"]

    async def _hang_up(self) -> None:
        for call in list(self._calls):
            call.cancel()
        if self._calls:
            await asyncio.wait(list(self._calls))
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def close(self) -> None:
        """End the lab, whatever state it is in, and its workers."""
        for worker in self._workers:
            await worker.close()
        await self._hang_up()
        await self.process.dispose()
