"""`poolkit.upgrade`: what is new in a course comes into a workspace, and nothing of the learner's is touched."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from poolkit.course import Course, open_course
from poolkit.errors import CourseFault, WorkspaceFault
from poolkit.report import Assurance, CheckReport, Report, Status
from poolkit.upgrade import Change, upgrade
from poolkit.workspace import Workspace, create

NOON = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
EXERCISE = """\
title: An exercise
concepts: [borrow]
difficulty: 1
databases: [shop.db]
trace: [/]
hints: [a, b, c]
misconceptions: {never-returned: It hurts.}
"""


def add(root: Path, name: str) -> None:
    """Give a course an exercise's files."""
    folder = root / "exercises" / name
    folder.mkdir(parents=True)
    (folder / "exercise.yaml").write_text(EXERCISE)
    (folder / "README.md").write_text("# Old\n")
    (folder / "app.py").write_text("# TODO\n")
    (folder / "schema.sql").write_text("CREATE TABLE items (a);")


def order(root: Path, *entries: str, title: str = "Course") -> Course:
    """Write the course's list of exercises, and open it anew."""
    listed = "".join(f"  - {{{entry}}}\n" for entry in entries)
    (root / "exercises" / "course.yaml").write_text(f"title: {title}\nexercises:\n{listed}")
    return open_course(root)


ONE, TWO = "id: exercise-1, title: One", "id: exercise-2, title: Two"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a course with two exercises."""
    root = tmp_path / "course"
    for name in ("exercise-1", "exercise-2"):
        add(root, name)
    order(root, ONE, TWO)
    return root


@pytest.fixture
def course(root: Path) -> Course:
    """That course."""
    return open_course(root)


@pytest.fixture
def work(course: Course, tmp_path: Path) -> Workspace:
    """A workspace that was made from it."""
    return create(tmp_path / "practice", course)


def texts(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.kind, change.exercise, change.text) for change in changes]


def content(work: Workspace) -> dict[str, bytes]:
    return {
        path.relative_to(work.root).as_posix(): path.read_bytes() for path in work.root.rglob("*") if path.is_file()
    }


def passed(exercise: str) -> Report:
    return Report(exercise, "T", "app.py", 1, (CheckReport("a", "A", Status.PASS, 1, 1),), Assurance(), 0.1)


# --- what comes in ---


def test_without_news_nothing_is_done(work: Workspace, course: Course) -> None:
    """Not even when the learner has worked in every file."""
    for path in work.folder("exercise-1").iterdir():
        path.write_bytes(b"mine")
    before = content(work)
    assert upgrade(work, course) == []
    assert {**content(work)} | {".poolkit/upgrade.lock": b""} == before | {".poolkit/upgrade.lock": b""}


def test_new_exercises_and_changed_files_come_in(work: Workspace, root: Path) -> None:
    """A second upgrade has nothing left to do."""
    add(root, "exercise-3")
    (root / "exercises" / "exercise-1" / "README.md").write_text("# New\n")
    (root / "exercises" / "exercise-1" / "lesson.md").write_text("# Lesson\n")
    course = order(root, ONE, TWO, "id: exercise-3, title: Three")
    assert texts(upgrade(work, course)) == [
        ("changed", "exercise-1", "README.md is new"),
        ("new", "exercise-1", "lesson.md was not there"),
        ("new", "exercise-3", "a new exercise: An exercise"),
    ]
    assert (work.folder("exercise-1") / "README.md").read_text() == "# New\n"
    assert (work.folder("exercise-3") / "shop.db").is_file()
    assert upgrade(work, course) == []


def test_what_both_have_changed_is_put_beside(work: Workspace, root: Path, course: Course) -> None:
    """The learner's stays; the next version takes the place of the one beside, unless the learner has changed that."""
    mine = work.folder("exercise-1") / "README.md"
    mine.write_text("my notes")
    for text in ("# Second\n", "# Third\n"):
        (root / "exercises" / "exercise-1" / "README.md").write_text(text)
        (change,) = upgrade(work, course)
        told = "README.md is new in the course, and you have changed yours: see README.md.new"
        assert (change.kind, change.text) == ("beside", told)
        assert mine.read_text() == "my notes"
        assert mine.with_name("README.md.new").read_text() == text
        assert upgrade(work, course) == []
    mine.with_name("README.md.new").write_text("my own")
    (root / "exercises" / "exercise-1" / "README.md").write_text("# Fourth\n")
    assert upgrade(work, course)[0].text.endswith("see README.md.new-2")
    assert mine.with_name("README.md.new").read_text() == "my own"


