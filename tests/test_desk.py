"""The learner's desk: hints that fit, progress, what has changed since a pass, and what comes after one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Poolkit

from poolkit.author.metadata import exercise_problems
from poolkit.author.solutions import Kind, Solution
from poolkit.changes import unified
from poolkit.course import Course, open_course
from poolkit.errors import CourseFault, UsageFault
from poolkit.hints import choose, ladder
from poolkit.overview import Standing, look, next_exercise
from poolkit.progress import Last, Pass, State
from poolkit.report import Assurance, CheckReport, Report, Status
from poolkit.workspace import Workspace, create

ROOT = Path(__file__).resolve().parents[1]
NOON = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
EXERCISE = """\
title: An exercise
concepts: [borrow]
difficulty: 1
trace: [/]
hints: [a, b, c]
misconceptions: {never-returned: It hurts., leaves-early: It hurts too.}
"""
LADDER = "ladders: {never-returned: [x, y]}\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Practice keeps its deck in the user's own folder, which no test may touch."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Course]:
    """Make a course of three exercises that have the same exercise.yaml."""

    def made(text: str) -> Course:
        for number in (1, 2, 3):
            folder = tmp_path / "course" / "exercises" / f"exercise-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "exercise.yaml").write_text(text)
            (folder / "app.py").write_text("# TODO\n")
        listed = "".join(f"  - {{id: exercise-{number}, title: Number {number}}}\n" for number in (1, 2, 3))
        (tmp_path / "course" / "exercises" / "course.yaml").write_text(f"title: Course\nexercises:\n{listed}")
        return open_course(tmp_path / "course")

    return made


def last(status: Status = Status.FAIL, misconception: str | None = "never-returned", hints: int = 0) -> Last:
    return Last(
        status=status, points=1, max_points=5, best=1, at=NOON, check="a", misconception=misconception, hints=hints
    )


def report(status: Status, exercise: str = "exercise-1") -> Report:
    check = CheckReport("a", "A", status, 2 if status is Status.PASS else 1, 2, misconception="never-returned")
    return Report(exercise, "T", "app.py", 1, (check,), Assurance(), 0.1)


# --- hints ---


def test_what_was_found_chooses_the_ladder(write: Callable[[str], Course]) -> None:
    """Its hints come first, then those for everybody; without one for it, there are only these."""
    exercise = write(EXERCISE + LADDER).exercise("1")
    assert [(hint.text, hint.about) for hint in ladder(exercise, last())] == [
        ("x", "never-returned"),
        ("y", "never-returned"),
        *(("a", ""), ("b", ""), ("c", "")),
    ]
    for other in (None, last(misconception="leaves-early"), last(Status.ERROR, None)):
        assert [hint.text for hint in ladder(exercise, other)] == ["a", "b", "c"]


def test_each_call_shows_the_next_hint_until_the_last(write: Callable[[str], Course]) -> None:
    """And a level shows that one; there is none above the last."""
    exercise = write(EXERCISE + LADDER).exercise("1")
    assert [choose(exercise, last(hints=shown)).text for shown in (0, 1, 2, 4, 9)] == ["x", "y", "a", "c", "c"]
    assert choose(exercise, None).text == "a"
    assert choose(exercise, last(hints=4), level=1).text == "x"
    assert choose(exercise, last(Status.PASS, None, hints=2)).text == "a"
    with pytest.raises(UsageFault, match="exercise-1 has 5 hints; --level takes 1 to 5"):
        choose(exercise, last(), level=6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ladders: {nevr-returned: [x]}\n", r"exercise\.yaml:7: ladders is wrong: 'nevr-returned' is no misconception"),
        ("ladders: {never-returned: []}\n", r"exercise\.yaml:7: ladders is wrong: 'never-returned' has an empty hint"),
        ('ladders: {never-returned: ["  "]}\n', "has an empty hint"),
        ("ladders: {never-returned: [7]}\n", r"ladders\.never-returned\.0 is wrong"),
        ("read_on: {psycopg: x}\n", r"read_on\.psycopg"),
        ('read_on: {asyncpg: ""}\n', r"read_on\.asyncpg is wrong"),
        ("praise: 7\n", "praise is wrong"),
    ],
)
def test_a_ladder_that_nobody_could_climb_is_refused(write: Callable[[str], Course], text: str, told: str) -> None:
    """With its line, before anything is run."""
    with pytest.raises(CourseFault, match=told):
        write(EXERCISE + text).exercise("1")


def test_author_verify_asks_for_finished_ladders(write: Callable[[str], Course], tmp_path: Path) -> None:
    """Hints that repeat or are to be written, and hints on what no wrong solution shows."""
    course = write(
        EXERCISE
        + 'ladders: {never-returned: [TODO, a, z, z], leaves-early: [x]}\npraise: TODO\nread_on: {asyncpg: " "}\n'
    )
    wrong = Solution("exercise-1", tmp_path / "w.py", Kind.WRONG, misconception="never-returned")
    told = [line for line in exercise_problems(course, course.exercise("1"), [wrong]) if line.startswith("exercise.y")]
    assert [line.removeprefix("exercise.yaml: ") for line in told if "title" not in line] == [
        "hint 1 on 'never-returned' is still to be written",
        "hint 2 on 'never-returned' repeats another one",
        "hint 4 on 'never-returned' repeats another one",
        "hints on 'leaves-early', which no file in wrong/ shows; add one, or remove the hints",
        "praise is still to be written",
        "read_on.asyncpg is still to be written",
    ]


def test_the_course_s_own_words(course: Course) -> None:
    """Each exercise says what is good about a pass and what other libraries call it; the first six have ladders."""
    for exercise_id in course.ids:
        about = course.exercise(exercise_id).about
        assert about.praise, exercise_id
        assert set(about.read_on) == {"asyncpg", "psycopg_pool", "SQLAlchemy"}, exercise_id
        if course.ids.index(exercise_id) < 6:
            assert len(about.ladders) >= 3, exercise_id
        for name, hints in about.ladders.items():
            assert 2 <= len(hints) <= 3, (exercise_id, name)


# --- progress ---


def test_the_overview_says_where_a_learner_stands(write: Callable[[str], Course], tmp_path: Path) -> None:
    """Passed, passed before, failed, not begun; and the one next step for each of them."""
    course = write(EXERCISE)
    work = create(tmp_path / "practice", course)

    def standings() -> tuple[list[str], str]:
        found = look(work, course, NOON)
        return [row.standing.value for row in found.exercises], found.next.command

    assert standings() == (["open", "open", "open"], "poolkit show exercise-1")
    work.note(report(Status.FAIL), None, NOON)
    assert standings() == (["failed", "open", "open"], "poolkit hint exercise-1")
    work.note(report(Status.PASS), b"x", NOON)
    assert standings() == (["passed", "open", "open"], "poolkit show exercise-2")
    work.note(report(Status.FAIL), None, NOON)
    assert standings() == (["slipped", "open", "open"], "poolkit diff exercise-1")
    for number in (1, 2, 3):
        work.note(report(Status.PASS, f"exercise-{number}"), b"x", NOON)
    assert standings() == (["passed"] * 3, "poolkit practice")
    row = look(work, course, NOON).exercises[0]
    assert (row.standing, row.points, row.max_points, row.on) == (Standing.PASSED, 2, 2, NOON)


def test_the_next_exercise_is_the_one_after_that_is_open(write: Callable[[str], Course]) -> None:
    """Else the first that was left out; when all have passed there is none."""
    course = write(EXERCISE)
    state = State(passed={"exercise-2": Pass(points=1, at=NOON)})
    assert next_exercise(course, state, "exercise-1") == "exercise-3"
    assert next_exercise(course, state, "exercise-3") == "exercise-1"
    assert next_exercise(course, State(passed=dict.fromkeys(course.ids, Pass(points=1, at=NOON)))) is None


def test_quizzes_that_were_taken_show_with_their_points(course: Course, tmp_path: Path) -> None:
    """The last time counts; a quiz that was begun shows as begun, and answers that fit it no longer as taken."""
    work = Workspace(tmp_path)
    folder = tmp_path / ".poolkit" / "quizzes"
    folder.mkdir(parents=True)
    empty = "poolkit_answers: 1\nquiz: {}\nanswers: {{}}\n"
    (folder / "pool-lifecycle-2026-11-22T12-00-05.yaml").write_text("broken: [")
    (folder / "pool-lifecycle-2026-11-23T12-00-05.yaml").write_text(empty.format("pool-lifecycle"))
    (folder / "pool-startup-2026-11-22T12-00-05.yaml").write_text("broken: [")
    (folder / "transactions.yaml").write_text(empty.format("transactions"))
    found = {row.id: row for row in look(work, course, NOON).quizzes}
    assert found["pool-lifecycle"].points.startswith("0/")
    assert (found["pool-startup"].points, found["pool-startup"].begun) == ("", False)
    assert found["transactions"].begun
    assert len(found) == 3


# --- what has changed ---


def test_a_diff_is_safe_to_show(tmp_path: Path) -> None:
    """What a learner's file holds reaches the terminal as plain text, and what is no exercise is refused."""
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.write_bytes(b"a\nb\n\xff\n")
    new.write_bytes(b"a\n\x1b[31mc\x07\n\xff\n")
    assert unified(old, new, "old", "new") == [
        "--- old",
        "+++ new",
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "+c\\x07",
        " \ufffd",
    ]
    assert unified(old, old, "old", "new") == []
    new.write_bytes(b"x" * 300_000)
    with pytest.raises(UsageFault, match="over 256 KiB"):
        unified(old, new, "old", "new")
    with pytest.raises(UsageFault, match=rf"gone\.py: {os.strerror(errno.ENOENT)}"):
        unified(old, tmp_path / "gone.py", "old", "new")


