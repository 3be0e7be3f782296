"""Reads a folder of answers: one person's, for a report, or those of a class, for an item analysis.

Files end with .yaml or .yml. Of a workspace only the quizzes are meant that somebody took there, to their end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from poolkit.course import Course
from poolkit.errors import QuizFault, UsageFault
from poolkit.quiz import answers as answers_file
from poolkit.quiz import learner, load, score
from poolkit.quiz.analysis import Analysis, analyse
from poolkit.quiz.answers import Answers
from poolkit.quiz.learner import Sheet
from poolkit.quiz.model import Quiz
from poolkit.quiz.problems import Problem, read
from poolkit.quiz.result import Folder, HandedIn
from poolkit.text import plain
from poolkit.workspace import MARK

_DATE = re.compile(r"-?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}(-[0-9]+)?$")


@dataclass(frozen=True, slots=True)
class _Key:
    """A quiz with all that reading answers to it takes."""

    quiz: Quiz
    sheet: Sheet
    opaque: dict[str, dict[str, str]]
    recordings: Path


@dataclass(frozen=True, slots=True)
class _Read:
    """A file of answers with the quiz that it is for, or the `problem` that kept it from being read."""

    path: Path
    key: _Key | None = None
    answers: Answers | None = None
    problem: str = ""
    at_fault: bool = False


def scored(course: Course, folder: Path) -> Folder:
    """Score every file of a folder. Of several for one quiz the best counts, the first in name of equal ones.

    Raises:
        UsageFault: there is no such folder, or no file in it.
    """
    best: dict[str, int] = {}
    found: list[HandedIn] = []
    for each in _read_all(course, folder, None):
        if each.key is None or each.answers is None:
            found.append(HandedIn(str(each.path), None, each.problem, each.at_fault))
            continue
        result = score.score(each.key.quiz, each.answers, each.key.recordings)
        other = best.get(result.quiz)
        before = found[other].result if other is not None else None
        better = before is None or result.points > before.points
        if better:
            best[result.quiz] = len(found)
            if other is not None:
                found[other] = replace(found[other], counts=False)
        found.append(HandedIn(str(each.path), result, counts=better))
    return Folder(tuple(found))


def analysed(course: Course, folder: Path, key: Path | None = None) -> tuple[list[Analysis], list[str]]:
    """Analyse the answers of a class; return an analysis for each quiz, and a line for each file that is broken.

    A folder inside the folder holds the answers of one learner; a file beside such folders is one learner's too, whom
    its name names, without the date at its end. Of several files of a learner for a quiz the first in name is meant,
    which `poolkit quiz take` has written first.

    Args:
        key: a quiz with its key, where the course does not have it.

    Raises:
        UsageFault: there is no such folder, or no file in it.
        QuizFault: the key is broken.
    """
    firsts: dict[str, dict[str, Answers]] = {}
    quizzes: dict[str, Quiz] = {}
    problems: list[str] = []
    for each in _read_all(course, folder, key):
        if each.key is None or each.answers is None:
            problems.append(each.problem)
            continue
        quiz = each.key.quiz
        quizzes[quiz.id] = quiz
        firsts.setdefault(quiz.id, {}).setdefault(_learner(each.path, folder, quiz.id), each.answers)
    return [analyse(quizzes[name], list(firsts[name].values())) for name in sorted(quizzes)], problems


def _learner(path: Path, folder: Path, quiz: str) -> str:
    inside = path.relative_to(folder).parts
    if len(inside) > 1:
        return f"{inside[0]}/"
    name = _DATE.sub("", path.stem).removesuffix(quiz).rstrip("-_ .")
    # Named by nothing but the quiz and a date, as many people's files are: nobody's second try.
    return name or path.stem


def _read_all(course: Course, folder: Path, key: Path | None) -> Iterator[_Read]:
    keys: dict[str, _Key | QuizFault] = {}
    if key is not None:
        held = _key(key, course)
        keys[held.quiz.id] = held
    for path in _paths(folder):
        try:
            name = _quiz_of(path)
            if name not in keys:
                keys[name] = _of_course(name, path, course)
            found = keys[name]
            if isinstance(found, QuizFault):
                yield _Read(path, problem=str(found), at_fault=True)
            else:
                yield _Read(path, found, answers_file.load(path, found.sheet, found.opaque))
        except QuizFault as fault:
            yield _Read(path, problem=str(fault))


def _quiz_of(path: Path) -> str:
    document = read(path, answers_file.MARK)
    name = document.data.get("quiz")
    if not isinstance(name, str):
        raise QuizFault(f"{path}:{document.line(('quiz',))}: `quiz` is missing; add the id of the quiz")
    return name


def _of_course(name: str, path: Path, course: Course) -> _Key | QuizFault:
    try:
        place = load.find(course, name)
    except UsageFault:
        line = read(path, answers_file.MARK).line(("quiz",))
        text = f"the course has no quiz {plain(name, 60)!r}; mend its name (`poolkit quiz list`), or remove the file"
        raise QuizFault(str(Problem(path, line, text))) from None
    try:
        return _key(place, course)
    except QuizFault as fault:
        return fault


def _key(path: Path, course: Course) -> _Key:
    quiz = load.load(path, course)
    return _Key(quiz, learner.sheet(quiz), learner.opaque_ids(quiz), load.beside(path, course))


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageFault(f"{folder}: {'no folder' if folder.exists() else 'no such folder'}; give one with answers")
    try:
        found = sorted(_below(folder), key=lambda path: (path.parent, path.stem))
    except OSError as error:
        raise UsageFault(f"{folder}: cannot be read ({error.strerror}); mend that, or copy the answers") from None
    if not found:
        raise UsageFault(f"{folder}: no answers there; they are files that end with .yaml")
    return found


def _below(folder: Path) -> Iterator[Path]:
    taken = folder if folder.absolute().parts[-2:] == (MARK, "quizzes") else folder / MARK / "quizzes"
    if taken.is_dir():
        # What has no date is not finished yet.
        yield from (path for path in taken.glob("*.yaml") if _DATE.search(path.stem))
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        elif path.suffix in (".yaml", ".yml"):
            yield path
