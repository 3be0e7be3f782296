"""What must hold of a course's files before anything is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from poolkit import lesson, yamlfile
from poolkit.author.solutions import Kind, Solution
from poolkit.course import Course, Exercise
from poolkit.errors import CourseFault

_TEXTS = ("README.md", "lesson.md", "exercise.yaml", "schema.sql")
_TO_DO = re.compile(r"\bTODO\b")


def exercise_problems(course: Course, exercise: Exercise, found: Sequence[Solution]) -> Iterator[str]:
    """Say what is wrong with an exercise's files, a line each."""
    about = exercise.about
    entry = next(entry for entry in course.about.exercises if entry.id == exercise.id)
    if entry.title != about.title:
        yield f"exercise.yaml: the title is {about.title!r}, and {entry.title!r} in course.yaml; make them one"
    yield from _text_problems(exercise)
    for number, hint in enumerate(about.hints, 1):
        if not hint.strip() or _TO_DO.search(hint):
            yield f"exercise.yaml: hint {number} is still to be written"
        if hint in about.hints[: number - 1]:
            yield f"exercise.yaml: hint {number} repeats an earlier one"
    for name, why in about.misconceptions.items():
        if not why.strip() or _TO_DO.search(why):
            yield f"exercise.yaml: the misconception {name!r} does not say yet why it hurts"
    yield from _ladder_problems(exercise, found)
    kinds = [solution.kind for solution in found]
    least = course.about.least
    for kind, wanted in ((Kind.RIGHT, least.right), (Kind.WRONG, least.wrong)):
        if kinds.count(kind) < wanted:
            yield f"solutions/{exercise.id}/{kind}: {kinds.count(kind)} files; write at least {wanted}"
    for solution in found:
        if solution.kind is Kind.WRONG and solution.misconception not in about.misconceptions:
            yield f"{solution.name}: the misconception {solution.misconception!r} is not in exercise.yaml; add it there"
    yield from _stray(exercise)


def _ladder_problems(exercise: Exercise, found: Sequence[Solution]) -> Iterator[str]:
    """Say what is wrong with what is optional: hints on one misconception, and the words after a pass."""
    about = exercise.about
    shown = {solution.misconception for solution in found if solution.kind is Kind.WRONG}
    for name, hints in about.ladders.items():
        if name not in shown:
            yield f"exercise.yaml: hints on {name!r}, which no file in wrong/ shows; add one, or remove the hints"
        for number, hint in enumerate(hints, 1):
            if _TO_DO.search(hint):
                yield f"exercise.yaml: hint {number} on {name!r} is still to be written"
            if hint in (*about.hints, *hints[: number - 1]):
                yield f"exercise.yaml: hint {number} on {name!r} repeats another one"
    if _TO_DO.search(about.praise):
        yield "exercise.yaml: praise is still to be written"
    for library, text in about.read_on.items():
        if not text.strip() or _TO_DO.search(text):
            yield f"exercise.yaml: read_on.{library} is still to be written"


def _text_problems(exercise: Exercise) -> Iterator[str]:
    for path in (exercise.stub, exercise.reference, exercise.suite, exercise.folder / "README.md", *exercise.given):
        if not path.is_file():
            yield f"{path.name}: missing; {path} is to be written"
    readme = exercise.folder / "README.md"
    if readme.is_file() and (not (text := readme.read_text("utf-8")).startswith("# ") or _TO_DO.search(text)):
        yield "README.md: is to begin with a title, and to be finished"
    if exercise.stub.is_file() and not _TO_DO.search(exercise.stub.read_text("utf-8")):
        yield f"{exercise.file_name}: has no TODO that says where to write"
    if exercise.reference.is_file() and _TO_DO.search(exercise.reference.read_text("utf-8")):
        yield f"solutions/{exercise.id}/{exercise.file_name}: the reference still has a TODO"
    try:
        lesson.load(exercise.folder / "lesson.md")
    except CourseFault as fault:
        yield str(fault).replace(f"{exercise.folder}/", "")


def _stray(exercise: Exercise) -> Iterator[str]:
    wanted = {*_TEXTS, exercise.file_name, *exercise.about.given}
    for path in _entries(exercise.folder):
        if path.name not in wanted and path.name not in exercise.about.databases:
            yield f"{path.name}: a stray file in exercises/{exercise.id}; remove it"
    for path in _entries(exercise.solutions):
        if path.name not in {exercise.file_name, Kind.RIGHT, Kind.WRONG}:
            yield f"{path.name}: a stray file in solutions/{exercise.id}; remove it"
    for kind in (Kind.RIGHT, Kind.WRONG):
        for path in _entries(exercise.solutions / kind):
            if path.suffix != ".py":
                yield f"{kind}/{path.name}: no Python file; remove it from solutions/{exercise.id}"


def course_problems(course: Course) -> Iterator[str]:
    """Say what is wrong with a course as a whole: folders and suites that belong to no exercise."""
    for name in ("exercises", "solutions"):
        for path in _entries(course.root / name):
            if path.is_dir() and path.name not in course.ids:
                yield f"{name}/{path.name}: not in exercises/course.yaml; add it there, or remove it"
    suites = {course.exercise(name).suite.name for name in course.ids}
    for path in sorted((course.root / "grader" / "suites").glob("test_*.py")):
        if path.name not in suites:
            yield f"grader/suites/{path.name}: the suite of no exercise; remove it, or add the exercise to course.yaml"


def mistakes(course: Course) -> dict[int, str]:
    """Return the course's list of mistakes that people make, by number; empty when it has none.

    Raises:
        CourseFault: `solutions/mistakes.yaml` is broken.
    """
    path = course.root / "solutions" / "mistakes.yaml"
    if not path.exists():
        return {}
    data = yamlfile.load(path).data
    if not isinstance(data, dict) or not all(str(number).isdecimal() and text for number, text in data.items()):
        raise CourseFault(f"{path}:1: must hold a line for each mistake, such as `14: no release on error`")
    return {int(number): str(text) for number, text in data.items()}


def not_covered(course: Course) -> dict[int, str]:
    """Return the mistakes that the course cannot grade, with the reason that `solutions/NOT_COVERED.md` gives."""
    path = course.root / "solutions" / "NOT_COVERED.md"
    if not path.exists():
        return {}
    rows = re.findall(r"^- \*\*(\d+)\*\* +(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(number): reason for number, reason in rows}


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name != "__pycache__" and not path.name.startswith("."))
