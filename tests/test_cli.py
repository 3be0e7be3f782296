"""The `poolkit` command as its users run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Poolkit

from poolkit import cli, formats
from poolkit.course import Course
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate
from poolkit.report import exit_code

ROOT = Path(__file__).resolve().parents[1]
LEAK = ROOT / "solutions" / "exercise-3" / "wrong" / "never_returns.py"


@pytest.fixture
def practice(tmp_path: Path, poolkit: Poolkit) -> Path:
    """A fresh workspace."""
    assert poolkit("init", "practice").returncode == 0
    return tmp_path / "practice"


def put(practice: Path, source: Path) -> Path:
    """Let a learner have written this file for exercise-3."""
    target = practice / "exercises" / "exercise-3" / "app.py"
    shutil.copyfile(source, target)
    return target


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    """`--help` and `list` touch neither pytest nor fastapi, nor what grading needs."""
    code = (
        "import sys; from poolkit.cli import run; sys.argv = ['poolkit', sys.argv[1]]; code = run();"
        "heavy = {'pytest', 'fastapi', 'httpx', 'databases', 'asyncio', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy or code else 0)"
    )
    for argument in ("--help", "list"):
        ran = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr


def test_every_command_says_the_same_in_the_list_and_in_its_own_help(poolkit: Poolkit) -> None:
    """The group's table of commands, which keeps `--help` quick, agrees with the commands themselves."""
    for name, (_, line) in cli.COMMANDS.items():
        command = cli.cli.get_command(None, name)  # type: ignore[arg-type]  # it needs no context
        assert command is not None
        assert (command.help or "").startswith(line.rstrip(".")), name
    assert all(name in poolkit("--help").stdout for name in cli.COMMANDS)


def test_every_command_is_in_the_readme() -> None:
    """A command that the README does not name is one that nobody finds."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in cli.COMMANDS if f"poolkit {name}" not in readme] == []


def test_init_gives_exercises_without_suites_and_solutions(practice: Path, course: Course) -> None:
    """A workspace holds what a learner needs, a database to run on, and nothing that is hidden."""
    names = {path.relative_to(practice).as_posix() for path in practice.rglob("*") if path.is_file()}
    for exercise_id in course.ids:
        exercise = course.exercise(exercise_id)
        given = {"README.md", "lesson.md", "shop.db", exercise.file_name, *exercise.about.given}
        assert {f"exercises/{exercise_id}/{name}" for name in given} <= names
        assert f"exercises/{exercise_id}/{exercise.suite.name}" not in names
    mine = [name for name in names if not name.startswith("quizzes/")]
    assert not [name for name in mine if "suites" in name or "solution" in name or name.endswith(".yaml")]


def test_init_refuses_to_overwrite(practice: Path, poolkit: Poolkit) -> None:
    """A second `init` changes nothing and says so."""
    mine = put(practice, LEAK)
    ran = poolkit("init", "practice")
    assert ran.returncode == 2
    assert "already there" in ran.stderr
    assert mine.read_bytes() == LEAK.read_bytes()


@pytest.mark.parametrize("name", ["exercise-3", "3", "practice/exercises/exercise-3"])
def test_a_check_finds_the_exercise_by_each_of_its_names(practice: Path, poolkit: Poolkit, name: str) -> None:
    """Id, number and path all name an exercise, also from the folder around the workspace."""
    put(practice, ROOT / "solutions" / "exercise-3" / "app.py")
    ran = poolkit("check", name)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "practice/exercises/exercise-3/app.py" in ran.stdout


@pytest.mark.parametrize("folder", ["a path with spaces", "it's 100% {odd} $HOME \u2603"])
def test_a_course_may_lie_anywhere(tmp_path: Path, poolkit: Poolkit, folder: str) -> None:
    """Whatever the folders' names hold: its suites find what they share, and labs the learner's file."""
    shutil.copytree(ROOT / "tests" / "courses" / "limiter", tmp_path / folder / "course")
    place = tmp_path / folder
    ran = poolkit("check", "--course", str(place / "course"), "--all", "--solution", cwd=place)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert poolkit("init", "--course", str(place / "course"), "practice", cwd=place).returncode == 0
    ran = poolkit("check", "--course", str(place / "course"), "--all", cwd=place / "practice")
    assert ran.returncode == 1, ran.stdout + ran.stderr


def test_a_path_that_pytest_cannot_take_is_one_clear_line(tmp_path: Path, poolkit: Poolkit) -> None:
    """It would take what is in brackets for a test's parameter."""
    shutil.copytree(ROOT / "tests" / "courses" / "limiter", tmp_path / "a [copy]")
    ran = poolkit("check", "--course", str(tmp_path / "a [copy]"), "--all", "--solution")
    assert ran.returncode == 3
    assert "rename the folder" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_leak_is_explained(practice: Path, poolkit: Poolkit) -> None:
    """The report names the leak, the line of the borrow and the number of connections left; then the next step."""
    put(practice, LEAK)
    ran = poolkit("check", "exercise-3", cwd=practice)
    assert ran.returncode == 1
    assert "3 of 4 connections are free" in " ".join(ran.stdout.split())
    line = next(n for n, text in enumerate(LEAK.read_text().splitlines(), 1) if "__aenter__" in text)
    assert f"Borrowed at  app.py:{line}" in ran.stdout
    assert "Why it hurts" in ran.stdout
    assert "poolkit hint exercise-3" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr


