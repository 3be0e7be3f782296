"""The parts of `poolkit watch`, and what it stands on in the judge: saves, keys, halting, labs that wait."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Poolkit
from watching import children, environment, folder_of

from poolkit.course import Course
from poolkit.errors import HostFault
from poolkit.judge.bench import Bench
from poolkit.judge.halt import Halt
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import Submission
from poolkit.report import Status
from poolkit.watch import keys, saves
from poolkit.watch.place import Place
from poolkit.workspace import Workspace, create


@pytest.fixture
def practice(tmp_path: Path, poolkit: Poolkit) -> Path:
    """A fresh workspace."""
    assert poolkit("init", "practice").returncode == 0
    return tmp_path / "practice"


# --- keys ---


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"n", ["n"]),
        (b"N", ["n"]),
        (b"12\r", ["1", "2", "enter"]),
        (b"\x7f\x04", ["backspace", "end"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[A\x1b[1;5C\x1bOP\x1b[200~q\x1b[201~", ["q"]),
        (b"\x1bn", []),
        ("é\N{SNOWMAN}".encode(), ["é", "\N{SNOWMAN}"]),
        (b"\xff\xc3", []),
    ],
)
def test_what_a_terminal_sends_becomes_keys(data: bytes, wanted: list[str]) -> None:
    """An arrow, an Alt with a letter, a broken character: none of their letters is a key."""
    assert keys.decode(data) == wanted


# --- saves ---


def replaced(path: Path, text: str) -> None:
    """Write a file as an editor does that puts a new one in the old one's place."""
    path.with_name("new").write_text(text)
    os.replace(path.with_name("new"), path)


def test_a_look_sees_every_kind_of_save(tmp_path: Path) -> None:
    """The same text again, a rename, another file beside it; not what no check takes."""
    app = tmp_path / "app.py"
    app.write_text("a")
    seen = [saves.look(tmp_path)]
    for change in (
        lambda: app.write_text("b"),
        lambda: os.utime(app, ns=(0, 0)),
        lambda: replaced(app, "b"),
        lambda: (tmp_path / "shop.sql").write_text(""),
        lambda: app.unlink(),
    ):
        change()
        seen.append(saves.look(tmp_path))
    assert len(set(seen)) == len(seen)
    (tmp_path / "shop.db").write_text("")
    (tmp_path / ".app.py.swp").write_text("")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "app.py").write_text("")
    assert saves.look(tmp_path) == seen[-1]


def test_a_folder_that_is_not_there_looks_empty(tmp_path: Path) -> None:
    """It may be back at the next look."""
    assert saves.look(tmp_path / "nowhere") == ()


@pytest.mark.parametrize(
    ("mounts", "wanted"),
    [
        ("1 0 8:1 / / rw - ext4 /dev/a rw", ""),
        ("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / {here} rw - nfs4 server:/ rw", "this folder is on nfs4"),
        (
            "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / {here} rw shared:1 - fuse.sshfs a rw",
            "this folder is on fuse.sshfs",
        ),
        ("1 0 0:5 / / rw - nfs a rw\n2 1 8:1 / {here} rw - ext4 /dev/a rw", ""),
        ("1 0 8:1 / / rw - ext4 a rw\n2 1 0:5 / {here} rw - 9p a rw\n3 2 8:1 / {here} rw - ext4 a rw", ""),
        ("1 0 8:1 / / rw - ext4 a rw\n2 1 0:5 / {here}/other rw - cifs a rw", ""),
    ],
)
def test_where_others_write_it_looks_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, wanted: str
) -> None:
    """The file system that counts is that of the longest mount point, and of two on one point the later."""
    here = tmp_path / "with blank"
    here.mkdir()
    told = mounts.format(here=str(here).replace(" ", "\\040"))
    monkeypatch.setattr(saves, "MOUNTS", io_path(tmp_path, told))
    monkeypatch.delenv("WATCHFILES_FORCE_POLLING", raising=False)
    assert saves.why_polled(here) == wanted


