"""Attacks on the grader: none earns a point that its honest code would not, and none leaves anything behind.

Each file or folder in `attacks/` is a submission for exercise-3 (or for `exercise`), the stub or a wrong route with a
trick added. Its header says what it tries, what it would earn without the trick (`honest`), how the run has to come
out (`outcome`, and `check`, the check that shows it; `*` for any), what the report has to tell (`says`), and the
seconds for one check where the exercise's own would be too long to wait (`limit`). An attack that gets at something
that is not its own prints `LEAKED`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import importlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from conftest import Poolkit
from timing import spent

from poolkit import formats
from poolkit.course import Course, Exercise
from poolkit.judge.checks import CheckFailed
from poolkit.judge.fixture import Lab
from poolkit.judge.host import Host
from poolkit.judge.process import LabProcess
from poolkit.judge.runner import grade, prepare, start_host
from poolkit.judge.submission import locate
from poolkit.report import Report, Status, exit_code

FOLDER = Path(__file__).with_name("attacks")
ROOT = FOLDER.parents[1]
MARKER = Path("/tmp/poolkit-attacked")
"""What an attack leaves where it gets to write a file, or to be imported by the judge."""
SEVERE = ("a16_kills_in_handler", "a26_sql_wide_row", "a41_hangs_up")
"""Those that do most to bring the judge down; see `test_the_host_still_grades`."""
GRACE = 5.0
"""Seconds beyond its limits that a run may take on a busy machine."""


@dataclass(frozen=True)
class Attack:
    """One submission of `attacks/`, and what its header says of it."""

    path: Path
    exercise: str
    honest: int
    outcomes: frozenset[str]
    checks: frozenset[str]
    says: str
    limit: int | None

    @property
    def main(self) -> Path:
        return self.path / "app.py" if self.path.is_dir() else self.path


def read(path: Path) -> Attack:
    """Return the attack in a file or folder."""
    text = (path / "app.py" if path.is_dir() else path).read_text(encoding="utf-8")
    head = re.match(r"(?:# [a-z]+: .*\n)+", text)
    assert head, path
    named = dict(line[2:].split(": ", 1) for line in head.group().splitlines())
    assert named.keys() <= {"attack", "honest", "outcome", "check", "says", "limit", "exercise"}, path
    assert named["attack"].startswith(f"{int(path.name[1:3])} "), path
    limit = named.get("limit")
    outcomes, checks = (frozenset(named.get(name, "*").split("|")) for name in ("outcome", "check"))
    return Attack(
        path,
        exercise=named.get("exercise", "exercise-3"),
        honest=int(named["honest"]),
        outcomes=outcomes,
        checks=checks,
        says=named.get("says", ""),
        limit=int(limit) if limit else None,
    )


ATTACKS = [read(path) for path in sorted(FOLDER.iterdir()) if path.suffix == ".py" or path.is_dir()]


def named(name: str) -> Attack:
    """Return the attack of that name."""
    return next(attack for attack in ATTACKS if attack.path.stem == name)


def bounded(exercise: Exercise, check_s: int | None) -> Exercise:
    """Return the exercise with another limit for each check."""
    if check_s is None:
        return exercise
    limits = exercise.about.limits.model_copy(update={"check_s": check_s})
    return dataclasses.replace(exercise, about=exercise.about.model_copy(update={"limits": limits}))


def tried(course: Course, host: Host, attack: Attack) -> Report:
    """Grade an attack."""
    exercise = bounded(course.exercise(attack.exercise), attack.limit)
    return grade(host, exercise, locate(attack.path, exercise.file_name), seed=7)


def told(report: Report) -> str:
    """Return what a failing test shows of a report."""
    lines = [f"{report.status} {report.points} points {report.error} {report.fault}"]
    lines += [f"{check.id}: {check.status} {check.happened}" for check in report.checks]
    return "\n".join([*lines, report.output[-2000:]])


def labs(host: Host) -> list[int]:
    """Return the host's children that are still there."""
    pid = host._process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()]


