"""The course's own proof: stubs fail, right solutions earn everything, wrong ones fail what they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poolkit.course import Course, find_course
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate
from poolkit.report import Report, Status

COURSE = find_course()
RIGHT = [
    (name, path)
    for name in COURSE.ids
    for path in [
        COURSE.exercise(name).reference,
        *sorted((COURSE.root / "solutions" / name / "right").glob("*.py")),
    ]
]
WRONG = [
    (name, path) for name in COURSE.ids for path in sorted((COURSE.root / "solutions" / name / "wrong").glob("*.py"))
]


def _id(value: object) -> str:
    return value.stem if isinstance(value, Path) else str(value)


def _grade(course: Course, host: Host, name: str, path: Path) -> Report:
    exercise = course.exercise(name)
    return grade(host, exercise, locate(path, exercise.file_name), seed=7)


def _told(report: Report) -> str:
    lines = [f"{report.status} {report.error} {report.fault}", *report.output.splitlines()[-5:]]
    return "\n".join(lines + [f"{c.id}: {c.status} {c.happened} [{c.misconception}]" for c in report.checks])


def header(path: Path) -> dict[str, str]:
    """Return the `# name: value` lines at the head of a solution."""
    found = re.match(r"(?:# [a-z ]+: .*\n)*", path.read_text(encoding="utf-8"))
    assert found
    return dict(line[2:].split(": ", 1) for line in found.group().splitlines())


@pytest.mark.parametrize("name", COURSE.ids)
def test_a_stub_is_imported_runs_and_fails(course: Course, host: Host, name: str) -> None:
    """A stub has a TODO, never errs, and fails a check that was judged."""
    stub = course.exercise(name).stub
    report = _grade(course, host, name, stub)
    assert "TODO" in stub.read_text(encoding="utf-8")
    assert report.status is Status.FAIL, _told(report)
    assert report.first_failure, _told(report)


@pytest.mark.parametrize(("name", "path"), RIGHT, ids=_id)
def test_a_right_solution_earns_full_marks(course: Course, host: Host, name: str, path: Path) -> None:
    """The reference and every other right way pass every check."""
    report = _grade(course, host, name, path)
    assert report.status is Status.PASS, _told(report)
    assert report.points == report.max_points > 0


@pytest.mark.parametrize(("name", "path"), WRONG, ids=_id)
def test_a_wrong_solution_fails_the_check_it_names(course: Course, host: Host, name: str, path: Path) -> None:
    """A wrong solution runs, fails the check in its header, and that check names the header's misconception."""
    report = _grade(course, host, name, path)
    named = header(path)
    assert report.status is Status.FAIL, _told(report)
    caught = {check.id: check for check in report.checks if check.status is Status.FAIL}
    assert named["caught by"] in caught, _told(report)
    assert caught[named["caught by"]].misconception == named["misconception"], _told(report)


@pytest.mark.parametrize("name", COURSE.ids)
def test_an_exercise_is_complete(course: Course, name: str) -> None:
    """Titles agree, hints climb a ladder, each misconception of a wrong solution is explained."""
    exercise = course.exercise(name)
    entry = next(entry for entry in course.about.exercises if entry.id == name)
    assert entry.title == exercise.title
    assert all(hint.strip() for hint in exercise.about.hints)
    wrong = [path for other, path in WRONG if other == name]
    right = [path for other, path in RIGHT if other == name]
    assert len(wrong) >= 6
    assert len(right) >= 5
    assert {header(path)["misconception"] for path in wrong} <= exercise.about.misconceptions.keys()
    assert all("right" in header(path) for path in right[1:])
    assert (exercise.folder / "README.md").read_text(encoding="utf-8").startswith("# Exercise ")
