"""The pytest plugin that runs a hidden suite and records each check's outcome."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from _pytest.outcomes import OutcomeException

from poolkit.course import Limits
from poolkit.errors import CourseFault
from poolkit.events import Event, Location
from poolkit.judge.birth import Spares
from poolkit.judge.checks import CheckFailed, CheckInfo, NeverRan
from poolkit.judge.explain import rows_around
from poolkit.judge.fixture import Lab
from poolkit.judge.halt import Halt
from poolkit.judge.host import Host
from poolkit.judge.ledger import MAX_EVENTS, LedgerFull
from poolkit.judge.pace import Pace
from poolkit.judge.process import LabPlan, LabProcess
from poolkit.judge.schedule import Schedule
from poolkit.judge.supply import LabSupply
from poolkit.report import AppError, Assurance, CheckReport, Status

PATIENCE = 5.0
"""Seconds that a check waits for anything that the app owes it, within the check's own limit."""
_LAST_WORDS = 1.0
"""Seconds within which a lab, once its check is decided, says how far its output goes."""


@dataclass
class _Outcome:
    """What is known of one check while the run goes on."""

    info: CheckInfo
    status: Status = Status.NOT_REACHED
    failure: CheckFailed | None = None
    process: LabProcess | None = None
    duration: float = 0.0
    events: tuple[Event, ...] = ()
    """The ledger as it was when the check was decided, before the judge ended the lab."""
    output: str = ""
    """What the learner's code had printed by then."""


