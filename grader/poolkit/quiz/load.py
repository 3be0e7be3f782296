"""Finds a course's quizzes and reads them, with every fault told by file, line and remedy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from poolkit.course import Course
from poolkit.errors import QuizFault, UsageFault
from poolkit.quiz import code, rules
from poolkit.quiz.model import QUIZ_ID, AnyQuestion, Quiz
from poolkit.quiz.problems import Problem, in_order, parse, read, refuse
from poolkit.text import plain
from poolkit.yamlfile import Document

MARK = "poolkit_quiz"


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a quiz's file: the quiz, unless there are problems. `doubts` refuse nothing."""

    path: Path
    quiz: Quiz | None
    problems: tuple[Problem | str, ...] = ()
    doubts: tuple[Problem, ...] = ()


def folder(course: Course) -> Path:
    """Return the folder of a course's quizzes."""
    return course.root / "quizzes"


def paths(course: Course) -> list[Path]:
    """Return the files of a course's quizzes, in the order of their names."""
    return sorted(path for path in folder(course).glob("*.yaml") if not path.name.startswith("."))


def find(course: Course, name: str) -> Path:
    """Return the file of the quiz with an id.

    Raises:
        UsageFault: the course has none of that name.
    """
    path = folder(course) / f"{name}.yaml"
    if not re.fullmatch(QUIZ_ID, name) or not path.is_file():
        raise UsageFault(f"no quiz {plain(name, 60)!r}; `poolkit quiz list` shows them")
    return path


def load(path: Path, course: Course) -> Quiz:
    """Read a quiz, with the code of its questions as text.

    Raises:
        QuizFault: the file is broken; the text is that of its first problem.
    """
    found = examine(path, course)
    if found.quiz is None:
        raise refuse(found.problems)
    return found.quiz


def examine(path: Path, course: Course) -> Examined:
    """Read a quiz, and find everything that is wrong with it.

    Raises:
        QuizFault: it is not YAML that a quiz may be.
        CourseFault: an exercise that it is compared with is broken.
    """
    document = read(path, MARK)
    quiz, problems = parse(document, Quiz)
    known = _misconceptions(course)
    questions = list(_questions(document, quiz))
    for index, question in questions:
        name = f'question "{question.id}"'
        for place, text in rules.of_question(question, beside(path, course), known):
            line = document.line(("questions", index, *place))
            # What a question as a whole lacks reads as one sentence.
            problems.append(Problem(path, line, f"{name} {text}" if not place else f"{name}: {text}"))
    problems += _same_ids(document, questions)
    if quiz is not None:
        problems += _whole(document, quiz, course)
    if quiz is None or problems:
        return Examined(path, None, tuple(in_order(problems)))
    doubts = tuple(Problem(path, document.line(place), text) for place, text in rules.doubts(quiz))
    return Examined(path, _with_code(quiz, beside(path, course)), (), doubts)


def beside(path: Path, course: Course) -> Path:
    """Return where the code and the recordings of a quiz are: a key that is held elsewhere uses the course's."""
    own = path.parent / "scenarios"
    return path.parent if own.is_dir() else folder(course)


def _questions(document: Document, quiz: Quiz | None) -> Iterator[tuple[int, AnyQuestion]]:
    """Give the questions that are well formed, also those of a file that has other faults."""
    if quiz is not None:
        yield from enumerate(quiz.questions)
        return
    one: TypeAdapter[AnyQuestion] = TypeAdapter(Annotated[AnyQuestion, Field(discriminator="type")])
    found: Any = document.data.get("questions")
    for index, data in enumerate(found if isinstance(found, list) else []):
        try:
            yield index, one.validate_python(data)
        except ValidationError:
            continue  # said by parse


def _same_ids(document: Document, questions: list[tuple[int, AnyQuestion]]) -> Iterator[Problem]:
    times = Counter(question.id for _, question in questions)
    seen: set[str] = set()
    for index, question in questions:
        if question.id in seen:
            line = document.line(("questions", index, "id"))
            text = f'question "{question.id}": {times[question.id]} questions have this id; ids are unique'
            yield Problem(document.path, line, text)
        seen.add(question.id)


def _whole(document: Document, quiz: Quiz, course: Course) -> Iterator[Problem]:
    path = document.path
    if path.parent == folder(course) and path.stem != quiz.id:
        text = f"the id is {quiz.id!r} and the file {path.name}; name the file {quiz.id}.yaml"
        yield Problem(path, document.line(("id",)), text)
    if quiz.exercise is not None and quiz.exercise not in course.ids:
        text = f"the exercise {plain(quiz.exercise, 60)!r} is not in course.yaml; use an id from there"
        yield Problem(path, document.line(("exercise",)), text)


def _misconceptions(course: Course) -> Callable[[str], bool]:
    """Return what tells whether some exercise knows a misconception; exercises are read only as far as needed."""

    @cache
    def of(exercise_id: str) -> frozenset[str]:
        return frozenset(course.exercise(exercise_id).about.misconceptions)

    return lambda name: any(name in of(exercise_id) for exercise_id in course.ids)


def _with_code(quiz: Quiz, below: Path) -> Quiz:
    shown = [
        question.model_copy(update={"code": question.code.model_copy(update=_shown(question, below))})
        if question.code
        else question
        for question in quiz.questions
    ]
    return quiz.model_copy(update={"questions": shown})


def _shown(question: AnyQuestion, below: Path) -> dict[str, str | None]:
    return {"text": code.text(question.code, below), "file": None, "lines": None} if question.code else {}


def examine_all(course: Course) -> list[Examined]:
    """Read every quiz of a course, and find what is wrong with each, and between them.

    Raises:
        CourseFault: an exercise that they are compared with is broken.
    """
    found = [_examine(path, course) for path in paths(course)]
    first: dict[str, str] = {}
    for index, each in enumerate(found):
        again: list[Problem] = []
        for question in each.quiz.questions if each.quiz else ():
            other = first.setdefault(question.id, each.path.name)
            if other != each.path.name:
                text = f'question "{question.id}": {other} has a question of this id; ids are unique in a course'
                again.append(Problem(each.path, 1, text))
        if again:
            found[index] = Examined(each.path, None, tuple(again), each.doubts)
    return found


def _examine(path: Path, course: Course) -> Examined:
    try:
        return examine(path, course)
    except QuizFault as fault:
        return Examined(path, None, (str(fault),))
