"""A verdict is the same every time, also when the machine has other work to do."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from test_course import COURSE, SOLUTIONS, misfits

from poolkit.author.repeats import busy
from poolkit.course import Course
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate

REPEATS = int(os.environ.get("POOLKIT_REPEATS", "1"))


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Give every core two processes to choose from; others that run tests here beside this one count."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    missing = max(0, 2 * (os.cpu_count() or 1) - workers)
    share = missing // workers + (number < missing % workers)
    with busy(share):
        yield


@pytest.mark.slow  # grades every file of the course, on a machine that is busy with something else
@pytest.mark.usefixtures("busy_machine")
@pytest.mark.parametrize("seed", range(REPEATS))
@pytest.mark.parametrize("name", COURSE.ids)
def test_no_verdict_changes_under_load(course: Course, host: Host, name: str, seed: int) -> None:
    """In each of POOLKIT_REPEATS runs, each with a seed of its own, every file comes out as its header says."""
    exercise = course.exercise(name)
    changed: list[str] = []
    for solution in SOLUTIONS:
        if solution.exercise == name:
            report = grade(host, exercise, locate(solution.path, exercise.file_name), seed=seed)
            changed += (f"{solution.name}: {misfit}" for misfit in misfits(exercise, solution, report))
    assert changed == []
