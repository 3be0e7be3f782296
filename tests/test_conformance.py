"""Pools that the exercises did not have in mind, judged by their checks; docs/conformance.md says what came out.

`aiosqlitepool` is nobody's here: what our checks say of it must be true. The kit's own pool keeps everything.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from poolkit.course import Course
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate
from poolkit.report import Report

ADAPTERS = Path(__file__).with_name("conformance")
DOCUMENT = Path(__file__).parents[1] / "docs" / "conformance.md"
EXERCISES = ("exercise-12", "exercise-13", "exercise-15")


def judged(course: Course, host: Host, name: str, adapter: str) -> Report:
    """Run every check of an exercise on a pool, whatever fails before it."""
    exercise = course.exercise(name)
    report = grade(host, exercise, locate(ADAPTERS / f"{adapter}.py", exercise.file_name), seed=7, regardless=True)
    assert report.fault is None
    assert report.error is None
    return report


@pytest.mark.slow  # every check of three long exercises
@pytest.mark.parametrize("name", EXERCISES)
def test_the_kits_own_pool_keeps_everything(course: Course, host: Host, name: str) -> None:
    """All checks of all exercises that ask for a pool."""
    report = judged(course, host, name, "sqlite_pool")
    assert {check.id: check.happened for check in report.checks if not check.passed} == {}


@pytest.mark.slow  # every check of three long exercises
@pytest.mark.parametrize("name", EXERCISES)
def test_the_table_says_what_another_pool_keeps(course: Course, host: Host, name: str) -> None:
    """docs/conformance.md has a row for each check, with what the two pools do."""
    report = judged(course, host, name, "aiosqlitepool")
    rows = "".join(
        f"| `{check.id}` | {check.title} | yes | {'yes' if check.passed else '**no**'} |\n" for check in report.checks
    )
    assert rows in DOCUMENT.read_text(encoding="utf-8"), f"the table of {name} has to be:\n{rows}" + "\n".join(
        f"{check.id}: {check.happened}" for check in report.checks if not check.passed
    )