def test_a_learners_solution_is_never_touched(work: Workspace, root: Path, course: Course) -> None:
    """A new stub is put beside it; only a stub in which nobody has written anything is replaced."""
    mine = work.folder("exercise-1") / "app.py"
    mine.write_text("my solution")
    for name in ("exercise-1", "exercise-2"):
        (root / "exercises" / name / "app.py").write_text("# TODO, better\n")
    assert [(change.kind, change.exercise) for change in upgrade(work, course)] == [
        ("beside", "exercise-1"),
        ("changed", "exercise-2"),
    ]
    assert mine.read_text() == "my solution"
    assert mine.with_name("app.py.new").read_text() == "# TODO, better\n"
    assert (work.folder("exercise-2") / "app.py").read_text() == "# TODO, better\n"


def test_a_database_follows_its_schema_alone(work: Workspace, root: Path, course: Course) -> None:
    """One that an app has used stays when the schema is as before, and is never overwritten when it is not."""
    used, unused = (work.folder(name) / "shop.db" for name in ("exercise-1", "exercise-2"))
    with sqlite3.connect(used) as connection:
        connection.execute("INSERT INTO items VALUES (7)")
    connection.close()
    assert upgrade(work, course) == []
    for name in ("exercise-1", "exercise-2"):
        (root / "exercises" / name / "schema.sql").write_text("CREATE TABLE items (a, b);")
    assert [(change.kind, change.text.split()[0]) for change in upgrade(work, course)] == [
        ("changed", "schema.sql"),
        ("beside", "shop.db"),
        ("changed", "schema.sql"),
        ("changed", "shop.db"),
    ]
    for path, columns in ((used, 1), (used.with_name("shop.db.new"), 2), (unused, 2)):
        connection = sqlite3.connect(path)
        assert len(connection.execute("SELECT * FROM items").description) == columns, path
        connection.close()
    assert upgrade(work, course) == []


def test_a_workspace_from_before_digests_is_brought_up(work: Workspace, root: Path, course: Course) -> None:
    """Nobody knows what was given to it, so whatever differs stays; from then on it is known."""
    (work.root / ".poolkit" / "given.json").unlink()
    solution, readme = (work.folder("exercise-1") / name for name in ("app.py", "README.md"))
    solution.write_text("my solution")
    (root / "exercises" / "exercise-1" / "README.md").write_text("# New\n")
    add(root, "exercise-3")
    course = order(root, ONE, TWO, "id: exercise-3, title: Three")
    assert texts(upgrade(work, course)) == [
        ("beside", "exercise-1", "README.md is new in the course, and yours is another: see README.md.new"),
        ("new", "exercise-3", "a new exercise: An exercise"),
    ]
    assert (solution.read_text(), readme.read_text()) == ("my solution", "# Old\n")
    assert upgrade(work, course) == []


def test_what_is_missing_comes_back(work: Workspace, course: Course) -> None:
    """Also a file or a folder that was deleted by mistake."""
    (work.folder("exercise-1") / "app.py").unlink()
    shutil.rmtree(work.folder("exercise-2"))
    assert texts(upgrade(work, course)) == [
        ("new", "exercise-1", "app.py was not there"),
        ("new", "exercise-2", "a new exercise: An exercise"),
    ]


