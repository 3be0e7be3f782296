"""`poolkit.progress`: what a learner has passed is never lost and never unreadable."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Poolkit

from poolkit.errors import WorkspaceFault
from poolkit.progress import Progress
from poolkit.report import Assurance, CheckReport, Report, Status

ROOT = Path(__file__).resolve().parents[1]
NOON = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    """The progress of a new workspace."""
    return Progress(tmp_path / ".poolkit")


def report(*statuses: Status, exercise: str = "exercise-1", misconception: str = "never-returned") -> Report:
    """A report with a check of each status, two points each."""
    checks = tuple(
        CheckReport(
            f"check-{number}",
            "Title",
            status,
            2 if status is Status.PASS else 0,
            2,
            misconception=misconception if status is Status.FAIL else None,
        )
        for number, status in enumerate(statuses, 1)
    )
    return Report(exercise, "Title", "practice/exercises/exercise-1/app.py", 1, checks, Assurance(), 0.5)


PASSED = report(Status.PASS, Status.PASS)
FAILED = report(Status.PASS, Status.FAIL)


# --- what is remembered ---


def test_a_pass_is_remembered_with_its_file(progress: Progress) -> None:
    """The date is that of the first pass, the points are the best, the file is the one that passed last."""
    progress.note(FAILED, b"zero", NOON)
    assert progress.read().passed == {}
    progress.note(PASSED, "one", NOON)
    progress.note(PASSED, b"two", LATER)
    progress.note(FAILED, b"three", LATER)
    state = Progress(progress.folder).read()
    assert (state.passed["exercise-1"].points, state.passed["exercise-1"].at) == (4, NOON)
    last = state.last["exercise-1"]
    assert (last.status, last.points, last.max_points, last.best, last.at) == (Status.FAIL, 2, 4, 4, LATER)
    assert (last.check, last.misconception) == ("check-2", "never-returned")
    assert progress.passing("exercise-1", "app.py").read_bytes() == b"two"


def test_a_pass_whose_file_nobody_knows_keeps_the_older_file(progress: Progress) -> None:
    """The learner saved during the check: the pass counts, and no other version is taken for the one that passed."""
    progress.note(PASSED, b"one", NOON)
    progress.note(replace(PASSED, exercise="exercise-2"), None, NOON)
    assert set(progress.read().passed) == {"exercise-1", "exercise-2"}
    assert not progress.passing("exercise-2", "app.py").exists()


def test_a_fault_of_the_grader_is_not_remembered(progress: Progress) -> None:
    """It is not the learner's, and says nothing of their file."""
    progress.note(FAILED, None, NOON)
    progress.note(replace(FAILED, fault="the machine was too slow"), None, LATER)
    assert progress.read().last["exercise-1"].at == NOON


def test_hints_are_counted_as_long_as_checks_find_the_same(progress: Progress) -> None:
    """Another failure, or a pass, begins anew."""
    progress.note_hint("exercise-1", 1)
    assert progress.read().last == {}
    progress.note(FAILED, None, NOON)
    progress.note_hint("exercise-1", 2)
    progress.note(FAILED, None, LATER)
    assert progress.read().last["exercise-1"].hints == 2
    progress.note(report(Status.PASS, Status.FAIL, misconception="leaves-early"), None, LATER)
    assert progress.read().last["exercise-1"].hints == 0


def test_version_1_is_read_and_kept(progress: Progress) -> None:
    """Progress from before this version is as good, and becomes the new version with the next check."""
    progress.folder.mkdir()
    old = {"poolkit_progress": 1, "passed": {"exercise-2": {"points": 6, "at": "2026-11-22T12:00:05+00:00"}}}
    progress.path.write_text(json.dumps(old))
    assert progress.mend(LATER) == ""
    progress.note(PASSED, None, LATER)
    state = progress.read()
    assert state.poolkit_progress == 2
    assert (state.passed["exercise-2"].points, state.passed["exercise-2"].at) == (6, NOON)
    assert set(state.passed) == {"exercise-1", "exercise-2"}


