"""What every import makes of a file: drafts of questions with their lines, and from them a quiz that holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from poolkit.errors import QuizFault
from poolkit.quiz import rules
from poolkit.quiz.export._parts import UNIT_LINE
from poolkit.quiz.export._parts import number as written
from poolkit.quiz.imports._html import Prose
from poolkit.quiz.model import QUESTION_ID, QUIZ_ID, AnyQuestion, Multi, Quiz, Single
from poolkit.quiz.problems import Problem, refuse
from poolkit.text import plain

_UNIT = re.compile(rf"\n?{re.escape(UNIT_LINE)}(?P<unit>[^\n]{{1,40}})\Z")
"""What `poolkit.quiz.export` writes below the prompt of a question for a number."""

NUMBER = r"[-+]?(?:\d{1,17}\.?\d{0,17}|\.\d{1,17})(?:[eE][-+]?\d{1,2})?"
"""What is a number in Moodle's formats."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ONE: TypeAdapter[AnyQuestion] = TypeAdapter(Annotated[AnyQuestion, Field(discriminator="type")])


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a question as the file has it; `share` is what it earns, from -1 to 1."""

    text: str
    share: float
    feedback: str = ""
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Draft:
    """One question as the file has it, at a line (from 1). `fields` are those of the model that need no thought."""

    line: int
    kind: str
    name: str
    prompt: Prose
    answers: Sequence[Answer]
    labels: Sequence[str] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bank:
    """What a file holds: the title and the id of its category if it has one, its questions, and what was skipped."""

    title: str
    quiz_id: str | None
    drafts: Sequence[Draft]
    skipped: Sequence[Problem] = ()


def number(text: str) -> float | None:
    """Return the number that a text is, if a quiz's file can hold it: 17 digits on each side of the point."""
    if not re.fullmatch(NUMBER, text):
        return None
    value = float(text)
    return value if re.fullmatch(r"-?\d{1,17}(\.\d{1,17})?", written(value)) else None


def category(path: str) -> str:
    """Return the last part of a category such as `$course$/top/Waiting`; two slashes stand for one."""
    parts = re.split(r"(?<!/)/(?!/)", path.strip())
    return " ".join(parts[-1].replace("//", "/").split())


def drafted(path: Path, bank: Bank, quiz_id: str) -> Quiz:
    """Return the quiz that a file's questions make.

    Raises:
        QuizFault: one of them breaks a rule, or there is none.
    """
    if not bank.drafts:
        line = bank.skipped[0].line if bank.skipped else 1
        wanted = "choices, true or false, an order or a number"
        raise QuizFault(f"{path}:{line}: no question that a quiz can hold; add one with {wanted}")
    questions: list[AnyQuestion] = []
    problems: list[Problem] = []
    taken: set[str] = set()
    for draft in bank.drafts:
        name = _unused(_question_id(draft.name, quiz_id, len(taken) + 1), taken)
        try:
            question = _pinned(_ONE.validate_python(_fields(draft, name)), path.parent)
        except ValidationError as error:
            problems += _invalid(path, draft.line, name, error)
            continue
        for place, text in rules.of_question(question, path.parent, lambda name: True):
            said = f'question "{name}" {text}' if not place else f'question "{name}": {text}'
            problems.append(Problem(path, draft.line, said))
        questions.append(question)
    if problems:
        raise refuse(problems)
    data = {"poolkit_quiz": 1, "id": quiz_id, "title": bank.title or quiz_id}
    try:
        return Quiz.model_validate({**data, "questions": [question.model_dump() for question in questions]})
    except ValidationError as error:
        raise refuse(list(_invalid(path, 1, "", error))) from None