def io_path(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    path = tmp_path / "mountinfo"
    path.write_text(text)
    return path


@pytest.mark.parametrize("polled", [False, True])
async def test_a_watcher_tells_of_a_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, polled: bool) -> None:
    """Told by the system long before its next look, or by looking."""
    monkeypatch.setattr(saves, "LOOK", 3600.0)
    if polled:
        monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    else:
        monkeypatch.delenv("WATCHFILES_FORCE_POLLING", raising=False)
    changed = asyncio.Event()
    watcher = saves.Watcher(tmp_path, changed.set, pytest.fail)
    assert bool(watcher.polled) is polled
    running = asyncio.create_task(watcher.run())
    async with asyncio.timeout(30):
        while not changed.is_set():
            # The first ones may come before the system listens.
            (tmp_path / "app.py").write_text("a")
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_watcher_without_notices_looks(tmp_path: Path) -> None:
    """As where the system's limit of watches is reached, or the folder is gone."""
    looked = asyncio.Event()
    told: list[str] = []
    watcher = saves.Watcher(tmp_path / "nowhere", looked.set, told.append)
    assert not watcher.polled
    running = asyncio.create_task(watcher.run())
    async with asyncio.timeout(30):
        await looked.wait()
    assert watcher.polled.startswith("the system gives no notice")
    assert told == [watcher.polled]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# --- where the learner is ---


def test_it_goes_on_where_the_learner_stopped(tmp_path: Path, course: Course) -> None:
    """Else with the first that has not passed; what watch.json says is believed only as far as it goes."""
    workspace = create(tmp_path / "practice", course)
    place = Place(course, workspace)
    assert place.first() == "exercise-1"
    workspace.note_pass("exercise-1", 5, datetime.now(UTC))
    assert place.first() == "exercise-2"
    place.remember("exercise-7")
    assert place.first() == "exercise-7"
    for broken in ("", "[]", '{"poolkit_watch": 1}', '{"poolkit_watch": 1, "exercise": "gone-1"}', "[" * 100_000):
        (workspace.root / ".poolkit" / "watch.json").write_text(broken)
        assert place.first() == "exercise-2", broken[:40]


def test_next_is_the_next_one_that_has_not_passed(tmp_path: Path, course: Course) -> None:
    """After the last comes the first that was left out; never the one that one is at."""
    workspace = create(tmp_path / "practice", course)
    place = Place(course, workspace)
    for name in course.ids:
        if name not in ("exercise-3", "exercise-9"):
            workspace.note_pass(name, 1, datetime.now(UTC))
    assert [place.after(f"exercise-{number}") for number in (1, 3, 9, 17)] == [
        "exercise-3",
        "exercise-9",
        "exercise-3",
        "exercise-3",
    ]
    workspace.note_pass("exercise-9", 1, datetime.now(UTC))
    assert place.after("exercise-3") is None


# --- the judge ---


@pytest.fixture
def bench(host: Host, course: Course) -> Iterator[Bench]:
    """Where exercise-1 is judged again and again."""
    bench = Bench(host, course.exercise("1"), "app.py")
    yield bench
    bench.close()


def mine(tmp_path: Path, text: str) -> Submission:
    """Return a learner's file with this text."""
    path = tmp_path / "app.py"
    path.write_text(text)
    return Submission(path, str(path))


def test_a_halted_run_ends_before_its_time(host: Host, course: Course, tmp_path: Path) -> None:
    """A file that hangs at import keeps a check for five seconds; halted, it ends at once."""
    halt = Halt()
    submission = mine(tmp_path, "import os, time\nprint('here', flush=True)\ntime.sleep(3600)\n")
    threading.Timer(0.5, halt.call).start()
    report = grade(host, course.exercise("1"), submission, halt=halt)
    assert report.duration_s < 4
    assert report.status is not Status.PASS


def test_a_run_that_was_halted_before_it_began_runs_nothing(host: Host, course: Course, tmp_path: Path) -> None:
    """And one that is over is not touched by a late call."""
    exercise = course.exercise("1")
    halt = Halt()
    halt.call()
    submission = mine(tmp_path, exercise.reference.read_text(encoding="utf-8"))
    assert grade(host, exercise, submission, halt=halt).points == 0
    late = Halt()
    assert grade(host, exercise, submission, halt=late).status is Status.PASS
    late.call()


def test_labs_that_wait_run_the_file_that_comes(bench: Bench, tmp_path: Path) -> None:
    """Each version is judged as it is: labs that waited through one run know nothing of its file."""
    right = bench.exercise.reference.read_text(encoding="utf-8")
    wrong = "raise ValueError('mine')\n"
    for text, wanted in ((right, Status.PASS), (wrong, Status.ERROR), (right, Status.PASS), (wrong, Status.ERROR)):
        bench.spares.fill(6)
        report = grade(bench.host, bench.exercise, mine(tmp_path, text), bench=bench)
        assert report.status is wanted
        assert report.assurance == grade(bench.host, bench.exercise, mine(tmp_path, text)).assurance