def test_a_newer_version_is_left_alone(progress: Progress) -> None:
    """It is neither read wrongly nor moved away: a newer poolkit may still need it."""
    progress.folder.mkdir()
    progress.path.write_text('{"poolkit_progress": 3, "passed": [], "more": 1}')
    for attempt in (progress.read, lambda: progress.mend(NOON), lambda: progress.note(PASSED, None, NOON)):
        with pytest.raises(WorkspaceFault, match="of version 3, and this poolkit knows 2; install a newer poolkit"):
            attempt()
    assert "more" in progress.path.read_text()


def test_ids_follow_the_course(progress: Progress) -> None:
    """With everything that is kept; once more changes nothing, and what is there already is not overwritten."""
    progress.note(PASSED, b"one", NOON)
    progress.note(FAILED, None, LATER)
    for _ in range(2):
        progress.rename("exercise-1", "borrow")
        state = progress.read()
        assert (set(state.passed), set(state.last)) == ({"borrow"}, {"borrow"})
        assert progress.passing("borrow", "app.py").read_bytes() == b"one"
    progress.note(PASSED, b"new", LATER)
    progress.rename("exercise-1", "borrow")
    assert progress.read().passed["borrow"].at == NOON
    assert progress.passing("borrow", "app.py").read_bytes() == b"one"


# --- what cannot be read, or not be written ---

BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"poolkit_progress": 2, "passed": []}',
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b'"\x1b[31m\n',
    b'{"poolkit_progress": 2, "surprise": 1}',
    b"0" * (2 << 20),
]


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: str(content[:40]))
def test_what_cannot_be_read_is_moved_aside_and_found_again(progress: Progress, content: bytes) -> None:
    """One line says where it went; the passes come from the files that passed."""
    progress.note(PASSED, b"one", NOON)
    progress.path.write_bytes(content)
    with pytest.raises(WorkspaceFault, match=r"progress\.json: "):
        progress.read()
    told = progress.mend(LATER)
    assert told.isprintable()
    assert "it is kept as progress-unreadable-2026-12-01T00-00-00.json, and 1 passed exercise found again" in told
    assert (progress.folder / "progress-unreadable-2026-12-01T00-00-00.json").read_bytes() == content
    assert set(progress.read().passed) == {"exercise-1"}
    assert progress.mend(LATER) == ""


