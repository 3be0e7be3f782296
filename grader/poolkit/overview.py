"""Where a learner stands: exercises, quizzes, what is due, and the next step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from poolkit.course import Course
from poolkit.errors import PoolkitError
from poolkit.progress import State
from poolkit.report import Status
from poolkit.workspace import MARK, Workspace


class Standing(StrEnum):
    """How an exercise stands."""

    PASSED = "passed"
    SLIPPED = "slipped"
    """It has passed, and the last check did not."""
    FAILED = "failed"
    OPEN = "open"
    """Not checked yet."""


@dataclass(frozen=True, slots=True)
class ExerciseRow:
    """An exercise. `points` are the best of a passed one, else those of the last check; `on` is when it first passed.

    `found` is what the last check found, where that did not pass: a misconception, or "".
    """

    id: str
    title: str
    standing: Standing
    points: int | None = None
    max_points: int | None = None
    on: datetime | None = None
    found: str = ""


@dataclass(frozen=True, slots=True)
class QuizRow:
    """A quiz that was taken or begun; `points` in words, "" when it is not finished or can no longer be scored."""

    id: str
    points: str
    passed: bool
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: a command, and why."""

    command: str
    why: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it. `quizzes` are those that were taken or begun, of `all_quizzes`; `due` is None without a practice."""

    title: str
    exercises: tuple[ExerciseRow, ...]
    quizzes: tuple[QuizRow, ...]
    all_quizzes: int
    due: int | None
    next: Step

    @property
    def passed(self) -> int:
        """How many exercises have passed."""
        return sum(row.standing in (Standing.PASSED, Standing.SLIPPED) for row in self.exercises)


def look(workspace: Workspace, course: Course, now: datetime) -> Overview:
    """Return where a learner stands.

    Args:
        now: the time, aware; what is due depends on it.

    Raises:
        WorkspaceFault: progress cannot be read.
    """
    from poolkit.quiz import load

    state = workspace.progress().read()
    rows = tuple(_row(entry.id, entry.title, state) for entry in course.about.exercises)
    names = [path.stem for path in load.paths(course)]
    quizzes = tuple(_quizzes(course, names, workspace.root / MARK / "quizzes"))
    untaken = next((name for name in names if name not in {row.id for row in quizzes}), None)
    return Overview(course.about.title, rows, quizzes, len(names), _due(course, now), _next(rows, untaken))


def next_exercise(course: Course, state: State, after: str = "") -> str | None:
    """Return the first exercise that has not passed: after one, else from the beginning; None when all have."""
    ids = course.ids
    start = ids.index(after) + 1 if after in ids else 0
    return next((name for name in ids[start:] + ids[:start] if name not in state.passed), None)


def _row(exercise_id: str, title: str, state: State) -> ExerciseRow:
    passed, last = state.passed.get(exercise_id), state.last.get(exercise_id)
    failing = last is not None and last.status is not Status.PASS
    found = (last.misconception or "") if last and failing else ""
    if passed is None:
        if last is None:
            return ExerciseRow(exercise_id, title, Standing.OPEN)
        return ExerciseRow(exercise_id, title, Standing.FAILED, last.points, last.max_points, None, found)
    if last and failing:
        return ExerciseRow(exercise_id, title, Standing.SLIPPED, last.points, last.max_points, passed.at, found)
    most = last.max_points if last else passed.points
    return ExerciseRow(exercise_id, title, Standing.PASSED, passed.points, most, passed.at)


def _quizzes(course: Course, names: list[str], folder: Path) -> Iterator[QuizRow]:
    for name in names:
        dated = re.compile(re.escape(name) + r"-\d{4}-\d\d-\d\dT[-\d]+\.yaml")
        taken = sorted(path for path in folder.glob(f"{name}-*.yaml") if dated.fullmatch(path.name))
        begun = (folder / f"{name}.yaml").exists()
        if taken:
            yield _scored(course, name, taken[-1], begun=begun)
        elif begun:
            yield QuizRow(name, "", passed=False, begun=True)


def _scored(course: Course, name: str, answers: Path, *, begun: bool) -> QuizRow:
    from poolkit.quiz.result import number
    from poolkit.quiz.session import score_file

    try:
        result = score_file(course, name, answers)
    except PoolkitError:
        # The quiz has changed since, and the answers no longer fit it.
        return QuizRow(name, "", passed=False, begun=begun)
    return QuizRow(name, f"{number(result.points)}/{result.max_points}", result.passed, begun)


def _due(course: Course, now: datetime) -> int | None:
    """Return how many questions are due; None when the deck cannot tell."""
    from poolkit.practice import bank, session
    from poolkit.practice.place import place
    from poolkit.practice.store import Store

    try:
        return len(session.due_now(bank.read(course), Store(place()), now, new=0))
    except PoolkitError:
        return None


def _next(rows: tuple[ExerciseRow, ...], untaken: str | None) -> Step:
    for row in rows:
        if row.standing is Standing.SLIPPED:
            return Step(f"poolkit diff {row.id}", "what has changed since it passed")
    for row in rows:
        if row.standing is Standing.FAILED:
            return Step(f"poolkit hint {row.id}", "a hint on what the last check found")
        if row.standing is Standing.OPEN:
            return Step(f"poolkit show {row.id}", f"{row.title}: what it asks for")
    if untaken:
        return Step(f"poolkit quiz take {untaken}", "all exercises have passed; this quiz is still new to you")
    return Step("poolkit practice", "all is done; practice keeps it in mind")