def test_a_file_that_is_gone_is_gone_for_the_next_run(bench: Bench, tmp_path: Path) -> None:
    """What one version's folder held, a module beside the app, does not stay for another's."""
    folder = tmp_path / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "helper.py").write_text("")
    (folder / "parts" / "more.py").write_text("")
    uses = "import helper, parts.more\n" + bench.exercise.reference.read_text(encoding="utf-8")
    (folder / "app.py").write_text(uses)
    submission = Submission(folder, str(folder / "app.py"))
    assert grade(bench.host, bench.exercise, submission, bench=bench).status is Status.PASS
    (folder / "helper.py").unlink()
    shutil.rmtree(folder / "parts")
    bench.spares.fill(6)
    report = grade(bench.host, bench.exercise, submission, bench=bench)
    assert report.error is not None
    assert report.error.type == "ModuleNotFoundError"


def test_a_host_that_is_killed_with_unread_words_has_died() -> None:
    """Its socket is reset then, and not just closed; whoever sees that makes another host."""
    host = Host()
    try:
        host.wait_until_warm()
        os.kill(host.pid, signal.SIGSTOP)
        host.preload([])
        os.kill(host.pid, signal.SIGKILL)
        select.select([host._socket], [], [], 60)
        with pytest.raises(HostFault, match="exit code -9"):
            host.catch_up()
        assert not host.alive
    finally:
        host.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_waiting_lab_that_died_costs_nobody_anything(bench: Bench, course: Course, tmp_path: Path) -> None:
    """Somebody ended them all, or the machine had no memory: others are forked."""
    bench.spares.fill(6)
    labs: list[int] = []
    bench.host.wait_until_warm()
    while len(labs) < 6:
        labs = children(bench.host._process.pid)
    for pid in labs:
        os.kill(pid, 9)
    while set(children(bench.host._process.pid)) & set(labs):
        pass
    submission = mine(tmp_path, bench.exercise.reference.read_text(encoding="utf-8"))
    assert grade(bench.host, bench.exercise, submission, bench=bench).status is Status.PASS


# --- without a terminal ---


@pytest.fixture
def piped(practice: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`poolkit watch` with pipes in a terminal's place, told of each line as it comes."""
    where = environment(XDG_DATA_HOME=str(tmp_path / "data"))
    (practice / ".poolkit" / "progress.json").write_text("{")
    process = subprocess.Popen(
        [sys.executable, "-m", "poolkit", "watch"],
        cwd=practice,
        env=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    yield process
    process.kill()
    process.communicate()


def until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Read lines up to one that holds what is wanted."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            return lines
    raise AssertionError(f"no {wanted!r} in:\n{''.join(lines)}")


def test_in_a_pipe_each_verdict_is_printed_once(
    piped: subprocess.Popen[str], practice: Path, course: Course, tmp_path: Path
) -> None:
    """Plain lines of at most 80 characters, and no key; it ends with its reader."""
    app = folder_of(practice) / "app.py"
    lines = until(piped, "points  in")
    app.write_text(course.exercise("1").reference.read_text(encoding="utf-8"))
    lines += until(piped, "Passed. Run `poolkit watch exercise-2` for exercise-2")
    app.unlink()
    lines += until(piped, "cannot be read")
    assert piped.stdout is not None
    piped.stdout.close()
    app.write_text("x = 1\n")
    assert piped.wait(60) == 0
    text = "".join(lines)
    assert "Each save is checked. Ctrl-C ends this." in text
    assert text.count("points  in") == 2
    assert text.count("README.md") == 1
    assert "\x1b" not in text
    assert "n next" not in text
    assert max(len(line.rstrip("\n")) for line in lines) <= 80
    piped.stdout = None  # closed, for `communicate`


def test_progress_that_cannot_be_read_is_mended_and_told(piped: subprocess.Popen[str], practice: Path) -> None:
    """The session goes on; a signal ends it."""
    until(piped, "points  in")
    piped.terminate()
    assert piped.wait(60) == 143
    assert piped.stderr is not None
    assert "progress-unreadable" in piped.stderr.read()
    assert not Workspace(practice).has_passed("exercise-1")


def test_without_a_workspace_it_says_what_to_do(poolkit: Poolkit) -> None:
    """And ends with 2, as for any wrong use; an exercise that does not exist is one too."""
    ran = poolkit("watch")
    assert (ran.returncode, "poolkit init" in ran.stderr) == (2, True)
    assert poolkit("init", "practice").returncode == 0
    assert poolkit("watch", "99").returncode == 2