def test_a_check_mends_too_and_loses_neither_copy(progress: Progress) -> None:
    """A pass is remembered although the file broke meanwhile; a second file that is moved aside takes another name."""
    for number in (1, 2):
        progress.folder.mkdir(exist_ok=True)
        progress.path.write_text(f"broken {number}")
        assert "could not be read" in progress.note(PASSED, None, NOON)
    assert set(progress.read().passed) == {"exercise-1"}
    aside = sorted(path.read_text() for path in progress.folder.glob("progress-unreadable-*.json"))
    assert aside == ["broken 1", "broken 2"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("broken", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_progress_survives_a_write_that_fails(
    progress: Progress, monkeypatch: pytest.MonkeyPatch, step: str, broken: BaseException
) -> None:
    """Whatever the moment, the old progress is there, whole, no litter beside it, and a full disk is one line."""
    progress.note(PASSED, b"one", NOON)
    before = sorted(progress.folder.rglob("*"))

    def crash(*_: object) -> None:
        raise broken

    with monkeypatch.context() as context:
        context.setattr(os, step, crash)
        with pytest.raises((WorkspaceFault, KeyboardInterrupt)) as caught:
            progress.note(report(Status.PASS, exercise="exercise-2"), None, LATER)
    if isinstance(broken, OSError):
        assert str(caught.value).endswith("cannot be written (No space left on device); what you did is not remembered")
    assert set(progress.read().passed) == {"exercise-1"}
    assert sorted(progress.folder.rglob("*")) == before


# --- two processes, and kills ---


def test_two_at_once_lose_nothing(progress: Progress) -> None:
    """Each reads, changes and writes while nobody else does."""
    start = threading.Barrier(4)

    def work(worker: int) -> None:
        mine = Progress(progress.folder)
        start.wait()
        for number in range(10):
            mine.note(report(Status.PASS, exercise=f"exercise-{worker}-{number}"), b"x", NOON)

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(progress.read().passed) == 40


# Forks a writer that is killed at a random moment, over and over; prints the passes that the writers told of.
KILLED = """
import os, random, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
from poolkit.progress import Progress
from poolkit.report import Assurance, CheckReport, Report, Status

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(int(sys.argv[3]))
for turn in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for number in range(100_000):
            name = f"e{turn}-{number}"
            check = CheckReport("a", "A", Status.PASS, 1, 1)
            passed = Report(name, "T", "app.py", 1, (check,), Assurance(), 0.1)
            Progress(folder).note(passed, b"x" * 5000, datetime.now(UTC))
            os.write(writing, f"{name}\\n".encode())
    os.close(writing)
    os.read(reading, 1)  # the first one is written
    time.sleep(chance.random() * 0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    told = b"e"
    while more := os.read(reading, 65536):
        told += more
    os.close(reading)
    names = told.decode().split()
    state = Progress(folder).read()
    lost = [name for name in names if name not in state.passed]
    kept = [name for name in names if not Progress(folder).passing(name, "app.py").exists()]
    if lost or kept:
        sys.exit(f"turn {turn}: lost {lost or kept}")
print(len(state.passed))
"""


def test_kills_lose_no_pass(progress: Progress) -> None:
    """20 processes that do nothing but note passes are killed: all that they told of is there, and can be read."""
    seed = str(random.randrange(1_000_000))
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(progress.folder), "20", seed],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, f"seed {seed}: {ran.stdout}{ran.stderr}"
    assert int(ran.stdout) >= 20
    assert progress.mend(NOON) == ""
    progress.note(PASSED, b"one", NOON)
    assert [path for path in progress.folder.iterdir() if "poolkit-" in path.name] == []


@pytest.mark.slow
def test_kills_of_check_lose_no_pass(tmp_path: Path, poolkit: Poolkit) -> None:
    """`check` is killed 200 times at random moments; progress stays readable, and a pass that was printed is there."""
    assert poolkit("init", "practice").returncode == 0
    practice = tmp_path / "practice"
    progress = Progress(practice / ".poolkit")
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    temporary = tmp_path / "t"
    temporary.mkdir()
    ended = told = 0
    takes = 1.0  # seconds, measured on this machine as it is: some of the runs are not killed
    for turn in range(200):
        begun, limit = time.monotonic(), chance.random() * 1.5 * takes if turn % 20 else None
        exercise = f"exercise-{1 + turn % 3}"
        source = ROOT / "solutions" / exercise / "app.py"
        shutil.copyfile(source, practice / "exercises" / exercise / "app.py")
        with subprocess.Popen(
            [sys.executable, "-m", "poolkit", "check", exercise],
            cwd=practice,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as run:
            try:
                # The moment of the kill is what the test chooses.
                output, _ = run.communicate(timeout=limit)
                ended += 1
                takes = time.monotonic() - begun
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                output, _ = run.communicate()
        state = progress.read()
        if "Well done" in output:
            told += 1
            assert exercise in state.passed, f"seed {seed}, turn {turn}"
        for name in state.passed:
            kept = progress.passing(name, "app.py")
            assert kept.read_bytes() == (ROOT / "solutions" / name / "app.py").read_bytes(), f"seed {seed}, turn {turn}"
    assert told, f"no run came to its end in time: seed {seed}"
    assert ended < 200, f"no run was killed: seed {seed}"
    deadline = time.monotonic() + 10
    while (left := list(temporary.iterdir())) and time.monotonic() < deadline:
        os.sched_yield()
    assert left == []
