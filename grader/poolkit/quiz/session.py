"""One sitting: a quiz, somebody at a terminal, answers that outlast it, and what came of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from poolkit.course import Course
from poolkit.errors import QuizFault
from poolkit.quiz import answers as answers_file
from poolkit.quiz import learner, load, score
from poolkit.quiz.answers import Answers
from poolkit.quiz.ask import Asking, Judge
from poolkit.quiz.learner import Sheet
from poolkit.quiz.model import Quiz
from poolkit.quiz.result import Result
from poolkit.quiz.screen import Screen
from poolkit.quiz.state import Kept
from poolkit.text import count

SEEDS = 10_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a sitting: the file of the answers, None when it was stopped; the result, where there is a key."""

    path: Path | None = None
    result: Result | None = None

    @property
    def exit_code(self) -> int:
        """What a command ends with: 0 when it passed, or was answered without a key; 1 when not, or stopped."""
        if self.path is None:
            return 1
        return self.result.exit_code if self.result is not None else 0


def score_file(course: Course, name: str, answers: Path, key: Path | None = None) -> Result:
    """Score a file of answers to a quiz.

    Args:
        name: the quiz's id.
        answers: what was answered, by the ids of the quiz or of its learner's copy.
        key: the quiz with its key, when it is not the course's.

    Raises:
        UsageFault: there is no such quiz.
        QuizFault: one of the files is broken, or they do not belong together.
    """
    path = key or load.find(course, name)
    quiz = load.load(path, course)
    if quiz.id != name:
        raise QuizFault(f"{path}: the key of the quiz {quiz.id!r}, not of {name!r}; give that one's")
    given = answers_file.load(answers, learner.sheet(quiz), learner.opaque_ids(quiz))
    return score.score(quiz, given, load.beside(path, course))


def take(
    course: Course | None,
    name: str,
    folder: Path,
    screen: Screen,
    *,
    seed: int | None = None,
    immediate: bool = True,
    restart: bool = False,
    now: Callable[[], datetime] = datetime.now,
) -> Taken:
    """Ask somebody a quiz, going on where they stopped.

    Args:
        course: the one that has the quiz; a copy needs none.
        name: the quiz's id, or the path of a learner's copy, which is asked without a result.
        folder: where answers are kept.
        seed: of the order of choices; chosen when not given.
        immediate: say after each answer whether it is right, rather than at the end.
        restart: forget the answers so far.

    Raises:
        UsageFault: there is no such quiz, or answers cannot be kept.
        QuizFault: the quiz's file is broken.
    """
    quiz, sheet = _named(course, name)
    below = load.folder(course) if course is not None else None
    kept = Kept(folder, sheet)
    begun = _begin(kept, screen, seed, restart)
    judge: Judge | None = None
    if quiz is not None and immediate:
        judge = _judge(quiz, below)
    answers = Asking(sheet, begun, screen, kept.keep, judge).run()
    if answers is None:
        screen.note("Your answers so far are kept. Run the same command to go on.")
        return Taken()
    path = kept.finish(answers, now())
    return Taken(path, score.score(quiz, answers, below) if quiz is not None else None)


def _judge(quiz: Quiz, below: Path | None) -> Judge:
    return lambda question, answer: score.score_question(quiz, quiz.question(question), answer, below)


def _named(course: Course | None, name: str) -> tuple[Quiz | None, Sheet]:
    if course is None or name.endswith((".yaml", ".yml")):
        return None, learner.load(Path(name))
    quiz = load.load(load.find(course, name), course)
    return quiz, learner.sheet(quiz)


def _begin(kept: Kept, screen: Screen, seed: int | None, restart: bool) -> Answers:
    if restart:
        kept.forget()
    sheet = kept.sheet
    lines = [f"{count(len(sheet.questions), 'question')}. Type ? for help, q to stop and go on later."]
    begun = None
    try:
        begun = kept.begun()
    except QuizFault as fault:
        lines.append(f"This begins anew: {fault}.")
    if begun is not None and begun.answers:
        lines.append(f"You have answered {len(begun.answers)} before. Use --restart to begin anew.")
    begun = begun or Answers(sheet.id)
    if seed is not None or begun.seed is None:
        begun = replace(begun, seed=random.randrange(SEEDS) if seed is None else seed)
    screen.title(sheet.title, lines)
    return begun