def test_an_exercise_that_the_course_has_dropped_stays(work: Workspace, root: Path) -> None:
    """It is told once."""
    course = order(root, ONE)
    assert texts(upgrade(work, course)) == [
        ("stays", "exercise-2", "no longer in the course; your folder stays as it is")
    ]
    assert (work.folder("exercise-2") / "app.py").exists()
    assert upgrade(work, course) == []


# --- renames ---


def test_folder_and_progress_follow_a_new_id(work: Workspace, root: Path) -> None:
    """The learner's file, its pass and what is kept move along; the old name still finds the exercise."""
    (work.folder("exercise-2") / "app.py").write_text("my solution")
    work.note(passed("exercise-2"), b"my solution", NOON)
    (root / "exercises" / "exercise-2").rename(root / "exercises" / "borrow")
    course = order(root, ONE, "id: borrow, title: Two, formerly: [older, exercise-2]")
    assert texts(upgrade(work, course)) == [("renamed", "borrow", "was exercise-2 before; your work has moved along")]
    assert (work.folder("borrow") / "app.py").read_text() == "my solution"
    assert not work.folder("exercise-2").exists()
    assert work.has_passed("borrow")
    assert work.last_passing(course.exercise("exercise-2")).read_text() == "my solution"
    assert upgrade(work, course) == []


def test_two_folders_for_one_exercise_are_left_alone(work: Workspace, root: Path) -> None:
    """Which of them counts is for the learner to say."""
    (root / "exercises" / "exercise-2").rename(root / "exercises" / "borrow")
    course = order(root, ONE, "id: borrow, title: Two, formerly: [exercise-2]")
    shutil.copytree(work.folder("exercise-2"), work.folder("borrow"))
    (change, _) = upgrade(work, course)
    assert (change.kind, change.text) == (
        "stays",
        "was exercise-2 before, and both folders are here; exercise-2 stays as it is",
    )
    assert work.folder("exercise-2").exists()


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ((ONE, "id: b, title: B, formerly: [exercise-1]"), "'b' was formerly 'exercise-1', which is the id of an"),
        (("id: a, title: A, formerly: [b]", "id: b, title: B, formerly: [a]"), "'a' was formerly 'b'"),
        (("id: a, title: A, formerly: [a]",), "'a' was formerly 'a'"),
        (("id: a, title: A, formerly: [x]", "id: b, title: B, formerly: [x]"), "former id of 'a' and of 'b'"),
        (("id: a, title: A, formerly: [../x]",), r"course\.yaml:3: exercises\.0\.formerly\.0 is wrong"),
    ],
)
def test_renames_that_could_mean_two_things_are_refused(root: Path, entries: tuple[str, ...], told: str) -> None:
    """A ring, an id that is in use again, one that two exercises had: the course is at fault."""
    with pytest.raises(CourseFault, match=told):
        _ = order(root, *entries).about


# --- interrupted, refused ---


# Upgrades copies of a workspace, each in a process that is killed at another step: before a file is written or moved.
KILLED = """
import os, shutil, sys
from pathlib import Path
from poolkit import upgrade
from poolkit.course import open_course
from poolkit.workspace import Workspace

def stepped(real):
    def run(*args):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return real(*args)
    return run

untouched, course, step = Path(sys.argv[1]), open_course(Path(sys.argv[2])), 0
while True:
    copy = untouched.with_name(f"untouched-{step}")
    shutil.copytree(untouched, copy)
    child = os.fork()
    if child == 0:
        left = step
        for module, name in ((upgrade, "write_atomically"), (os, "rename"), (os, "replace")):
            setattr(module, name, stepped(getattr(module, name)))
        upgrade.upgrade(Workspace(copy), course)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    step += 1
print(step)
"""


