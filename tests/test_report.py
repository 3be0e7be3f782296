"""`poolkit.report`: what a run's outcome is, from what its checks were, and what it costs whom."""

from __future__ import annotations

import itertools

import pytest

from poolkit.events import Location
from poolkit.report import AppError, Assurance, CheckReport, Report, Status, exit_code


def report(*statuses: Status, error: AppError | None = None, fault: str | None = None) -> Report:
    checks = tuple(
        CheckReport(f"check-{number}", "A check", status, 2 if status is Status.PASS else 0, 2)
        for number, status in enumerate(statuses, 1)
    )
    return Report("exercise-1", "First", "app.py", 7, checks, Assurance(), 0.5, error, fault)


ERROR = AppError("SyntaxError", "invalid syntax", Location("app.py", 3))


@pytest.mark.parametrize(
    ("made", "status", "code"),
    [
        (report(Status.PASS, Status.PASS), Status.PASS, 0),
        (report(Status.PASS, Status.FAIL), Status.FAIL, 1),
        (report(Status.PASS, Status.NOT_REACHED), Status.FAIL, 1),
        (report(Status.PASS, Status.TAMPERING, Status.FAIL), Status.TAMPERING, 1),
        (report(Status.NOT_REACHED, error=ERROR), Status.ERROR, 1),
        (report(Status.TAMPERING, error=ERROR), Status.ERROR, 1),
        (report(Status.PASS, Status.GRADER_FAULT), Status.GRADER_FAULT, 3),
        (report(Status.FAIL, Status.GRADER_FAULT), Status.GRADER_FAULT, 3),
        (report(Status.PASS, fault="the suite broke"), Status.GRADER_FAULT, 3),
        (report(Status.NOT_REACHED, error=ERROR, fault="out of disk"), Status.GRADER_FAULT, 3),
        (report(), Status.GRADER_FAULT, 3),  # nothing was judged
    ],
)
def test_the_gravest_decides(made: Report, status: Status, code: int) -> None:
    """Only a run in which every check passed has passed, and a fault of the grader's is never a learner's failure."""
    assert made.status is status
    assert exit_code([made]) == code


def test_the_gravest_of_several_runs_decides() -> None:
    """0 when all passed, 1 when one did not, 3 when the grader failed in one."""
    runs = {0: report(Status.PASS), 1: report(Status.FAIL), 3: report(Status.GRADER_FAULT)}
    for chosen in itertools.product(runs, repeat=3):
        assert exit_code([runs[code] for code in chosen]) == max(chosen)
    assert exit_code([]) == 0


def test_what_the_grader_could_not_judge_costs_nothing() -> None:
    """Its points count in neither sum; those of a check that was not reached count as not earned."""
    made = report(Status.PASS, Status.GRADER_FAULT, Status.FAIL, Status.NOT_REACHED)
    assert (made.points, made.max_points) == (2, 6)


def test_the_first_failure_is_a_cause() -> None:
    """Never a check that was not reached, which is only a consequence."""
    made = report(Status.PASS, Status.NOT_REACHED, Status.TAMPERING, Status.FAIL)
    assert made.first_failure is made.checks[2]
    assert report(Status.PASS, Status.NOT_REACHED).first_failure is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ERROR, "SyntaxError: invalid syntax (app.py:3)"),
        (AppError("KeyError", "'id'"), "KeyError: 'id'"),
        (AppError("TimeoutError", ""), "TimeoutError"),
        (AppError("", "app.py has no app", Location("app.py", 1)), "app.py has no app (app.py:1)"),
    ],
)
def test_an_error_says_what_and_where(error: AppError, text: str) -> None:
    """As Python does, with the learner's line; nothing stands for what is missing."""
    assert str(error) == text


@pytest.mark.parametrize(
    ("assurance", "level"),
    [
        (Assurance(), "none"),
        (Assurance(missing=("files",)), "none"),
        (Assurance(("session",), ("files",)), "partial"),
        (Assurance(("session", "files")), "full"),
    ],
)
def test_the_assurance_has_a_level(assurance: Assurance, level: str) -> None:
    """Full only when no layer is missing."""
    assert assurance.level == level
