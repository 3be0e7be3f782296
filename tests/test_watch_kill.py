"""`poolkit watch` is killed at random moments: nothing that was told is lost, and nothing is left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Poolkit
from watching import children, environment, folder_of, runs

from poolkit.course import Course
from poolkit.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SHORT = 0.5
"""Seconds; about when the first verdict comes on a quiet machine."""


@pytest.fixture
def made(tmp_path: Path, poolkit: Poolkit) -> Path:
    """A fresh workspace, to be copied."""
    assert poolkit("init", "made").returncode == 0
    return tmp_path / "made"


def killed(made: Path, here: Path, right: str, wait: float) -> bool:
    """Kill a session after some seconds of saves; check what it left, and tell whether it had shown a pass."""
    practice, temporary = here / "practice", here / "tmp"
    shutil.copytree(made, practice)
    temporary.mkdir()
    app = folder_of(practice) / "app.py"
    with subprocess.Popen(
        [sys.executable, "-m", "poolkit", "watch", "1"],
        cwd=practice,
        env=environment(TMPDIR=str(temporary), XDG_DATA_HOME=str(here / "data")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        app.write_text(right)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            started = children(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        shown, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, shown
    end = time.monotonic() + 30
    while any(runs(pid) for pid in started) or any(temporary.iterdir()):
        assert time.monotonic() < end, f"left: {started}, {list(temporary.iterdir())}"
        time.sleep(0.01)  # no event tells of the end of another's child
    passed = Workspace(practice).has_passed("exercise-1")
    told = "\nPassed." in shown
    assert passed or not told
    kept = practice / ".poolkit" / "passed" / "exercise-1" / "app.py"
    assert not told or kept.read_text() == right
    return told


def many(made: Path, tmp_path: Path, right: str, times: int, longest: float) -> int:
    """Kill so many sessions at moments drawn from a seed; return how many had shown a pass."""
    moments = random.Random(times)
    told = 0
    for number in range(times):
        here = tmp_path / str(number)
        here.mkdir()
        told += killed(made, here, right, moments.uniform(0, longest))
        shutil.rmtree(here)
    return told


def long_enough(made: Path, tmp_path: Path, right: str) -> float:
    """Return seconds after which a killed session had told its pass, on this machine as it is."""
    here, wait, told = tmp_path / "late", SHORT, False
    while not told:
        wait *= 2
        assert wait < 60
        here.mkdir()
        told = killed(made, here, right, wait)
        shutil.rmtree(here)
    return wait


def test_a_killed_watch_loses_no_pass_and_leaves_nothing(made: Path, tmp_path: Path, course: Course) -> None:
    """Five times, and once after the verdict, so that a pass was told at least once."""
    right = course.exercise("1").reference.read_text(encoding="utf-8")
    many(made, tmp_path, right, 5, long_enough(made, tmp_path, right))


@pytest.mark.slow
def test_a_watch_killed_two_hundred_times(made: Path, tmp_path: Path, course: Course) -> None:
    """The same at 200 moments, some of which are after a pass was told."""
    right = course.exercise("1").reference.read_text(encoding="utf-8")
    assert many(made, tmp_path, right, 200, 1.5 * long_enough(made, tmp_path, right)) > 0
