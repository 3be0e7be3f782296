"""What the tests of exports and imports share: every quiz there is, and how a quiz compares with what came back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from lxml import etree

from poolkit.course import find_course
from poolkit.quiz import load
from poolkit.quiz.export import _parts
from poolkit.quiz.imports import Imported, read
from poolkit.quiz.model import AnyQuestion, Multi, Numeric, Order, Quiz, Single, TrueFalse

NAMES = [path.stem for path in load.paths(find_course())]
"""The kit's own quizzes, however many there are."""

# What means something in one of the formats, or in HTML, XML, YAML or JavaScript.
NASTY = [
    r"C:\new\table",
    r"a ~ b = c # d { e } f : g",
    r"ends with a backslash \ ",
    "`dict = {'a': 1}` and `x\\n`, `` and an odd `",
    "<b>no markup</b> & no &amp; entity; List<int>, x<y?",
    "two\nlines\n\nand a paragraph",
    "::title:: [html] [sound:x.mp3] %50% =right ~wrong #### -> // comment",
    "\"quotes\" 'both' – ünïcödé 日本語 🎈 \u200f",
    "]]> <!-- --> <?pi?> {{Field}} {{c1::cloze}} \\( x \\) $$",
]


def own(name: str) -> Quiz:
    """Return one of the kit's own quizzes."""
    course = find_course()
    return load.load(load.find(course, name), course)


def nasty() -> Quiz:
    """Return a quiz of every type whose texts are as hard to write as texts can be."""
    feedback = dict(enumerate(NASTY))
    choices = [
        {"id": f"c{index}", "text": text, "correct": index % 3 == 0, "feedback": NASTY[-index]}
        for index, text in enumerate(NASTY)
    ]
    code = {"lang": "python", "text": 'if a == {}:\n    b = "\\n" # <x> & ~\n\n\tc: int = 1  '}
    return made(
        [
            {"id": "nasty.multi", "type": "multi", "prompt": NASTY[0], "code": code, "choices": choices},
            {
                "id": "nasty.single",
                "type": "single",
                "prompt": NASTY[5],
                "choices": [{**choice, "correct": index == 1} for index, choice in enumerate(choices)],
                "explanation": NASTY[4],
                "hints": NASTY,
                "tags": ["one", "two"],
                "difficulty": 3,
                "objective": "lo.x",
                "points": 3,
            },
            {"id": "nasty.truth", "type": "true_false", "prompt": NASTY[6], "answer": True, "feedback": feedback[7]},
            {
                "id": "nasty.number",
                "type": "numeric",
                "prompt": NASTY[3],
                "answer": -0.5,
                "tolerance": 0.0001,
                "unit": "ms",
                "wrong": [{"answer": 12, "feedback": NASTY[1]}],
                "feedback": NASTY[8],
            },
            {
                "id": "nasty.order",
                "type": "order",
                "prompt": NASTY[1],
                "items": [{"id": f"i{index}", "text": text} for index, text in enumerate(NASTY)],
                "before": [[f"i{index}", f"i{index + 1}"] for index in range(len(NASTY) - 1)],
                "feedback": NASTY[2],
            },
        ]
    )


def files(archive: bytes) -> dict[str, etree._Element]:
    """Return the files of a package as lxml reads them."""
    with zipfile.ZipFile(io.BytesIO(archive)) as package:
        return {name: etree.fromstring(package.read(name)) for name in package.namelist()}


def every(name: str) -> Quiz:
    """Return one of the kit's own quizzes, or the one with hard texts."""
    return nasty() if name == "nasty" else own(name)


def made(questions: list[dict[str, Any]]) -> Quiz:
    """Return a quiz of questions."""
    return Quiz.model_validate({"poolkit_quiz": 1, "id": "nasty", "title": "A/B: {nasty} = #1", "questions": questions})


def back(tmp_path: Path, name: str, content: str | bytes) -> Imported:
    """Return what an import makes of a file."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


def same(text: str) -> str:
    """Return text as every format keeps it, which is without the space around it."""
    return _parts.printable(text).strip()


def compared(quiz: Quiz) -> list[dict[str, Any]]:
    """Return of each question what must come back: all but the ids of choices, and what no format holds."""
    return [_compared(question) for question in quiz.questions]


def _compared(question: AnyQuestion) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": question.id,
        "type": question.type,
        "prompt": same(question.prompt),
        "code": question.code and (question.code.lang, _parts.printable(question.code.text or "").rstrip("\n")),
        "explanation": same(question.explanation),
        "objective": question.objective,
        "difficulty": question.difficulty,
        "tags": list(question.tags),
    }
    match question:
        case Single() | Multi():
            found["choices"] = [
                (same(choice.text), choice.correct, same(choice.feedback)) for choice in _parts.placed(question)
            ]
        case TrueFalse():
            found |= {"answer": question.answer, "feedback": same(question.feedback)}
        case Order():
            found |= {
                "order": [same(item.text) for item in _parts.in_order(question)],
                "feedback": same(question.feedback),
            }
        case Numeric():
            wrong = [(wrong.answer, same(wrong.feedback)) for wrong in question.wrong]
            key = (question.answer, question.tolerance, question.unit)
            found |= {"key": key, "wrong": wrong, "feedback": same(question.feedback)}
    return found
