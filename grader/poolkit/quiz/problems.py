"""What is wrong with a file that somebody wrote: where, what, and what to do about it, a line each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from poolkit import yamlfile
from poolkit.errors import CourseFault, QuizFault
from poolkit.text import plain
from poolkit.yamlfile import Document

Place = tuple[str | int, ...]

# The first field of each kind of file, and what people call that.
_KINDS = {
    "poolkit_quiz": "a quiz with its key",
    "poolkit_quiz_learner": "a learner's copy of a quiz, without its key",
    "poolkit_answers": "a file of answers",
}
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a file, at a line (from 1)."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def refuse(problems: Sequence[Problem | str]) -> QuizFault:
    """Return the fault that tells a file's first problem, and how many there are."""
    first, *rest = problems
    return QuizFault(f"{first} (and {len(rest)} more)" if rest else str(first), tuple(map(str, problems)))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems in the order of their lines."""
    return sorted(problems, key=lambda problem: problem.line)


def read(path: Path, mark: str) -> Document:
    """Read a file whose first field is its kind and version, such as `poolkit_quiz: 1`.

    Raises:
        QuizFault: it is no such file; the text has file, line and remedy.
    """
    if not path.is_file():
        raise QuizFault(f"{path}: {'not a plain file' if path.exists() else 'no such file'}; check the name")
    try:
        document = yamlfile.load(path)
    except CourseFault as fault:
        raise QuizFault(str(fault)) from None
    data = document.data
    for other, kind in _KINDS.items():
        if isinstance(data, dict) and mark not in data and other in data:
            raise QuizFault(f"{path}:{document.line((other,))}: this is {kind}; give {_KINDS[mark]}")
    if not isinstance(data, dict) or mark not in data:
        raise QuizFault(f"{path}:1: no `{mark}`; begin the file with `{mark}: 1`")
    version = data[mark]
    if version != 1 or version is True:
        said = plain(repr(version), 40)
        raise QuizFault(f"{path}:{document.line((mark,))}: {mark} is {said}; this poolkit knows version 1")
    return document


def parse(document: Document, model: type[M]) -> tuple[M | None, list[Problem]]:
    """Return what a file holds, or None and everything that a strict model finds wrong with it."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        return None, in_order(_problems(document, error))


def _problems(document: Document, error: ValidationError) -> Iterator[Problem]:
    for found in error.errors(include_url=False):
        place: Place = tuple(found["loc"])
        if place[0] == "questions" and len(place) > 2:
            # pydantic puts the question's type between its number and the field
            place = place[:2] + place[3:]
        at = place[:-1] if found["type"] == "missing" else place
        yield Problem(document.path, document.line(at), f"{_whose(document, place)}{_said(document, place, found)}")


def _whose(document: Document, place: Place) -> str:
    """Name the question that a place lies in: `question "pool.leak": `."""
    if len(place) < 2 or place[0] not in ("questions", "answers"):
        return ""
    if place[0] == "answers":
        return f'answer to "{plain(str(place[1]), 60)}": '
    try:
        name = document.data["questions"][place[1]]["id"]
    except (TypeError, KeyError):
        name = f"number {int(place[1]) + 1}"
    return f'question "{plain(str(name), 60)}": '


def _said(document: Document, place: Place, found: Mapping[str, Any]) -> str:
    """Put pydantic's words for a problem (https://docs.pydantic.dev/latest/errors/validation_errors/) into ours."""
    kind, context, value = found["type"], found.get("ctx", {}), plain(repr(found["input"]), 40)
    inside = place[2:] if place[:1] in (("questions",), ("answers",)) and len(place) > 2 else place
    field = ".".join(str(part + 1) if isinstance(part, int) else plain(part, 60) for part in inside)
    match kind:
        case "missing":
            return f"`{field}` is missing; add it"
        case "extra_forbidden":
            return f"`{field}` is not a field here; {_spelling(str(place[-1]))}"
        case "union_tag_not_found":
            return "`type` is missing; add single, multi, true_false, order or numeric"
        case "union_tag_invalid":
            tag = plain(str(context["tag"]), 40)
            return f"{tag!r} is no type of question; use single, multi, true_false, order or numeric"
        case "string_type":
            return f"`{field}` is {value}, which is no text; put it in quotes"
        case "string_pattern_mismatch":
            return f"`{field}` is {value}, a malformed name; use small letters and digits, joined by {_joints(place)}"
        case "string_too_short":
            return f"`{field}` is empty; write something there"
        case "enum" | "literal_error":
            return f"`{field}` is {value}; use {context['expected'].replace(chr(39), '')}"
        case "too_short" | "too_long":
            return f"`{field}` has {context['actual_length']} of them; {_bound(context)}"
        case "greater_than_equal" | "less_than_equal":
            return f"`{field}` is {value}; {_bound(context)}"
        case "bool_type" | "int_type" | "float_type" | "list_type" | "model_type" | "dict_type":
            return f"`{field}` is {value}; write {_WANTED[kind]} there"
        case _:
            return f"`{field}` is {value}: {found['msg'].lower()}; change it"


_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number, without quotes",
    "list_type": "a list such as [a, b]",
    "model_type": "named fields such as {a: 1}",
    "dict_type": "named fields such as {a: 1}",
}


def _bound(context: Mapping[str, Any]) -> str:
    for key, words in (("ge", "at least"), ("min_length", "at least"), ("le", "at most"), ("max_length", "at most")):
        if key in context:
            return f"{words} {context[key]:g}"
    return "change it"


def _joints(place: Place) -> str:
    return "a hyphen" if len(place) != 3 else "a dot or a hyphen"


# Fields that people mean when they write another.
_FIELDS = (
    *("poolkit_quiz", "id", "title", "exercise", "defaults", "questions", "credit", "shuffle", "pass", "type"),
    *("prompt", "code", "hints", "explanation", "objective", "difficulty", "tags", "points", "trace", "verify"),
    *("choices", "items", "before", "answer", "tolerance", "unit", "wrong", "feedback", "misconception", "correct"),
    *("text", "pin", "lang", "file", "lines", "scenario", "step", "choice", "order", "skipped", "confidence"),
    *("quiz", "seed", "answers"),
)


def _spelling(name: str) -> str:
    if name in _FIELDS:
        return "it belongs somewhere else; remove it"
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    return f"did you mean `{near[0]}`?" if near else "remove it, or mend its spelling"