def _fields(draft: Draft, name: str) -> dict[str, Any]:
    prompt, code = draft.prompt.text, draft.prompt.code
    made: dict[str, Any] = {"id": name, "type": draft.kind, **_labelled(draft.labels), **draft.fields}
    if code is not None:
        made["code"] = {"lang": draft.prompt.lang, "text": code}
    if draft.kind == "numeric" and (unit := _UNIT.search(prompt)):
        made["unit"], prompt = unit["unit"], prompt[: unit.start()]
    made["prompt"] = prompt
    match draft.kind:
        case "single" | "multi":
            least = 1.0 if draft.kind == "single" else 0.0
            made["choices"] = [
                {
                    "id": _LETTERS[index] if index < len(_LETTERS) else f"x{index}",
                    "text": answer.text,
                    "correct": answer.share > 0 and answer.share >= least,
                    "feedback": answer.feedback,
                }
                for index, answer in enumerate(draft.answers)
            ]
        case "order":
            made["items"] = [{"id": f"i{index}", "text": answer.text} for index, answer in enumerate(draft.answers, 1)]
            made["before"] = [[f"i{index}", f"i{index + 1}"] for index in range(1, len(draft.answers))]
        case "true_false":
            [right, wrong] = sorted(draft.answers, key=lambda answer: -answer.share)
            made["answer"], made["feedback"] = right.text == "true", wrong.feedback
            _add_explanation(made, right.feedback)
        case "numeric":
            _add_numbers(made, draft.answers)
    return made


def _add_numbers(made: dict[str, Any], answers: Sequence[Answer]) -> None:
    numbers = [answer for answer in answers if answer.text != "*"]
    right = max(numbers, key=lambda answer: answer.share)
    made["answer"], made["tolerance"] = float(right.text), right.tolerance
    made["feedback"] = next((answer.feedback for answer in answers if answer.text == "*"), "")
    made["wrong"] = [
        {"answer": float(answer.text), "feedback": answer.feedback}
        for answer in numbers
        if answer is not right and answer.feedback
    ]
    _add_explanation(made, right.feedback)


def _add_explanation(made: dict[str, Any], text: str) -> None:
    """Keep what is said to whoever is right, for which a quiz has no place, with the explanation."""
    made["explanation"] = "\n".join(filter(None, (text, made.get("explanation", ""))))


def _labelled(labels: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"tags": []}
    for label in labels:
        kind, _, value = label.partition(":")
        if kind == "objective" and re.fullmatch(QUESTION_ID, value):
            made["objective"] = value
        elif kind == "difficulty" and re.fullmatch("[1-5]", value):
            made["difficulty"] = int(value)
        elif (tag := "-".join(re.findall("[a-z0-9]+", _ascii(label)))) and re.fullmatch(QUIZ_ID, tag):
            made["tags"].append(tag)
    return made


def _pinned(question: AnyQuestion, folder: Path) -> AnyQuestion:
    """Give "all of the above" the place that it speaks of; no format here can say that it is last."""
    if not isinstance(question, Single | Multi):
        return question
    # Of a choice as a whole the rules say only this.
    above = {place[1] for place, _ in rules.of_question(question, folder, lambda name: True) if len(place) == 2}
    choices = [
        choice.model_copy(update={"pin": "last"}) if index in above else choice
        for index, choice in enumerate(question.choices)
    ]
    return question.model_copy(update={"choices": choices})


def _invalid(path: Path, line: int, name: str, error: ValidationError) -> Iterator[Problem]:
    whose = f'question "{name}": ' if name else ""
    for found in error.errors(include_url=False):
        # The first part is the question's type.
        place = ".".join(str(part + 1) if isinstance(part, int) else part for part in found["loc"][1 if name else 0 :])
        message = found["msg"].replace(" after validation", "")
        yield Problem(path, line, f"{whose}`{plain(place, 60)}`: {plain(message[:1].lower() + message[1:])}; change it")


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()


def _question_id(name: str, quiz_id: str, number: int) -> str:
    if re.fullmatch(QUESTION_ID, name) and len(name) <= 80:
        return name
    words = re.findall("[a-z0-9]+", _ascii(name))
    made = f"{quiz_id}.{'-'.join(words)}"[:76].rstrip("-.")
    return made if words else f"{quiz_id}.q{number}"


def _unused(name: str, taken: set[str]) -> str:
    made, again = name, 2
    while made in taken:
        made, again = f"{name}-{again}"[-80:], again + 1
    taken.add(made)
    return made