# --- as its users run it ---


def test_from_a_pass_to_a_leak_and_back(tmp_path: Path, poolkit: Poolkit) -> None:
    """A pass says what is good and what to read on; when it breaks, hint, progress, diff and reset help back."""
    assert poolkit("init", "practice").returncode == 0
    practice = tmp_path / "practice"
    mine, right = practice / "exercises" / "exercise-3" / "app.py", ROOT / "solutions" / "exercise-3"
    assert "nothing is new" in poolkit("upgrade", cwd=practice).stdout
    assert poolkit("diff", "3", cwd=practice).stderr.startswith("poolkit: no version of exercise-3 that passed is kept")
    refused = poolkit("diff", "3", "--solution", cwd=practice)
    assert (refused.returncode, refused.stdout) == (2, "")

    shutil.copyfile(right / "app.py", mine)
    ran = poolkit("check", "3", cwd=practice)
    assert ran.returncode == 0, ran.stderr
    for told in ("Well done", "poolkit solution exercise-3", "asyncpg", "psycopg_pool", "SQLAlchemy", "exercise-4"):
        assert told in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert "is the same as the reference" in poolkit("diff", "3", "--solution", cwd=practice).stdout

    shutil.copyfile(right / "wrong" / "never_returns.py", mine)
    ran = poolkit("check", "3", cwd=practice)
    assert ran.returncode == 1
    assert "Well done" not in ran.stdout
    first, second = poolkit("hint", "3", cwd=practice).stdout, poolkit("hint", "3", cwd=practice).stdout
    assert "on what the last check found: never-returned" in first
    assert second.startswith("Hint 2 of ")
    assert "From the start: poolkit hint exercise-3 --level 1" in second
    ran = poolkit("progress", cwd=practice)
    assert "  ! exercise-3   Borrow, use, return" in ran.stdout
    assert ran.stdout.rstrip().endswith("Next  poolkit diff exercise-3  (what has changed since it passed)")
    assert max(map(len, ran.stdout.splitlines())) <= 80
    diff = poolkit("diff", "3", cwd=practice).stdout
    assert diff.startswith("--- app.py (as it last passed)\n+++ app.py (yours now)\n")
    assert "-    async with database.connection() as connection:\n" in diff
    assert poolkit("reset", "3", "--last-pass", cwd=practice).returncode == 0
    assert mine.read_bytes() == (right / "app.py").read_bytes()


