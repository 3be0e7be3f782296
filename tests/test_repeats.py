"""A verdict is the same every time, also when the machine has other work to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from test_course import COURSE, SOLUTIONS

from poolkit.course import Course
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate

REPEATS = int(os.environ.get("POOLKIT_REPEATS", "2"))


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Keep every core busy with something else."""
    loads = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for load in loads:
        load.kill()
        load.wait()


@pytest.mark.slow  # grades every file of the course several times
@pytest.mark.usefixtures("busy_machine")
@pytest.mark.parametrize("name", COURSE.ids)
def test_no_verdict_changes_under_load(course: Course, host: Host, name: str) -> None:
    """Stub, right and wrong files come out the same in each of POOLKIT_REPEATS runs, whatever the seed."""
    exercise = course.exercise(name)
    paths = [solution.path for solution in SOLUTIONS if solution.exercise == name]
    seen: dict[str, set[tuple[object, ...]]] = {}
    for seed in range(REPEATS):
        for path in paths:
            report = grade(host, exercise, locate(path, exercise.file_name), seed=seed)
            verdict = tuple((check.id, check.status.value, check.misconception) for check in report.checks)
            seen.setdefault(str(path), set()).add((report.status.value, *verdict))
    assert {name: verdicts for name, verdicts in seen.items() if len(verdicts) > 1} == {}