def processes(mark: str) -> list[int]:
    """Return the processes whose environment, as they were started or forked, holds `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def hashes(*folders: Path) -> dict[Path, str]:
    """Return the contents of all files below some folders, and their modes."""
    return {
        path: f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def _unmarked() -> Iterator[None]:
    """No attack gets to write where it likes."""
    MARKER.unlink(missing_ok=True)
    yield
    assert not MARKER.exists()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.path.stem)
def test_an_attack_earns_nothing(
    course: Course,
    host: Host,
    attack: Attack,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No point that honest code would not earn, no fault of the grader's; the report says what happened."""
    monkeypatch.setattr(click, "style", lambda text, **_: text)
    with spent(host) as took:
        report = tried(course, host, attack)
    assert report.fault is None, told(report)
    assert report.points <= attack.honest, told(report)
    assert exit_code([report]) == 1, told(report)
    assert report.max_points == (18 if report.exercise == "exercise-3" else 11)
    statuses = {check.status for check in report.checks} | {report.status}
    assert attack.outcomes & {*map(str, statuses)} or "*" in attack.outcomes, told(report)
    failed = {check.id for check in report.checks if check.status in (Status.FAIL, Status.TAMPERING)}
    assert attack.checks & failed or "*" in attack.checks, told(report)
    _assert_the_rest_ran(report)
    _assert_it_is_told(report, attack)
    assert took.seconds < 2 * (attack.limit or 10) + GRACE
    assert labs(host) == []
    output = "".join([report.output, *(check.output for check in report.checks)])
    assert "LEAKED" not in output, output
    assert "Traceback" not in capfd.readouterr().err


def _assert_the_rest_ran(report: Report) -> None:
    """A check is not reached only because of one that it needs, or because nothing runs at all."""
    passed = {check.id for check in report.checks if check.passed}
    for check in report.checks:
        assert check.status is not Status.NOT_REACHED or report.error or set(check.needs) - passed, told(report)


def _assert_it_is_told(report: Report, attack: Attack) -> None:
    """Every format is well-formed, shows no character that does something, and says what happened."""
    text = formats.render("text", [report])
    assert re.search(attack.says, " ".join(text.split())), text
    failure = report.first_failure
    assert report.error or (failure and failure.happened.strip()), text
    for name in ("text", "github"):
        for line in formats.render(name, [report]).splitlines():
            odd = {character for character in line if unicodedata.category(character)[0] == "C"}
            assert not odd, (name, odd, line)
            assert name == "text" or re.match(r"::(error|notice) ", line), line
    assert json.loads(formats.render("json", [report]))["points"] == report.points
    assert ElementTree.fromstring(formats.render("junit", [report])).tag == "testsuites"


