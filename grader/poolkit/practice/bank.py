"""The bank: every question of a course's quizzes, in the course's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from poolkit.course import Course
from poolkit.quiz import load
from poolkit.quiz.model import AnyQuestion, Multi, Numeric, Quiz, Single, TrueFalse


@dataclass(frozen=True)
class Entry:
    """A question, its quiz, and the misconceptions that wrong answers to it show."""

    question: AnyQuestion
    quiz: Quiz
    misconceptions: frozenset[str]


@dataclass(frozen=True)
class Bank:
    """Entries by the ids of their questions. `broken` names quizzes that cannot be used.

    `folder` is the one that recorded runs are below.
    """

    entries: Mapping[str, Entry]
    folder: Path
    broken: tuple[str, ...] = ()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The questions' ids, in the course's order."""
        return tuple(self.entries)


def read(course: Course) -> Bank:
    """Read a course's quizzes: those of its exercises in their order, then the others.

    Raises:
        CourseFault: an exercise that they are compared with is broken.
    """
    found = load.examine_all(course)
    order = {exercise: number for number, exercise in enumerate(course.ids)}
    quizzes = sorted(
        (each.quiz for each in found if each.quiz is not None),
        key=lambda quiz: order.get(quiz.exercise or "", len(order)),
    )
    entries = {
        question.id: Entry(question, quiz, _misconceptions(question)) for quiz in quizzes for question in quiz.questions
    }
    return Bank(entries, load.folder(course), tuple(each.path.stem for each in found if each.quiz is None))


def _misconceptions(question: AnyQuestion) -> frozenset[str]:
    match question:
        case Single() | Multi():
            shown = [choice.misconception for choice in question.choices]
        case TrueFalse():
            shown = [question.misconception]
        case Numeric():
            shown = [wrong.misconception for wrong in question.wrong]
        case _:
            shown = []
    return frozenset(name for name in shown if name)
