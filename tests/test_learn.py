"""`poolkit learn`: a lesson's parts in order or one alone, its tables from a run of that moment, and two hand-overs."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Poolkit

from poolkit.course import Course

Learning = Callable[..., subprocess.CompletedProcess[str]]

HEADINGS = ["Concept flow", "Sample", "Trace", "Variables", "Insights", "Snapshot", "Transcript"]


@pytest.fixture
def learning(tmp_path: Path, poolkit: Poolkit, course: Course) -> Learning:
    """Read exercise-1's lesson, changed first: `learning(old, new, ...)`."""

    def read(old: str, new: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        shutil.copytree(course.root / "exercises", tmp_path / "exercises")
        path = tmp_path / "exercises" / "exercise-1" / "lesson.md"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        return poolkit("learn", "1", "--course", str(tmp_path), *arguments)

    return read


def test_a_lesson_has_its_parts_in_order(poolkit: Poolkit) -> None:
    """The tables after the sample that they are of; at the end where to go on."""
    ran = poolkit("learn", "1")
    assert ran.returncode == 0
    lines = [line.strip() for line in ran.stdout.splitlines()]
    places = [lines.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    assert lines[0] == "Lesson: Startup fills the pool"
    assert "poolkit learn exercise-1 --mode quiz" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert "**" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("flow", "A request borrows one"),
        ("sample", "await database.connect()"),
        ("trace", "Request 1 arrives  1 of 2 free  borrowed 1"),
        ("variables", "free connections     0     2     1  1  2     1  1  2     0"),
        ("insights", "Why does reuse beat opening anew?"),
        ("snapshot", "Shutdown closes all of them."),
        ("transcript", "Ada: The app has started"),
    ],
)
def test_each_way_stands_alone(poolkit: Poolkit, mode: str, told: str) -> None:
    """Nothing of the others is printed with it."""
    ran = poolkit("learn", "exercise-1", "--mode", mode)
    assert ran.returncode == 0
    assert told in ran.stdout
    assert [line for line in ran.stdout.splitlines() if line.strip() in HEADINGS] == []


def test_the_tables_are_of_the_sample_as_it_is(learning: Learning) -> None:
    """They are recorded, not written: another sample has another table."""
    ran = learning("min_size=2", "min_size=3", "--mode", "trace")
    assert "3 of 3 free  opened 1 to 3" in ran.stdout


def test_a_table_of_many_steps_stands_upright(poolkit: Poolkit) -> None:
    """A column for each of nineteen steps would not fit into 80."""
    ran = poolkit("learn", "15", "--mode", "variables")
    assert "…" not in ran.stdout
    assert re.search(r"^ 19 +0 +none$", ran.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [(), ("--mode", "snapshot")])
def test_a_part_that_is_missing_is_said_kindly(learning: Learning, arguments: tuple[str, ...]) -> None:
    """And the rest of the lesson is there."""
    ran = learning("## Snapshot", "## Something else", *arguments)
    assert ran.returncode == 0
    assert "This lesson has no snapshot yet." in ran.stdout
    assert ("Ada: The app has started" in ran.stdout) == (not arguments)


def test_a_sample_that_is_missing_leaves_the_rest(learning: Learning) -> None:
    """There is nothing to record, and it says so."""
    ran = learning("```python", "```text")
    assert ran.returncode == 0
    assert ran.stdout.count("This lesson has no sample to run yet") == 2
    assert "Shutdown closes all of them." in ran.stdout


def test_a_sample_that_does_not_run_is_the_courses_fault(learning: Learning) -> None:
    """Exit code 3 when its table is asked for; in a whole lesson it is said in the table's place."""
    ran = learning("app = FastAPI()", "app = FastAPI(", "--mode", "trace")
    assert ran.returncode == 3
    assert "lesson.md: the sample did not run: SyntaxError" in ran.stderr


def test_a_lesson_cannot_drive_the_terminal(learning: Learning) -> None:
    """Escape sequences in a course of somebody's own are not passed on."""
    ran = learning("# Lesson: Startup", "# Lesson: \x1b]0;title\x07\x1b[31mStartup")
    assert "\x1b" not in ran.stdout
    assert "\x07" not in ran.stdout


@pytest.mark.parametrize(
    ("mode", "told"), [("quiz", "a quiz is taken in a terminal"), ("practice", "practice asks in")]
)
def test_quiz_and_practice_are_the_commands_themselves(poolkit: Poolkit, mode: str, told: str) -> None:
    """What they say is what these commands say."""
    ran = poolkit("learn", "1", "--mode", mode)
    assert ran.returncode == 2
    assert told in ran.stderr


def test_other_quizzes_of_an_exercise_are_named(poolkit: Poolkit) -> None:
    """The first one is taken."""
    assert "Afterwards: poolkit quiz take pool-lifecycle" in poolkit("learn", "3", "--mode", "quiz").stderr


def test_an_exercise_without_a_quiz_says_so(learning: Learning) -> None:
    """With what there is instead."""
    ran = learning("# Lesson", "# Lesson", "--mode", "quiz")
    assert ran.returncode == 2
    assert "exercise-1 has no quiz yet; `poolkit quiz list`" in ran.stderr


@pytest.mark.parametrize("no_color", [True, False])
def test_a_terminal_gets_pages(tmp_path: Path, no_color: bool) -> None:
    """More than fits goes through the pager, with headings that stand out, or plain with NO_COLOR."""
    pager = tmp_path / "less"  # which is known to show colours, when it is asked to by LESS
    pager.write_text('#!/bin/sh\necho "PAGED $LESS"\ncat\n')
    pager.chmod(0o755)
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LESS")}
    environment |= {"PAGER": str(pager), "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, "-m", "poolkit", "learn", "1", "--mode", "insights"],
        cwd=tmp_path,
        env=environment | ({"NO_COLOR": "1"} if no_color else {}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (more := os.read(ours, 1 << 16))
        except OSError:  # how Linux says that the other end is closed
            break
        if not more:  # and how macOS says it
            break
    os.close(ours)
    assert process.wait(60) == 0
    assert shown.startswith(b"PAGED")
    assert b"Why does reuse beat opening anew?" in shown
    assert (b"\x1b[" in shown) == (not no_color)
