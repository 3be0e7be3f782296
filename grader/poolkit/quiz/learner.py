"""The sheet: all that somebody who answers a quiz may see, and nothing that tells an answer.

Its fields are a list of what is shown, never the quiz less what is hidden, so that a field added to quizzes later
stays hidden until somebody puts it here. A copy for learners (`poolkit quiz export --for learner`) is a sheet whose
choices have other ids. Those are made from what the learner reads anyway, and choices stand in their order: neither
tells which ids or which order the author chose.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from poolkit.quiz.model import (
    CHOICE_ID,
    QUIZ_ID,
    AnyQuestion,
    Credit,
    CreditField,
    Id,
    Multi,
    Numeric,
    Order,
    Prose,
    Quiz,
    Single,
    Strict,
)
from poolkit.quiz.problems import parse, read, refuse

MARK = "poolkit_quiz_learner"
FILE_HEAD = """\
# A quiz to answer, without its key. Write your answers as quizzes/README.md of poolkit says, by the ids below:
#   poolkit_answers: 1
#   quiz: {id}
#   answers:
#     {question}: {{skipped: true}}
"""


class Option(Strict):
    """Something to choose, or to put in order."""

    id: Annotated[str, Field(pattern=CHOICE_ID)]
    text: str
    pin: Literal["first", "last"] | None = None


class ShownCode(Strict):
    """Code to read."""

    lang: str
    text: str


class SheetQuestion(Strict):
    """A question as it is asked. `unit` is that of a numeric answer."""

    id: Id
    type: Literal["single", "multi", "true_false", "order", "numeric"]
    prompt: Prose
    code: ShownCode | None = None
    choices: list[Option] = Field(default_factory=list)
    items: list[Option] = Field(default_factory=list)
    unit: str = ""
    hints: list[str] = Field(default_factory=list)
    points: int = 1
    credit: CreditField | None = None
    shuffle: bool = True
    objective: str = ""
    difficulty: int | None = None

    @property
    def options(self) -> list[Option]:
        """What there is to choose or to order."""
        return self.choices or self.items


class Sheet(Strict):
    """A quiz as it is asked."""

    poolkit_quiz_learner: Literal[1]
    id: str = Field(pattern=QUIZ_ID)
    title: Prose
    pass_mark: float = Field(alias="pass")
    questions: list[SheetQuestion] = Field(min_length=1)

    def question(self, question_id: str) -> SheetQuestion | None:
        """Return a question by its id, if there is one."""
        return next((question for question in self.questions if question.id == question_id), None)


def sheet(quiz: Quiz) -> Sheet:
    """Return what may be seen of a quiz, its choices under their own ids and in the author's order."""
    return Sheet.model_validate(
        {
            MARK: 1,
            "id": quiz.id,
            "title": quiz.title,
            "pass": quiz.defaults.pass_mark,
            "questions": [_question(quiz, question) for question in quiz.questions],
        }
    )


def _question(quiz: Quiz, question: AnyQuestion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": question.id,
        "type": question.type,
        "prompt": question.prompt,
        "hints": list(question.hints),
        "points": question.points,
        "objective": question.objective,
        "difficulty": question.difficulty,
    }
    if question.code is not None:
        shown["code"] = {"lang": question.code.lang, "text": question.code.text}
    if isinstance(question, Multi | Order):
        shown["credit"] = quiz.credit(question)
    if isinstance(question, Single | Multi):
        shown["shuffle"] = quiz.shuffles(question)
        shown["choices"] = [{"id": each.id, "text": each.text, "pin": each.pin} for each in question.choices]
    if isinstance(question, Order):
        shown["items"] = [{"id": each.id, "text": each.text} for each in question.items]
    if isinstance(question, Numeric):
        shown["unit"] = question.unit
    return shown


def opaque_ids(quiz: Quiz) -> dict[str, dict[str, str]]:
    """Return for each question the ids that its choices have in a learner's copy, and which choices those are."""
    return {
        question.id: {_opaque(quiz.id, question, option): option.id for option in question.options}
        for question in sheet(quiz).questions
    }


def learners_copy(quiz: Quiz) -> str:
    """Return a quiz's file for those who are to answer it: YAML without the key in any form."""
    import yaml

    shown = sheet(quiz)
    data = shown.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    for question, copied in zip(shown.questions, data["questions"], strict=True):
        for field in ("choices", "items"):
            if field in copied:
                copied[field] = sorted(
                    (
                        {**made, "id": _opaque(quiz.id, question, option)}
                        for option, made in zip(question.options, copied[field], strict=True)
                    ),
                    key=lambda made: str(made["id"]),
                )
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
    return FILE_HEAD.format(id=quiz.id, question=quiz.questions[0].id) + text


def load(path: Path) -> Sheet:
    """Read a learner's copy.

    Raises:
        QuizFault: the file is broken.
    """
    found, problems = parse(read(path, MARK), Sheet)
    if found is None:
        raise refuse(problems)
    return found


def _opaque(quiz_id: str, question: SheetQuestion, option: Option) -> str:
    """Name an option by its text, which the learner has; the author's id may tell (`right`), or be guessed."""
    said = "\0".join((quiz_id, question.id, option.text))
    return "x" + hashlib.sha256(said.encode()).hexdigest()[:8]


__all__ = ["Credit", "Option", "Sheet", "SheetQuestion", "learners_copy", "load", "opaque_ids", "sheet"]
