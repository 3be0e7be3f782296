"""`poolkit.workspace`: nothing of a learner's is ever overwritten, lost or left half done."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from poolkit import workspace
from poolkit.course import Course
from poolkit.errors import CourseFault, WorkspaceFault
from poolkit.workspace import Workspace, create, find, write_atomically

NOON = datetime(2026, 11, 22, 12, 0, 5)
STUB = "# TODO: é\n"
EXERCISE = """\
title: An exercise
concepts: [borrow]
difficulty: 1
databases: [shop.db, log.db]
trace: [/]
hints: [a, b, c]
misconceptions: {never-returned: It hurts.}
"""


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course of two exercises, the second without a schema and a lesson."""
    root = tmp_path / "course"
    for number in (1, 2):
        folder = root / "exercises" / f"exercise-{number}"
        folder.mkdir(parents=True)
        (folder / "exercise.yaml").write_text(EXERCISE)
        (folder / "README.md").write_text("# Exercise\n")
        (folder / "app.py").write_text(STUB, encoding="utf-8")
        (root / "solutions" / f"exercise-{number}").mkdir(parents=True)
        (root / "solutions" / f"exercise-{number}" / "app.py").write_text("solved")
    (root / "exercises" / "exercise-1" / "schema.sql").write_text(
        "CREATE TABLE items (a); INSERT INTO items VALUES (7)"
    )
    (root / "exercises" / "course.yaml").write_text(
        "title: Course\nexercises: [{id: exercise-1, title: One}, {id: exercise-2, title: Two}]\n"
    )
    return Course(root)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder to make workspaces in."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def work(course: Course, home: Path) -> Workspace:
    """A workspace."""
    return create(home / "practice", course)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- making one ---


def test_a_workspace_has_what_a_learner_needs(work: Workspace) -> None:
    """Stubs, texts and databases to run them on, and not the course's own files."""
    assert files(work.root) == [
        *(".poolkit/given.json", ".poolkit/workspace.json"),
        *("exercises/exercise-1/README.md", "exercises/exercise-1/app.py", "exercises/exercise-1/log.db"),
        *("exercises/exercise-1/schema.sql", "exercises/exercise-1/shop.db"),
        *("exercises/exercise-2/README.md", "exercises/exercise-2/app.py"),
    ]
    for name in ("shop.db", "log.db"):
        connection = sqlite3.connect(work.folder("exercise-1") / name)
        assert connection.execute("SELECT a FROM items").fetchall() == [(7,)]
        connection.close()
    assert os.stat(work.root).st_mode & 0o777 == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_empty_folder_will_do(course: Course, home: Path) -> None:
    """And so will one in folders that do not exist yet."""
    (home / "empty").mkdir()
    assert files(create(home / "empty", course).root)
    assert files(create(home / "deep" / "er" / "still", course).root)


@pytest.mark.parametrize("made", ["folder", "file", "hidden file", "workspace"])
def test_nothing_is_overwritten(course: Course, home: Path, made: str) -> None:
    """Where anything is already, `init` refuses in a line and changes nothing."""
    root = home / "practice"
    match made:
        case "folder":
            (root / "sub").mkdir(parents=True)
        case "file":
            root.write_text("mine")
        case "hidden file":
            root.mkdir()
            (root / ".hidden").write_text("mine")
        case _:
            create(root, course)
            (root / "exercises" / "exercise-1" / "app.py").write_text("mine")
    before = files(home)
    with pytest.raises(WorkspaceFault, match="practice: already there; choose a new folder"):
        create(root, course)
    assert files(home) == before
    if made == "workspace":
        assert (root / "exercises" / "exercise-1" / "app.py").read_text() == "mine"