def test_an_upgrade_that_is_killed_anywhere_goes_on(root: Path, course: Course, tmp_path: Path) -> None:
    """After a kill at each of its steps in turn, the next upgrade ends as one that nobody has killed."""
    (tmp_path / "w").mkdir()
    model = create(tmp_path / "w" / "model", course)
    (model.folder("exercise-1") / "README.md").write_text("my notes")
    (model.folder("exercise-2") / "app.py").write_text("my solution")
    model.note(passed("exercise-2"), b"my solution", NOON)
    (root / "exercises" / "exercise-2").rename(root / "exercises" / "borrow")
    add(root, "exercise-3")
    for name in ("exercise-1", "borrow"):
        (root / "exercises" / name / "README.md").write_text("# New\n")
        (root / "exercises" / name / "schema.sql").write_text("CREATE TABLE items (a, b);")
    course = order(root, ONE, "id: borrow, title: Two, formerly: [exercise-2]", "id: exercise-3, title: Three")
    untouched = tmp_path / "w" / "untouched"
    shutil.copytree(model.root, untouched)
    upgrade(model, course)
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(untouched), str(root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(ran.stdout) > 10
    for step in range(int(ran.stdout)):
        killed = Workspace(tmp_path / "w" / f"untouched-{step}")
        upgrade(killed, course)
        assert content(killed) == content(model), f"killed at step {step}"


def test_a_workspace_of_another_course_is_refused(work: Workspace, root: Path) -> None:
    """`--force` is for a course that has a new title; nothing is done without it."""
    add(root, "exercise-3")
    course = order(root, ONE, TWO, "id: exercise-3, title: Three", title="New title")
    before = content(work)
    with pytest.raises(WorkspaceFault, match="was made from the course 'Course', and this is 'New title'"):
        upgrade(work, course)
    assert content(work) == before
    assert len(upgrade(work, course, force=True)) == 1
    assert upgrade(work, course) == []


def test_a_course_is_no_workspace(root: Path, course: Course) -> None:
    """Whoever writes it would otherwise find files of their own replaced."""
    with pytest.raises(WorkspaceFault, match="a course, and no workspace"):
        upgrade(Workspace(root), course)


def test_digests_that_cannot_be_read_cost_nothing(work: Workspace, root: Path, course: Course) -> None:
    """Without them whatever differs stays, as in a workspace that has none."""
    (work.root / ".poolkit" / "given.json").write_text('{"poolkit_given": 99')
    (root / "exercises" / "exercise-1" / "README.md").write_text("# New\n")
    assert [change.kind for change in upgrade(work, course)] == ["beside"]
    assert json.loads((work.root / ".poolkit" / "given.json").read_text())["poolkit_given"] == 1


def test_copies_of_quizzes_are_refreshed_and_the_learners_changes_stay(course: Course, tmp_path: Path) -> None:
    """A quiz that is new comes, one that changed is replaced, and one that the learner wrote into is put beside."""
    work = create(tmp_path / "with-quizzes", course, {"quizzes/a.yaml": "a: 1", "quizzes/b.yaml": "b: 1"})
    (work.root / "quizzes" / "b.yaml").write_text("b: 1  # why?")
    now = {"quizzes/a.yaml": "a: 2", "quizzes/b.yaml": "b: 2", "quizzes/c.yaml": "c: 1"}
    assert texts(upgrade(work, course, now)) == [
        ("changed", "quizzes", "a.yaml is new"),
        ("beside", "quizzes", "b.yaml is new in the course, and you have changed yours: see b.yaml.new"),
        ("new", "quizzes", "c.yaml was not there"),
    ]
    found = {path.name: path.read_text() for path in (work.root / "quizzes").iterdir()}
    assert found == {"a.yaml": "a: 2", "b.yaml": "b: 1  # why?", "b.yaml.new": "b: 2", "c.yaml": "c: 1"}
    assert upgrade(work, course, now) == []


def test_a_workspace_without_quizzes_gets_them(work: Workspace, course: Course) -> None:
    """As one that was made before quizzes came into workspaces."""
    assert texts(upgrade(work, course, {"quizzes/a.yaml": "a: 1"})) == [("new", "quizzes", "a.yaml was not there")]
    assert (work.root / "quizzes" / "a.yaml").read_text() == "a: 1"
