"""Answers to a quiz: what a file of them holds, and how one is read and written."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from poolkit.quiz.learner import Sheet, SheetQuestion
from poolkit.quiz.model import Strict
from poolkit.quiz.problems import Place, Problem, in_order, parse, read, refuse
from poolkit.text import plain

MARK = "poolkit_answers"

Given = tuple[str, ...] | bool | float
"""Ids that were chosen or put in order; what a statement was taken for; a number."""

Confidence = Literal["sure", "unsure"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody answered, None when they skipped it; how sure they were, and the hints that they had read."""

    given: Given | None
    confidence: Confidence | None = None
    hints: int = 0


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers by the questions' ids; `seed` is that of the choices' order, where there was one.

    `hints` says how many were read of questions that have no answer yet.
    """

    quiz: str
    answers: Mapping[str, Answer] = field(default_factory=dict)
    seed: int | None = None
    hints: Mapping[str, int] = field(default_factory=dict)


Hints = Annotated[int, Field(ge=0, le=99)]


class _Answer(Strict):
    choice: str | None = None
    choices: list[str] | None = None
    order: list[str] | None = None
    answer: Any = None
    skipped: bool | None = None
    confidence: Confidence | None = None
    hints: Hints = 0


class _File(Strict):
    poolkit_answers: Literal[1]
    quiz: str
    seed: Annotated[int, Field(ge=0)] | None = None
    answers: dict[str, _Answer]
    hints: dict[str, Hints] = Field(default_factory=dict)


# The field of an answer to each type of question, and how it is written.
_FIELDS = {
    "single": ("choice", "choice: ID"),
    "multi": ("choices", "choices: [ID, ID]"),
    "true_false": ("answer", "answer: true"),
    "order": ("order", "order: [ID, ID]"),
    "numeric": ("answer", "answer: 4"),
}


def load(path: Path, sheet: Sheet, opaque: Mapping[str, Mapping[str, str]] | None = None) -> Answers:
    """Read the answers to a quiz.

    Args:
        sheet: the quiz's questions.
        opaque: for each question, the ids that stand for those of its choices, as in a learner's copy.

    Raises:
        QuizFault: the file is broken, or answers something else; the text is that of its first problem.
    """
    document = read(path, MARK)
    found, problems = parse(document, _File)
    if found is None:
        raise refuse(problems)
    if found.quiz != sheet.id:
        line, other = document.line(("quiz",)), plain(found.quiz, 60)
        raise refuse([Problem(path, line, f"answers to the quiz {other!r}, not to {sheet.id!r}; give those to it")])
    answers: dict[str, Answer] = {}
    for name, written in found.answers.items():
        question = sheet.question(name)
        if question is None:
            problems.append(Problem(path, document.line(("answers", name)), _no_question(name, sheet)))
            continue
        ids = {option.id: option.id for option in question.options} | dict((opaque or {}).get(name, {}))
        faults = list(_faults(question, written, ids))
        for place, text in faults:
            problems.append(Problem(path, document.line(("answers", name, *place)), f'answer to "{name}": {text}'))
        if not faults:
            answers[name] = Answer(_given(question, written, ids), written.confidence, written.hints)
    for name in found.hints:
        if sheet.question(name) is None:
            problems.append(Problem(path, document.line(("hints", name)), _no_question(name, sheet)))
    if problems:
        raise refuse(in_order(problems))
    return Answers(found.quiz, answers, found.seed, found.hints)


def _no_question(name: str, sheet: Sheet) -> str:
    near = difflib.get_close_matches(name, [question.id for question in sheet.questions], n=1)
    remedy = f'did you mean "{near[0]}"?' if near else "remove it"
    return f'the quiz {sheet.id!r} has no question "{plain(name, 60)}"; {remedy}'


def _faults(question: SheetQuestion, written: _Answer, ids: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    wanted, example = _FIELDS[question.type]
    values = {name: getattr(written, name) for name in ("choice", "choices", "order", "answer")}
    others = [name for name, value in values.items() if value is not None and name != wanted]
    if written.skipped:
        if others or values[wanted] is not None:
            yield (), "skipped, and answered all the same; remove one of the two"
    elif others:
        yield (others[0],), f"`{others[0]}` is no answer to a {question.type} question; write {example}"
    elif values[wanted] is None:
        yield (), f"says nothing; write {example}, or skipped: true"
    elif question.type in ("true_false", "numeric"):
        wrong = not isinstance(written.answer, bool)
        if question.type == "numeric":
            wrong = not isinstance(written.answer, int | float) or isinstance(written.answer, bool)
        if wrong:
            shown = plain(repr(written.answer), 40)
            kind = "true or false" if question.type == "true_false" else "a number, without quotes"
            yield ("answer",), f"{shown} is no answer to a {question.type} question; write {kind}"
    else:
        yield from _wrong_ids(question, written, ids)


def _wrong_ids(question: SheetQuestion, written: _Answer, ids: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    field_name = _FIELDS[question.type][0]
    known = ", ".join(option.id for option in question.options)
    named = _ids(written)
    for index, name in enumerate(named):
        if name not in ids:
            place: Place = (field_name,) if question.type == "single" else (field_name, index)
            yield place, f"there is no choice {plain(name, 40)!r}; it has {known}"
    for name, times in Counter(ids.get(name, name) for name in named).items():
        if times > 1:
            yield (field_name,), f"{plain(name, 40)!r} stands there {times} times; name each once"
    if question.type == "order" and len(named) != len(question.options):
        yield (field_name,), f"names {len(named)} of {len(question.options)} items; put all of them in order: {known}"


def _ids(written: _Answer) -> list[str]:
    return [written.choice] if written.choice is not None else written.choices or written.order or []


def _given(question: SheetQuestion, written: _Answer, ids: Mapping[str, str]) -> Given | None:
    if written.skipped:
        return None
    if question.type == "numeric":
        return float(written.answer)
    if question.type == "true_false":
        return bool(written.answer)
    return tuple(ids[name] for name in _ids(written))


def dump(answers: Answers, sheet: Sheet) -> str:
    """Return a file of answers, which `load` reads back as they are."""
    import yaml

    written: dict[str, Any] = {MARK: 1, "quiz": answers.quiz}
    if answers.seed is not None:
        written["seed"] = answers.seed
    written["answers"] = {
        question.id: _written(question, answers.answers[question.id])
        for question in sheet.questions
        if question.id in answers.answers
    }
    if answers.hints:
        written["hints"] = dict(answers.hints)
    text: str = yaml.safe_dump(written, sort_keys=False, allow_unicode=True)
    return text


def _written(question: SheetQuestion, answer: Answer) -> dict[str, Any]:
    shown: dict[str, Any]
    if answer.given is None:
        shown = {"skipped": True}
    elif isinstance(answer.given, tuple):
        chosen = list(answer.given)
        shown = {_FIELDS[question.type][0]: chosen[0] if question.type == "single" else chosen}
    elif question.type == "numeric":
        # Not as 1e+20, which is text to a reader that takes decimals only.
        shown = {"answer": int(answer.given) if float(answer.given).is_integer() else float(answer.given)}
    else:
        shown = {"answer": answer.given}
    if answer.confidence is not None:
        shown["confidence"] = answer.confidence
    if answer.hints:
        shown["hints"] = answer.hints
    return shown
