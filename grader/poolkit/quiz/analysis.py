"""Item analysis of a quiz: what the answers of a class say of its questions. `poolkit.quiz.stats` has the formulas."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from poolkit.quiz import stats
from poolkit.quiz.answers import Answer, Answers
from poolkit.quiz.credit import distance_to_allowed
from poolkit.quiz.model import AnyQuestion, Multi, Numeric, Order, Quiz, Single, TrueFalse
from poolkit.quiz.rules import near
from poolkit.quiz.score import SKIPPED, score_question

ENOUGH = 30
"""Of fewer learners these numbers change a lot from class to class."""


@dataclass(frozen=True, slots=True)
class Picked:
    """A choice, or another kind of answer, and the shares of learners who gave it: of all, of the top and bottom third.

    `id` is the choice's, "" for other kinds of answers.
    """

    id: str
    text: str
    right: bool
    share: float
    top: float | None
    bottom: float | None


@dataclass(frozen=True, slots=True)
class Item:
    """A question: `difficulty` is the mean share of its points that was earned, `skipped` the share of learners."""

    id: str
    prompt: str
    type: str
    points: int
    difficulty: float
    discrimination: float | None
    skipped: float
    picked: tuple[Picked, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """A quiz as a class answered it: the mean and the spread of the points, alpha and the standard error, its items."""

    quiz: str
    title: str
    learners: int
    max_points: int
    mean: float
    spread: float | None
    alpha: float | None
    error: float | None
    items: tuple[Item, ...]

    @property
    def few(self) -> bool:
        """Whether there are too few learners for these numbers to say much."""
        return self.learners < ENOUGH


def analyse(quiz: Quiz, handed_in: Sequence[Answers]) -> Analysis:
    """Analyse the answers to a quiz, one of each learner; a question that somebody did not answer earned nothing.

    Args:
        handed_in: at least one.
    """
    given = [[each.answers.get(question.id, SKIPPED) for question in quiz.questions] for each in handed_in]
    shares = [
        [score_question(quiz, question, answer).fraction for question, answer in zip(quiz.questions, row, strict=True)]
        for row in given
    ]
    points = [question.points for question in quiz.questions]
    scores = [[share * most for share, most in zip(row, points, strict=True)] for row in shares]
    totals = stats.totals(scores)
    thirds = stats.thirds(totals)
    items = tuple(
        Item(
            id=question.id,
            prompt=question.prompt,
            type=question.type,
            points=question.points,
            difficulty=float(sum((row[index] for row in shares), stats.ZERO) / len(shares)),
            discrimination=stats.discrimination(scores, index),
            skipped=sum(row[index].given is None for row in given) / len(given),
            picked=tuple(_picked(question, [row[index] for row in given], thirds)),
        )
        for index, question in enumerate(quiz.questions)
    )
    return Analysis(
        quiz=quiz.id,
        title=quiz.title,
        learners=len(scores),
        max_points=sum(points),
        mean=float(sum(totals, stats.ZERO) / len(totals)),
        spread=stats.spread(totals),
        alpha=stats.alpha(scores),
        error=stats.standard_error(scores),
        items=items,
    )


def _picked(
    question: AnyQuestion, answers: Sequence[Answer], thirds: tuple[stats.Weights, stats.Weights] | None
) -> Iterator[Picked]:
    given = [_places(question, answer) for answer in answers]
    everybody = [stats.ONE] * len(answers)
    for place, (choice, text, right) in enumerate(_kinds(question)):
        chosen = [place in places for places in given]
        top, bottom = (stats.share(chosen, group) for group in thirds) if thirds else (None, None)
        yield Picked(choice, text, right, stats.share(chosen, everybody), top, bottom)


def _kinds(question: AnyQuestion) -> list[tuple[str, str, bool]]:
    """Return the kinds of answers that are told apart: the id of a choice, a text, and whether it is right."""
    match question:
        case Single() | Multi():
            return [(choice.id, choice.text, choice.correct) for choice in question.choices]
        case TrueFalse():
            return [("", "true", question.answer), ("", "false", not question.answer)]
        case Numeric():
            known = [f"{number:.15g} {question.unit}".rstrip() for number in _known(question)]
            return [*(("", text, place == 0) for place, text in enumerate(known)), ("", "another number", False)]
        case Order():
            return [("", "an order that is right", True), ("", "another order", False)]


def _places(question: AnyQuestion, answer: Answer) -> Collection[int]:
    """Return the places of what was answered among the kinds of answers."""
    given = answer.given
    match question:
        case _ if given is None:
            return ()
        case Single() | Multi():
            assert isinstance(given, tuple)
            return [place for place, choice in enumerate(question.choices) if choice.id in given]
        case TrueFalse():
            return (0 if given is True else 1,)
        case Numeric():
            assert isinstance(given, int | float)
            known = _known(question)
            return (next((i for i, each in enumerate(known) if near(given, each, question.tolerance)), len(known)),)
        case Order():
            assert isinstance(given, tuple)
            return (0 if distance_to_allowed(given, question.before) == 0 else 1,)


def _known(question: Numeric) -> list[float]:
    return [question.answer, *(wrong.answer for wrong in question.wrong)]