_JUDGE = pytest.StashKey["JudgePlugin"]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Suites run on asyncio, in one event loop for the whole run."""
    return "asyncio"


@pytest.fixture(scope="session")
async def lab_schedule(request: pytest.FixtureRequest) -> AsyncIterator[Schedule]:
    """Runs the checks for as long as pytest asks for their results."""
    async with request.config.stash[_JUDGE].schedule() as schedule:
        yield schedule


@pytest.fixture
async def lab(lab_schedule: Schedule) -> Schedule:
    """What a check asks for; the check itself is called with a `Lab` by the schedule."""
    return lab_schedule


class JudgePlugin:
    """Runs one suite against one submission.

    Args:
        host: the warm process.
        plan: what the labs are made from.
        misconceptions: why each mistake hurts, by its id.
        seed: the run's seed.
        limits: seconds for one check and for all of them, and how many run at once.
        refused: what keeps the submission from being run at all; then no check is reached.
        regardless: run each check, also when one that it needs has failed.
        halt: what ends the run early.
        spares: labs that wait already.
        ahead: make labs before a check needs them.
    """

    def __init__(
        self,
        host: Host,
        plan: LabPlan,
        misconceptions: Mapping[str, str],
        *,
        seed: int,
        limits: Limits,
        refused: AppError | None = None,
        regardless: bool = False,
        halt: Halt | None = None,
        spares: Spares | None = None,
        ahead: bool = True,
    ) -> None:
        self.never_ran = refused
        self.fault: str | None = None
        self._host = host
        self._plan = plan
        self._misconceptions = misconceptions
        self._seed = seed
        self._limits = limits
        self._end = time.monotonic() + limits.exercise_s
        self._regardless = regardless
        self._halt = halt or Halt()
        self._spares = spares
        self._ahead = limits.at_once if ahead else 0
        self._deadlines: set[asyncio.Timeout] = set()
        self._outcomes: dict[str, _Outcome] = {}
        self._functions: dict[str, Callable[[Lab], Awaitable[None]]] = {}

    # --- results ---

    def reports(self) -> tuple[CheckReport, ...]:
        """Return every check's report, in the suite's order."""
        return tuple(self._report(outcome) for outcome in self._outcomes.values())

    def assurance(self, layers: tuple[str, ...]) -> Assurance:
        """Return which of the sandbox's `layers` held in every lab."""
        found = [set(lab.layers) for o in self._outcomes.values() if (lab := o.process) and lab.layers is not None]
        held = set.intersection(*found) if found else set()
        return Assurance(
            tuple(layer for layer in layers if layer in held),
            tuple(layer for layer in layers if layer not in held) if found else (),
        )

    def output(self) -> str:
        """Return what the learner's code printed in the first lab."""
        return next((o.output for o in self._outcomes.values() if o.process), "")

    def _report(self, outcome: _Outcome) -> CheckReport:
        info, failure = outcome.info, outcome.failure
        passed = outcome.status is Status.PASS
        events = outcome.events
        deciding = (failure.at or (events[-1] if events else None)) if failure else None
        misconception = failure.misconception if failure else None
        return CheckReport(
            id=info.id,
            title=info.title,
            status=outcome.status,
            points=info.points if passed else 0,
            max_points=info.points,
            expected=failure.expected if failure else "",
            happened=failure.happened if failure else "",
            why=self._misconceptions.get(misconception or "", ""),
            misconception=misconception,
            ledger=rows_around(events, deciding) if failure else (),
            deciding=deciding.seq if deciding else None,
            borrowed_at=_still_out(events[: deciding.seq]) if deciding else (),
            error=failure.error if failure else None,
            output="" if passed else outcome.output,
            needs=info.needs,
            lesson=info.lesson,
            quiz=info.quiz,
            duration_s=outcome.duration,
        )

    # --- running ---

    @asynccontextmanager
    async def schedule(self) -> AsyncIterator[Schedule]:
        """Run the checks, each with a lab of its own, until the block ends."""
        self._host.wait_until_warm()
        loop = asyncio.get_running_loop()
        self._host.attach(loop)
        self._halt.arm(lambda: loop.call_soon_threadsafe(self._end_now))
        supply = LabSupply(self._host, self._plan, len(self._outcomes), self._ahead, self._spares)
        schedule = Schedule(
            [replace(o.info, needs=()) if self._regardless else o.info for o in self._outcomes.values()],
            lambda info: self._run(self._outcomes[info.id], supply),
            at_once=self._limits.at_once,
        )
        with Pace(self._host.pid).of(loop):
            try:
                yield schedule
            finally:
                self._halt.disarm()
                await schedule.close()
                await supply.close()
                self._host.detach()

    def _end_now(self) -> None:
        """Begin no other check, and let the time of those that run be over."""
        self._end = 0.0
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(0.0)

    async def _run(self, outcome: _Outcome, supply: LabSupply) -> bool:
        """Judge one check in a fresh run of the learner's app, imported and not yet started."""
        limit = min(self._limits.check_s, self._end - time.monotonic())
        if self.never_ran or limit <= 0:
            return False
        process = outcome.process = await supply.take()
        lab = Lab(process, random.Random(f"{self._seed}/{outcome.info.id}"), PATIENCE)
        begin = time.monotonic()
        error: BaseException | None = None
        try:
            await self._within(limit, outcome, lab)
        except (Exception, OutcomeException) as found:  # whatever a check raises decides it, or is our own fault
            error = found
        finally:
            outcome.duration = time.monotonic() - begin
            outcome.events = process.ledger.events
            try:
                outcome.output = await lab.printed(_LAST_WORDS)
            finally:
                supply.retire(lab.close())
        if isinstance(error, NeverRan) and not (process.tampering or process.witness.tampering):
            self._never_ran(outcome, error)
        else:
            self._judge(outcome, error)
        return outcome.status is Status.PASS

    async def _within(self, limit: float, outcome: _Outcome, lab: Lab) -> None:
        await lab.shut_in()  # of the learner's time nothing is spent until then
        deadline = asyncio.timeout(limit)
        try:
            async with deadline:
                self._deadlines.add(deadline)
                if self._halt.called:  # while the lab was made
                    deadline.reschedule(0.0)
                await lab.imported()
                await self._functions[outcome.info.id](lab)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise CheckFailed(
                "The app answers within the check's time limit.", f"After {limit:g} s the check was not done."
            ) from None
        finally:
            self._deadlines.discard(deadline)

    # --- hooks ---

    def pytest_configure(self, config: pytest.Config) -> None:
        """Let the fixtures of this module find this run."""
        config.stash[_JUDGE] = self

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take in the suite's checks, and let pytest ask the schedule for each."""
        for item in items:
            assert isinstance(item, pytest.Function)
            info = getattr(item.obj, "check", None)
            if not isinstance(info, CheckInfo) or list(inspect.signature(item.obj).parameters) != ["lab"]:
                raise CourseFault(f"{item.path}: {item.name} is no check; give it @check(...) and `lab` to take")
            if info.id in self._outcomes:
                raise CourseFault(f"{item.path}: two checks are named {info.id!r}; rename one")
            if missing := [need for need in info.needs if need not in self._outcomes]:
                raise CourseFault(f"{item.path}: {info.id} needs {missing[0]!r}, which is no check above it")
            self._outcomes[info.id] = _Outcome(info)
            self._functions[info.id] = item.obj
            item.obj = self._asking(info.id, item.obj)

    def _asking(self, check_id: str, function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(function)
        async def ask(lab: Schedule) -> None:
            await lab.done(check_id)
            if self._outcomes[check_id].status is not Status.PASS:
                pytest.fail(self._outcomes[check_id].status, pytrace=False)

        return ask

    def pytest_runtest_setup(self) -> None:
        """Run nothing of a submission that cannot be run."""
        if self.never_ran:
            pytest.skip("not reached")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what fails around the checks, which is never the learner's doing."""
        if report.failed and (report.when != "call" or report.longreprtext not in set(Status)):
            self.fault = self.fault or f"the suite broke: {report.longreprtext.strip().splitlines()[-1][:300]}"

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        """Note a failure of pytest itself, or of a suite that breaks the rules above."""
        self.fault = self.fault or str(excinfo.value) or type(excinfo.value).__name__
        return True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a suite that cannot be collected."""
        if report.failed:
            self.fault = f"the suite could not be read: {report.longreprtext.strip().splitlines()[-1]}"

    def _never_ran(self, outcome: _Outcome, error: NeverRan) -> None:
        if all(other.status is Status.NOT_REACHED for other in self._outcomes.values()):
            self.never_ran = self.never_ran or error.error
            return
        outcome.status = Status.FAIL
        outcome.failure = CheckFailed(
            "The file is imported the same way each time.", f"This time it failed: {error.error}."
        )

    def _judge(self, outcome: _Outcome, error: BaseException | None) -> None:
        process = outcome.process
        if process and (broken := process.tampering + process.witness.tampering):
            outcome.status = Status.TAMPERING
            outcome.failure = CheckFailed("The lab and the judge keep to their protocol.", broken[0] + ".")
        elif process and (process.witness.flooded or isinstance(error, LedgerFull)):
            outcome.status = Status.FAIL
            outcome.failure = CheckFailed(
                "A request takes a handful of statements.",
                f"There were more than {MAX_EVENTS} events in one run.",
            )
        elif error is None:
            outcome.status = Status.PASS
        elif isinstance(error, CheckFailed):
            outcome.status, outcome.failure = Status.FAIL, error
        elif isinstance(error, (pytest.skip.Exception, pytest.xfail.Exception)):
            outcome.status = Status.NOT_REACHED
        else:
            outcome.status = Status.GRADER_FAULT
            self.fault = self.fault or (
                f"check {outcome.info.id} broke while it ran: {type(error).__name__}: {str(error)[:300]}"
            )


def _still_out(events: tuple[Event, ...]) -> tuple[Location, ...]:
    """Return the lines that borrowed what was not returned by the last of these events, each line once."""
    out: dict[int | None, Location | None] = {}
    for event in events:
        if event.kind == "borrow":
            out[event.connection] = event.where
        elif event.kind in ("return", "close", "lost"):
            out.pop(event.connection, None)
    return tuple(dict.fromkeys(where for where in out.values() if where is not None))