def test_only_the_learners_own_file_counts(tmp_path: Path, poolkit: Poolkit) -> None:
    """A file from elsewhere that passes is no pass of theirs, in whatever way it is named."""
    assert poolkit("init", "practice").returncode == 0
    elsewhere = tmp_path / "elsewhere" / "exercise-3"
    elsewhere.mkdir(parents=True)
    shutil.copyfile(ROOT / "solutions" / "exercise-3" / "app.py", elsewhere / "app.py")
    practice = tmp_path / "practice"
    for arguments in (["3", "--path", str(elsewhere)], [str(elsewhere)], ["3", "--solution"]):
        ran = poolkit("check", *arguments, cwd=practice)
        assert (ran.returncode, "Well done" in ran.stdout) == (0, False), ran.stderr
    assert "✓" not in poolkit("list", cwd=practice).stdout


def test_progress_that_cannot_be_read_is_one_line_on_stderr(tmp_path: Path, poolkit: Poolkit) -> None:
    """Whichever command meets it first; the next one is quiet."""
    assert poolkit("init", "practice").returncode == 0
    practice = tmp_path / "practice"
    (practice / ".poolkit" / "progress.json").write_text("{")
    ran = poolkit("list", cwd=practice)
    assert ran.returncode == 0
    assert ran.stderr.count("\n") == 1
    assert "it is kept as progress-unreadable-" in ran.stderr
    assert poolkit("list", cwd=practice).stderr == ""


def test_a_workspace_without_the_exercise_says_how_to_get_it(tmp_path: Path, poolkit: Poolkit) -> None:
    """Such as one that was made before the exercise was."""
    assert poolkit("init", "practice").returncode == 0
    shutil.rmtree(tmp_path / "practice" / "exercises" / "exercise-3")
    ran = poolkit("check", "3")
    assert ran.returncode == 2
    assert "`poolkit upgrade` brings the exercises that are new" in ran.stderr
    assert "+ exercise-3  a new exercise: Borrow, use, return\n1 change.\n" in poolkit("upgrade").stdout