def test_json_has_the_documented_fields(practice: Path, poolkit: Poolkit) -> None:
    """`--format json` is version 1 of what docs/report.md describes."""
    put(practice, LEAK)
    report = json.loads(poolkit("check", "3", "--format", "json", "--seed", "5").stdout)
    assert report["poolkit_report"] == 1
    assert report["exercise"] == "exercise-3"
    assert (report["status"], report["seed"]) == ("fail", 5)
    assert 0 < report["points"] < report["max_points"]
    assert report["assurance"]["level"] in ("full", "partial")
    failed = next(check for check in report["checks"] if check["status"] == "fail")
    assert failed["misconception"] == "never-returned"
    assert failed["deciding"] in [row["seq"] for row in failed["ledger"]]
    assert failed["borrowed_at"][0]["file"] == "app.py"
    documented = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    fields = {*report, *report["assurance"], *failed, *failed["ledger"][0]}
    assert [field for field in sorted(fields) if f"`{field}`" not in documented] == []


@pytest.mark.slow  # runs every exercise
def test_all_exercises_in_one_report(practice: Path, poolkit: Poolkit, course: Course) -> None:
    """`--all` reports every exercise and their sum; a stub left is something to fix."""
    ran = poolkit("check", "--all", "--format", "junit", cwd=practice)
    assert ran.returncode == 1
    suites = ElementTree.fromstring(ran.stdout.encode())
    assert [suite.get("name") for suite in suites] == course.ids


def test_output_goes_to_a_file_and_the_text_to_the_terminal(practice: Path, poolkit: Poolkit) -> None:
    """`--output` writes the chosen format and still tells a person what happened."""
    ran = poolkit("check", "3", "--solution", "--format", "github", "--output", "out.txt", cwd=practice)
    assert ran.returncode == 0
    assert "points" in ran.stdout
    assert (practice / "out.txt").read_text(encoding="utf-8").startswith("::notice ")


def test_hints_climb(poolkit: Poolkit) -> None:
    """Hints are shown one at a time; a level that is not there is wrong usage."""
    assert "Hint 1 of" in poolkit("hint", "3").stdout
    assert "Hint 2 of" in poolkit("hint", "3", "--level", "2").stdout
    ran = poolkit("hint", "3", "--level", "99")
    assert ran.returncode == 2
    assert ran.stderr.startswith("poolkit: ")


def test_the_solution_is_shown_after_a_pass(practice: Path, poolkit: Poolkit) -> None:
    """Before a pass it is refused, but for `--force`; a pass is remembered and ticked in the list."""
    assert poolkit("solution", "3", cwd=practice).returncode == 2
    assert "async with" in poolkit("solution", "3", "--force", cwd=practice).stdout
    put(practice, ROOT / "solutions" / "exercise-3" / "app.py")
    assert poolkit("check", "3", cwd=practice).returncode == 0
    assert poolkit("solution", "3", cwd=practice).returncode == 0
    assert "✓ exercise-3" in poolkit("list", cwd=practice).stdout


def test_reset_keeps_what_the_learner_wrote(practice: Path, poolkit: Poolkit, course: Course) -> None:
    """The stub comes back; the learner's file is kept under its date."""
    mine = put(practice, LEAK)
    ran = poolkit("reset", "3", cwd=practice)
    assert ran.returncode == 0
    assert mine.read_text() == course.exercise("3").stub.read_text()
    kept = Path(ran.stdout.split("is kept: ")[1].strip())
    assert kept.read_bytes() == LEAK.read_bytes()


