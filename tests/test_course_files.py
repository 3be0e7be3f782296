"""`poolkit.course`: a course is found and read, and what is wrong with its files is told with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from poolkit.course import Course, find_course, private_folders
from poolkit.errors import CourseFault, UnknownExercise

COURSE = """\
title: A small course
exercises:
  - id: exercise-1
    title: First
  - id: leaks-2
    title: Second
"""
EXERCISE = """\
title: First
concepts: [borrow]
difficulty: 2
trace: [/items/1]
hints: [a, b, c]
misconceptions:
  never-returned: It hurts.
"""

Replaced = Callable[..., Course]


@pytest.fixture
def written(tmp_path: Path) -> Replaced:
    """Make a course of two exercises, with a text replaced in one of its files."""

    def make(file: str = "exercise.yaml", old: str = "", new: str = "") -> Course:
        for name in ("exercise-1", "leaks-2"):
            folder = tmp_path / "exercises" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "exercise.yaml").write_text(EXERCISE.replace(old, new) if file == "exercise.yaml" else EXERCISE)
        course = COURSE.replace(old, new) if file == "course.yaml" else COURSE
        (tmp_path / "exercises" / "course.yaml").write_text(course)
        return Course(tmp_path)

    return make


@pytest.mark.parametrize(
    "name",
    [
        *("exercise-1", "1", "01", "000001", "exercises/exercise-1", "exercises/exercise-1/", "/a/exercise-1"),
        *("exercises/exercise-1/app.py", "exercise-1/my_app.py"),
    ],
)
def test_an_exercise_goes_by_many_names(written: Replaced, name: str) -> None:
    """Its id, its number, its folder or a file in that, as a shell completes them."""
    assert written().exercise(name).id == "exercise-1"


def test_a_number_is_that_of_the_id(written: Replaced) -> None:
    """Not the place in the list."""
    assert written().exercise("2").id == "leaks-2"


@pytest.mark.parametrize(
    "name", ["", "3", "exercise", "Exercise-1", "..", "/", "app.py", "-1", "1.0", "²", "1" * 7, "a\0b", "x" * 5000]
)
def test_an_unknown_name_is_told_with_what_there_is(written: Replaced, name: str) -> None:
    """In one line that shows the name safely and the exercises that exist."""
    with pytest.raises(UnknownExercise) as caught:
        written().exercise(name)
    text = str(caught.value)
    assert "`poolkit list` shows them: exercise-1 to leaks-2" in text
    assert text.isprintable()
    assert len(text) < 200
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "problem"),
    [
        ("exercise.yaml", "title: First\n", "", 1, "title is missing; add it"),
        ("exercise.yaml", "concepts", "consepts", 1, "concepts is missing; add it"),
        ("exercise.yaml", "difficulty: 2\n", "difficulty: 2\nlevel: 3\n", 4, "level is not a field of this file"),
        ("exercise.yaml", "difficulty: 2", "difficulty: 9", 3, "difficulty is wrong: .*less than or equal to 5"),
        ("exercise.yaml", "difficulty: 2", "difficulty: '2'", 3, "difficulty is wrong"),
        ("exercise.yaml", "difficulty: 2", "difficulty: yes", 3, "difficulty is wrong"),
        ("exercise.yaml", "[a, b, c]", "[a, b]", 5, "hints is wrong"),
        ("exercise.yaml", "[a, b, c]", "\n  - a\n  - 7\n  - c", 7, "hints.1 is wrong: .*valid string"),
        ("exercise.yaml", "  never-returned: It hurts.", "  never-returned: 7", 7, "misconceptions.never-returned is"),
        ("exercise.yaml", "trace:", "limits: {check_s: 0}\ntrace:", 4, "limits.check_s is wrong"),
        ("exercise.yaml", "trace:", "entry: ../app:app\ntrace:", 4, "entry is wrong"),
        ("exercise.yaml", "trace:", "databases: []\ntrace:", 4, "databases is wrong"),
        ("exercise.yaml", EXERCISE, "- a list\n", 1, "must hold named fields such as `title: ...`"),
        ("exercise.yaml", EXERCISE, "", 1, "must hold named fields such as `title: ...`"),
        ("course.yaml", "leaks-2", "exercise-1", None, "exercise 'exercise-1' stands there twice; ids are unique"),
        ("course.yaml", "leaks-2", "../../etc", 5, "exercises.1.id is wrong"),
        ("course.yaml", "leaks-2", "Leaks", 5, "exercises.1.id is wrong"),
        ("course.yaml", "    title: Second\n", "", 5, "exercises.1.title is missing; add it"),
    ],
)
def test_a_broken_file_is_told_with_its_line(
    written: Replaced, file: str, old: str, new: str, place: int | None, problem: str
) -> None:
    """The message is one line: the file, the line, the field and what to do."""
    course = written(file, old, new)
    with pytest.raises(CourseFault) as caught:
        course.exercise("1")
    where = f":{place}" if place else ""
    assert re.match(f"{re.escape(str(course.root))}/exercises/.*{file}{where}: {problem}", str(caught.value))
    assert "\n" not in str(caught.value)


def test_an_exercise_that_is_listed_must_be_there(written: Replaced) -> None:
    """The message names the missing file."""
    course = written()
    (course.root / "exercises" / "exercise-1" / "exercise.yaml").unlink()
    with pytest.raises(CourseFault, match=r"exercise-1/exercise\.yaml: no such file; every exercise needs it"):
        course.exercise("1")


def test_files_are_where_the_layout_says(written: Replaced) -> None:
    """Everything of an exercise is found by its id; the file that a learner edits is named by `entry`."""
    course = written("exercise.yaml", "trace:", "entry: shop:application\ntrace:")
    exercise = course.exercise("leaks-2")
    assert exercise.file_name == "shop.py"
    assert exercise.stub == course.root / "exercises" / "leaks-2" / "shop.py"
    assert exercise.reference == course.root / "solutions" / "leaks-2" / "shop.py"
    assert exercise.suite == course.root / "grader" / "suites" / "test_leaks_2.py"
    assert exercise.schema is None


def test_no_lab_may_read_what_gives_the_answers_away(written: Replaced) -> None:
    """Every folder of a course that holds solutions, suites or answers is private."""
    course = written()
    private = private_folders(course)
    exercise = course.exercise("1")
    for path in (exercise.suite, exercise.reference, exercise.folder, course.root / "quizzes" / "a.yaml"):
        assert any(path.is_relative_to(folder) for folder in private), path


def test_the_kit_s_own_course_is_found() -> None:
    """All that it lists can be read."""
    course = find_course()
    assert [course.exercise(name).id for name in course.ids] == course.ids
