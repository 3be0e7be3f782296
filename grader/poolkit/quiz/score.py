"""Scores answers to a quiz. Nothing is ever taken off: an answer earns from none to all of its question's points."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from graphlib import TopologicalSorter
from pathlib import Path

from poolkit.quiz import credit, scenario
from poolkit.quiz.answers import Answer, Answers
from poolkit.quiz.credit import ONE, ZERO
from poolkit.quiz.model import AnyQuestion, Choice, Multi, Numeric, Order, Quiz, Single, TrueFalse
from poolkit.quiz.result import Feedback, Outcome, QuestionResult, Result
from poolkit.quiz.rules import near

SKIPPED = Answer(None)


def score(quiz: Quiz, answers: Answers, folder: Path | None = None) -> Result:
    """Score answers that `poolkit.quiz.answers` has read, which fit the quiz.

    A question that they do not name counts as skipped.

    Args:
        folder: the one that recorded runs are below, for the rows that questions point at.
    """
    questions = tuple(
        score_question(quiz, question, answers.answers.get(question.id, SKIPPED), folder) for question in quiz.questions
    )
    return Result(quiz.id, quiz.title, questions, _exact(quiz.defaults.pass_mark), answers.seed)


def score_question(quiz: Quiz, question: AnyQuestion, answer: Answer, folder: Path | None = None) -> QuestionResult:
    """Score the answer to one question of a quiz."""
    fraction = ZERO if answer.given is None else _fraction(quiz, question, answer)
    row = scenario.row(folder, question.trace) if folder is not None else None
    return QuestionResult(
        id=question.id,
        prompt=question.prompt,
        outcome=_outcome(answer, fraction),
        fraction=fraction,
        max_points=question.points,
        given=() if answer.given is None else _words(question, answer.given),
        key=_words(question, _key(question)),
        feedback=() if answer.given is None else tuple(_feedback(question, answer, fraction)),
        explanation=question.explanation,
        step=str(row) if row else "",
        hints=answer.hints,
        confidence=answer.confidence,
    )


def _exact(mark: float) -> Fraction:
    # As it was written: the float 0.7 is a little less than 7/10, and 0.55 a little more than 55/100.
    return Fraction(str(mark))


def _outcome(answer: Answer, fraction: Fraction) -> Outcome:
    if answer.given is None:
        return Outcome.SKIPPED
    if fraction == ONE:
        return Outcome.RIGHT
    return Outcome.PARTLY if fraction else Outcome.WRONG


def _fraction(quiz: Quiz, question: AnyQuestion, answer: Answer) -> Fraction:
    given = answer.given
    match question:
        case Single():
            # One choice is right or wrong under every policy.
            return ONE if given == _key(question) else ZERO
        case Multi():
            assert isinstance(given, tuple)
            return credit.ticks(quiz.credit(question), _right(question), given, len(question.choices))
        case Order():
            assert isinstance(given, tuple)
            return credit.order(quiz.credit(question), given, question.before)
        case TrueFalse():
            return ONE if given is question.answer else ZERO
        case Numeric():
            assert isinstance(given, int | float)
            return ONE if near(given, question.answer, question.tolerance) else ZERO


def _right(question: Single | Multi) -> tuple[str, ...]:
    return tuple(choice.id for choice in question.choices if choice.correct)


def _key(question: AnyQuestion) -> tuple[str, ...] | bool | float:
    match question:
        case Single() | Multi():
            return _right(question)
        case Order():
            return _an_order(question)
        case TrueFalse() | Numeric():
            return question.answer


def _an_order(question: Order) -> tuple[str, ...]:
    """Return one of the orders that are allowed, the one nearest to the author's."""
    needs: dict[str, set[str]] = {item.id: set() for item in question.items}
    for first, second in question.before:
        needs[second].add(first)
    # Raises for a circle, which loading refuses.
    TopologicalSorter(needs).prepare()
    done: list[str] = []
    while len(done) < len(needs):
        done.append(next(name for name in needs if name not in done and needs[name] <= set(done)))
    return tuple(done)


def _words(question: AnyQuestion, given: tuple[str, ...] | bool | float) -> tuple[str, ...]:
    match question:
        case Single() | Multi():
            assert isinstance(given, tuple)
            # In the quiz's order, whatever the order of the ticks.
            return tuple(choice.text for choice in question.choices if choice.id in given)
        case Order():
            assert isinstance(given, tuple)
            texts = {item.id: item.text for item in question.items}
            return tuple(texts[name] for name in given)
        case TrueFalse():
            return ("true" if given else "false",)
        case Numeric():
            return (f"{given:.15g} {question.unit}".rstrip(),)


def _feedback(question: AnyQuestion, answer: Answer, fraction: Fraction) -> Iterator[Feedback]:
    match question:
        case Single() | Multi():
            yield from _on_choices(question, answer)
        case TrueFalse() if fraction < ONE:
            yield Feedback("", question.feedback, question.misconception)
        case Order() if fraction < ONE and question.feedback:
            yield Feedback("", question.feedback)
        case Numeric() if fraction < ONE:
            assert isinstance(answer.given, int | float)
            for wrong in question.wrong:
                if near(answer.given, wrong.answer, question.tolerance):
                    yield Feedback("", wrong.feedback, wrong.misconception)
                    return
            if question.feedback:
                yield Feedback("", question.feedback)


def _on_choices(question: Single | Multi, answer: Answer) -> Iterator[Feedback]:
    assert isinstance(answer.given, tuple)
    for choice in question.choices:
        if choice.id in answer.given and (choice.feedback or choice.misconception):
            yield _of(choice)
    for choice in question.choices:
        if isinstance(question, Multi) and choice.correct and choice.id not in answer.given:
            yield Feedback(choice.text, f"This is right, too. {choice.feedback}".rstrip())


def _of(choice: Choice) -> Feedback:
    return Feedback(choice.text, choice.feedback, choice.misconception)
