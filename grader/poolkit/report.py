"""What a graded run says: the one thing that every output format renders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from poolkit.events import Event, Location


class Status(StrEnum):
    """How a check, or a run, came out."""

    PASS = "pass"
    FAIL = "fail"
    NOT_REACHED = "not_reached"
    """A check that it needs failed, or the run ended before it."""
    ERROR = "error"
    """The submission never ran: a syntax error, an exception at import, no app."""
    TAMPERING = "tampering"
    """The protocol between lab and judge was broken; for a person to look at."""
    GRADER_FAULT = "grader_fault"
    """The grader failed; costs no points."""


@dataclass(frozen=True, slots=True)
class AppError:
    """An exception of the learner's app: its type, its message and their line, where there is one."""

    type: str
    message: str
    where: Location | None = None

    def __str__(self) -> str:
        text = f"{self.type}: {self.message}" if self.type and self.message else self.type or self.message
        return f"{text} ({self.where})" if self.where else text


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One check's outcome.

    `expected` and `happened` are a sentence each, `why` says what the fault does in production. `ledger` holds
    the rows around the deciding moment, `deciding` the number (`seq`) of the deciding row. `borrowed_at` are
    the learner's lines where connections that are still out were borrowed. `output` is what their code printed.
    `lesson` is the anchor of a heading of the exercise's lesson.md, `quiz` the id of a question; "" stands for none.
    """

    id: str
    title: str
    status: Status
    points: int
    max_points: int
    expected: str = ""
    happened: str = ""
    why: str = ""
    misconception: str | None = None
    ledger: tuple[Event, ...] = ()
    deciding: int | None = None
    borrowed_at: tuple[Location, ...] = ()
    error: AppError | None = None
    output: str = ""
    needs: tuple[str, ...] = ()
    lesson: str = ""
    quiz: str = ""
    duration_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it earned its points."""
        return self.status is Status.PASS


@dataclass(frozen=True, slots=True)
class Assurance:
    """Which layers of the sandbox held in every lab of the run, and which did not."""

    layers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """`full`, `partial`, or `none`."""
        if not self.layers:
            return "none"
        return "partial" if self.missing else "full"


@dataclass(frozen=True, slots=True)
class Report:
    """One exercise's outcome.

    `path` is the learner's file as they would name it, `seed` the one that a repeat takes, `duration_s` the wall
    time in seconds. `error` says why a submission never ran, `fault` what went wrong with the grader.
    """

    exercise: str
    title: str
    path: str
    seed: int
    checks: tuple[CheckReport, ...]
    assurance: Assurance
    duration_s: float
    error: AppError | None = None
    fault: str | None = None
    output: str = ""

    @property
    def status(self) -> Status:
        """The whole run's status: the gravest of what happened."""
        found = {check.status for check in self.checks}
        if self.fault or Status.GRADER_FAULT in found:
            return Status.GRADER_FAULT
        if self.error:
            return Status.ERROR
        if found <= {Status.NOT_REACHED}:
            # Nothing was judged, and nothing of the learner's is to blame for that.
            return Status.GRADER_FAULT
        if Status.TAMPERING in found:
            return Status.TAMPERING
        return Status.PASS if found == {Status.PASS} else Status.FAIL

    @property
    def grader_fault(self) -> str | None:
        """What went wrong with the grader, if anything did."""
        if self.status is not Status.GRADER_FAULT:
            return None
        return self.fault or "no check could be judged"

    @property
    def points(self) -> int:
        """What was earned."""
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> int:
        """What could be earned; checks that the grader itself could not judge do not count."""
        return sum(check.max_points for check in self.checks if check.status is not Status.GRADER_FAULT)

    @property
    def first_failure(self) -> CheckReport | None:
        """The first check that was judged and did not pass."""
        return next((check for check in self.checks if check.status not in (Status.PASS, Status.NOT_REACHED)), None)


def exit_code(reports: Sequence[Report]) -> int:
    """Return a command's exit code: 0 all passed, 1 something to fix, 3 the grader failed."""
    found = {report.status for report in reports}
    if Status.GRADER_FAULT in found:
        return 3
    return 0 if found <= {Status.PASS} else 1