def test_the_host_still_grades(course: Course, host: Host) -> None:
    """After all of them the same host gives the reference its full marks, and this process has let go of everything."""
    before = len(os.listdir("/proc/self/fd"))
    exercise = course.exercise("exercise-3")
    for attack in map(named, SEVERE):
        tried(course, host, attack)
        report = grade(host, exercise, locate(exercise.reference, exercise.file_name), seed=7)
        assert report.status is Status.PASS, told(report)
        assert labs(host) == []
    assert [*host.folder.glob("lab-*"), *host.folder.glob("judge-*")] == []
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_nothing_outlives_the_host(course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the host has ended there is no process of its own or of a lab, and no folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # every process of the host has it in its environment
    host = start_host(course)
    try:
        for attack in map(named, ("a25_outlives_its_shutdown", "a24_starts_processes", "a27_disk")):
            tried(course, host, attack)
            assert processes(str(tmp_path)) == [host._process.pid]
        folder = host.folder
    finally:
        host.close()
    assert processes(str(tmp_path)) == []
    assert not folder.exists()


def test_no_file_is_touched(course: Course, host: Host) -> None:
    """The kit, its suites and its solutions are as they were."""
    folders = [ROOT / name for name in ("grader", "exercises", "solutions", "tests")]
    before = hashes(*folders)
    for name in ("a19_results_files", "a22_overwrites_the_grader", "a27_disk", "a44_real_connect", "a44_sql_escapes"):
        tried(course, host, named(name))
    # Another test, in another process, may have made Python compile a module meanwhile.
    after = {path: found for path, found in hashes(*folders).items() if path in before or path.suffix != ".pyc"}
    assert after == before


def test_no_response_gets_past_the_judge(course: Course, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an app answers, in HTTP or not, fails a check with a sentence, and nothing else."""
    monkeypatch.syspath_prepend(ROOT / "grader" / "suites")
    told = asyncio.run(_ask_for_everything(course, host))
    assert len(told) > 60
    assert all(told.values()), told


async def _ask_for_everything(course: Course, host: Host) -> dict[str, str]:
    """Return what a suite says of each response of `a43_wild_responses`, by its name."""
    shop = importlib.import_module("shop")
    exercise = course.exercise("exercise-3")
    plan, _ = prepare(host, exercise, locate(named("a43_wild_responses").path, exercise.file_name))
    host.wait_until_warm()
    host.attach(asyncio.get_running_loop())
    process = LabProcess(host, plan)
    lab = Lab(process, random.Random(7), patience=2.0)
    told: dict[str, str] = {}
    try:
        await process.launch()
        await lab.imported()
        await lab.start()
        names = await lab.request("GET", "/what they are")
        for name in names.json():
            with pytest.raises(CheckFailed) as failure:
                shop.expect_item(lab, await lab.get(f"/{name}"), shop.Item(1, "Teapot", 2450))
            told[name] = failure.value.happened
    finally:
        await lab.close()
        host.detach()
    return told


# --- the command, in a process of its own ---


def test_no_answer_is_printed_for_the_judge(poolkit: Poolkit, tmp_path: Path) -> None:
    """A process that ends as if all was well, and one that prints a report, end the command with 1."""
    for name in ("a01_exit_at_import", "a03_atexit", "a20_printed_report"):
        ended = poolkit("check", "3", "--path", str(named(name).path))
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert "18 of 18 points" not in ended.stdout.splitlines()[-1]
        assert ended.stderr == ""


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a11_conftest", ["-m", "poolkit"]),
        ("a12_pytest_ini", ["poolkit"]),
        ("a13_entry_point", ["-m", "poolkit"]),
        ("a14_shadows_pytest", ["-m", "poolkit"]),
        ("a14_shadows_sqlite3", ["poolkit"]),
        ("a15_sitecustomize", ["-m", "poolkit"]),
    ],
)
def test_files_beside_the_app_reach_no_judge(name: str, start: list[str]) -> None:
    """Not even when the command is run among them, with a variable that names them as plugins."""
    command = [str(Path(sys.executable).with_name("poolkit"))] if start == ["poolkit"] else [sys.executable, *start]
    ended = subprocess.run(
        [*command, "check", "3", "--path", "."],
        cwd=named(name).path,
        env={**os.environ, "PYTEST_ADDOPTS": "--collect-only", "PYTEST_PLUGINS": "evil", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert re.search(r"^  [01] of 18 points", ended.stdout, re.MULTILINE), ended.stdout
    assert ended.stderr == ""


@pytest.mark.parametrize("style", formats.names())
def test_what_is_printed_does_nothing_to_a_terminal(poolkit: Poolkit, tmp_path: Path, style: str) -> None:
    """Neither an exception's message nor the file's own name brings a control character into a report."""
    odd = tmp_path / "\x1b[31m::error::\u202e<b>&.py"
    shutil.copyfile(named("a38_message").path, odd)
    ended = poolkit("check", "3", "--format", style, "--path", str(odd))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert not set(ended.stdout) & set(map(chr, [*range(10), *range(11, 32)]))
    assert style in ("json", "junit") or "\u202e" not in ended.stdout