def test_trace_shows_nine_steps(poolkit: Poolkit) -> None:
    """The reference's run is the lesson's: nine steps, and the free connections 0, N, N-1, N, N-1, N, 0."""
    trace = json.loads(poolkit("trace", "3", "--solution", "--format", "json").stdout)
    events = ["App starts", "Startup", "Request 1 arrives", "Request 1 queries", "Request 1 ends"]
    events += ["Request 2 arrives", "Request 2 queries", "Request 2 ends", "Shutdown"]
    assert [step["event"] for step in trace["steps"]] == events
    assert trace["variables"]["free"] == [0, 4, 3, 3, 4, 3, 3, 4, 0]
    assert [bool(lent) for lent in trace["variables"]["borrowed"]] == [
        False,
        False,
        True,
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    text = poolkit("trace", "3", "--solution").stdout
    assert all(word in text for word in ("Step", "Event", "Pool state", "Connection action", "Result"))
    assert max(map(len, text.splitlines())) <= 100


def test_trace_shows_a_leak(poolkit: Poolkit) -> None:
    """A connection that never comes back stays borrowed in every later step."""
    trace = json.loads(poolkit("trace", "3", "--path", str(LEAK), "--format", "json").stdout)
    assert trace["variables"]["free"][:8] == [0, 4, 3, 3, 3, 2, 2, 2]
    assert "not returned" in trace["steps"][4]["result"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check"], "name an exercise"),
        (["check", "exercise-99"], "no exercise"),
        (["check", "../../etc"], "no exercise"),
        (["check", "x" * 300], "no exercise"),
        (["check", "3", "--path", "missing.py"], "no such file"),
        (["check", "3", "4", "--path", "a.py"], "--path goes with one exercise"),
        (["check", "3"], "no workspace here"),
        (["check", "3", "--format", "word"], "word"),
        (["reset", "3"], "no workspace here"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_one_clear_line(poolkit: Poolkit, arguments: list[str], told: str) -> None:
    """Exit code 2, what is wrong, no traceback."""
    ran = poolkit(*arguments)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"# caf\xe9\napp = 1\n", "app.py:1: not UTF-8 text; save the file as UTF-8"),
        (b"app = FastAPI(\n", "app.py:1: SyntaxError: "),
        (b"import fastapi\n\n1 / 0\n", "app.py:3: ZeroDivisionError: "),
        (b"x = 1\n", "app.py has no app"),
        (b"app = 7\n", "app is no ASGI application"),
        (b"raise SystemExit(0)\n", "app.py:1: SystemExit: 0"),
        (b"", "app.py has no app"),
    ],
)
def test_a_file_that_cannot_run_is_an_error_with_its_line(
    tmp_path: Path, course: Course, host: Host, content: bytes, told: str
) -> None:
    """The learner's line and what is wrong there; no check is blamed, nothing of ours is shown."""
    (tmp_path / "app.py").write_bytes(content)
    report = grade(host, course.exercise("exercise-3"), locate(tmp_path, "app.py"))
    assert exit_code([report]) == 1
    text = formats.render("text", [report])
    assert "did not run" in text
    assert told in text
    assert "Traceback" not in text


def test_a_file_that_hides_a_library_is_named(practice: Path, poolkit: Poolkit) -> None:
    """`databases.py` beside the app would be imported in the library's place."""
    put(practice, ROOT / "solutions" / "exercise-3" / "app.py").with_name("databases.py").write_text(
        "Database = None\n"
    )
    ran = poolkit("check", "3")
    assert ran.returncode == 1
    assert "databases.py hides the library `databases`" in ran.stdout


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("title: [", "exercise.yaml:"),
        ("title: X\ntitle: Y\n", "exercise.yaml:2: 'title' stands here twice"),
        ("title: X\n", "is missing; add it"),
        (None, "exercise.yaml: no such file"),
        ("a: &a [1]\nb: *a\n", "anchors and aliases are not allowed"),
    ],
)
def test_a_broken_course_is_the_graders_fault(
    tmp_path: Path,
    course: Course,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: str | None,
    told: str,
) -> None:
    """Exit code 3 and one line with the file, since it is not the learner's."""
    shutil.copytree(course.root / "exercises", tmp_path / "exercises")
    path = tmp_path / "exercises" / "exercise-3" / "exercise.yaml"
    path.unlink() if broken is None else path.write_text(broken)
    monkeypatch.setattr(sys, "argv", ["poolkit", "hint", "exercise-3", "--course", str(tmp_path)])
    assert cli.run() == 3
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1


def test_two_checks_at_once_do_not_disturb_each_other(practice: Path) -> None:
    """Runs share nothing: no socket, no folder, no port."""
    put(practice, ROOT / "solutions" / "exercise-3" / "app.py")
    command = [sys.executable, "-m", "poolkit", "check", "3"]
    runs = [subprocess.Popen(command, cwd=practice, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        *((signal.SIGINT, moment) for moment in (0.05, 0.2, 0.35, 0.5, 0.65)),
        *((number, moment) for number in (signal.SIGTERM, signal.SIGKILL) for moment in (0.2, 0.5)),
    ],
)
def test_an_interrupted_check_leaves_nothing(tmp_path: Path, number: signal.Signals, moment: float) -> None:
    """Whenever and however it is ended: no process, no directory, and after Ctrl-C one line."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    run = subprocess.Popen(
        [sys.executable, "-m", "poolkit", "check", "3", "--solution"],
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # The one wait for a time: the moment of the interruption is what the test chooses.
    time.sleep(moment)
    run.send_signal(number)
    _, errors = run.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while (left := list(temporary.iterdir()) + _processes_with(temporary)) and time.monotonic() < deadline:
        os.sched_yield()
    assert left == []
    if number is signal.SIGINT and run.returncode == 130:
        assert errors == "poolkit: interrupted\n"


def _processes_with(folder: Path) -> list[str]:
    """Return the processes whose environment names a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