@pytest.mark.parametrize("broken", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", range(6))
@pytest.mark.parametrize("empty_folder", [True, False])
def test_an_interrupted_init_leaves_nothing(
    course: Course,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: BaseException,
    call: int,
    empty_folder: bool,
) -> None:
    """Whichever step it is that fails, there is no half of a workspace, and nothing beside it."""
    if empty_folder:
        (home / "practice").mkdir()
    left = call

    def stepped(real: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **settings: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise broken
            return real(*args, **settings)

        return step

    monkeypatch.setattr(shutil, "copyfile", stepped(shutil.copyfile))
    monkeypatch.setattr(workspace, "write_atomically", stepped(write_atomically))
    monkeypatch.setattr(Path, "rename", stepped(Path.rename))
    with pytest.raises((WorkspaceFault, KeyboardInterrupt)) as caught:
        create(home / "practice", course)
    if isinstance(caught.value, WorkspaceFault):
        assert str(caught.value).endswith("practice: cannot be made (No space left on device); choose another folder")
    assert files(home) == []
    assert [path.name for path in home.iterdir()] in ([], ["practice"])


@pytest.mark.parametrize(
    ("file", "content"),
    [("schema.sql", b"CREATE TABLE ("), ("schema.sql", b"\xff"), ("exercise.yaml", b"title: [")],
)
def test_a_broken_course_makes_no_workspace(course: Course, home: Path, file: str, content: bytes) -> None:
    """It is the course's fault, told with the file's name, and nothing is left behind."""
    (course.root / "exercises" / "exercise-1" / file).write_bytes(content)
    with pytest.raises(CourseFault, match=rf"exercise-1/{file}"):
        create(home / "practice", course)
    assert list(home.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(course: Course, home: Path) -> None:
    """In a line with the reason."""
    (home / "file").write_text("")
    with pytest.raises(WorkspaceFault, match=r"practice: cannot be made \(.*\); choose another folder"):
        create(home / "file" / "practice", course)


# --- finding it ---


def test_a_workspace_is_found_from_within_and_from_beside(work: Workspace, home: Path) -> None:
    """From any folder in it, and from the one that it is the only workspace in."""
    for start in (work.root, work.folder("exercise-1"), home):
        found = find(start)
        assert found
        assert found.root == work.root


def test_no_guess_is_made_between_two(work: Workspace, course: Course, home: Path) -> None:
    """Of two workspaces beside each other neither is meant."""
    create(home / "other", course)
    assert find(home) is None
    assert find(home / "gone") is None


def test_a_checkout_of_a_course_is_one_too(course: Course) -> None:
    """Whoever writes a course tries it where it is."""
    found = find(course.root / "exercises")
    assert found
    assert found.root == course.root


# --- resetting ---


def test_reset_puts_the_stub_back_and_keeps_what_was_there(work: Workspace, course: Course) -> None:
    """In a dated copy; a second reset in the same second makes a second copy."""
    file = work.folder("exercise-1") / "app.py"
    kept = []
    for text in ("first", "second", "third"):
        file.write_text(text)
        kept.append(work.reset(course.exercise("1"), NOON))
        assert file.read_text(encoding="utf-8") == STUB
    assert [path.relative_to(work.root).as_posix() for path in kept] == [
        ".poolkit/kept/exercise-1/app-2026-11-22T12-00-05.py",
        ".poolkit/kept/exercise-1/app-2026-11-22T12-00-05-2.py",
        ".poolkit/kept/exercise-1/app-2026-11-22T12-00-05-3.py",
    ]
    assert [path.read_text() for path in kept] == ["first", "second", "third"]


def test_a_reset_that_fails_loses_nothing(work: Workspace, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """The learner's file is as it was, and so is its copy."""
    file = work.folder("exercise-1") / "app.py"
    file.write_text("mine")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        work.reset(course.exercise("1"), NOON)
    assert file.read_text() == "mine"


def test_reset_brings_the_last_passing_version_back(work: Workspace, course: Course) -> None:
    """Byte for byte, with a copy of what was there; without one that passed, nothing is touched."""
    exercise, file = course.exercise("1"), work.folder("exercise-1") / "app.py"
    file.write_text("broken")
    with pytest.raises(WorkspaceFault, match="no version of exercise-1 that passed is kept here"):
        work.reset(exercise, NOON, last_pass=True)
    assert file.read_text() == "broken"
    kept = work.progress().passing("exercise-1", "app.py")
    kept.parent.mkdir(parents=True)
    kept.write_bytes("# caf\xe9\r\n".encode("latin-1"))
    copy = work.reset(exercise, NOON, last_pass=True)
    assert file.read_bytes() == kept.read_bytes()
    assert copy.read_text() == "broken"


def test_a_learners_own_file_is_told_from_others(work: Workspace, course: Course) -> None:
    """By whatever path it is named."""
    exercise, file = course.exercise("1"), work.folder("exercise-1") / "app.py"
    assert work.own(exercise, file.parent / ".." / "exercise-1" / "app.py") == file.read_bytes()
    assert work.own(exercise, exercise.reference) is None
    file.unlink()
    assert work.own(exercise, file) is None


def test_there_must_be_something_to_reset(work: Workspace, course: Course) -> None:
    """The message says how to get one."""
    (work.folder("exercise-1") / "app.py").unlink()
    with pytest.raises(WorkspaceFault, match=r"app\.py: no such file; run `poolkit upgrade`"):
        work.reset(course.exercise("1"), NOON)


# --- writing ---


def test_writing_keeps_a_file_s_mode(tmp_path: Path) -> None:
    """A file that only its owner may read stays so; a new one is readable as usual."""
    path = tmp_path / "file"
    write_atomically(path, "é")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == ("é".encode(), 0o644)
    path.chmod(0o600)
    write_atomically(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
