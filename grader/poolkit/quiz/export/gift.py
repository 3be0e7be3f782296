r"""GIFT, Moodle's format of plain text (https://docs.moodle.org/en/GIFT_format).

Moodle splits a file at blank lines and trims each line, so whatever must keep its lines or its spaces, such as code,
stands on one physical line with `\n` for each line end. `\ ~ = # { } :` have a backslash before them.
"""

from __future__ import annotations

import re

from poolkit.quiz.export import _parts
from poolkit.quiz.export.moodle import fraction
from poolkit.quiz.model import AnyQuestion, Credit, Multi, Numeric, Quiz, Single, TrueFalse

_CONTROL = re.compile(r"[\\~=#{}:]")


def render(quiz: Quiz) -> str:
    """Return a quiz as GIFT: a category named for it, and its questions, a blank line after each."""
    title = " ".join(_parts.printable(quiz.title).split()).replace("/", "//")
    written = [_question(question) for question in quiz.questions if not _parts.is_order(question)]
    return "\n\n".join([f"$CATEGORY: $course$/top/{title}", *written]) + "\n"


def warnings(quiz: Quiz) -> list[str]:
    """Return what GIFT does not carry."""
    return [
        *_parts.said(quiz, "GIFT has no questions that ask for an order; left out", _parts.is_order),
        *_parts.said(quiz, "GIFT has no hints; left out", _parts.has_hints),
        *_parts.said(quiz, "GIFT has no points; every question has Moodle's default", _parts.has_points),
        *_parts.other_credit(quiz, frozenset({Credit.NET_CORRECT})),
        *_parts.said(
            quiz,
            "GIFT does not say whether choices are shuffled, and has no fixed places",
            lambda question: (
                isinstance(question, Single | Multi) and (_parts.has_pins(question) or not quiz.shuffles(question))
            ),
        ),
        *_parts.unprintable(quiz),
        *_parts.of_the_kit(quiz, "GIFT"),
    ]


def escaped(text: str) -> str:
    """Return text on one line, with a backslash before what means something in GIFT."""
    return _CONTROL.sub(r"\\\g<0>", text).replace("\n", r"\n")


def _question(question: AnyQuestion) -> str:
    # `]` would end a label, and stands in none.
    head = " ".join([f"[id:{question.id}]", *(f"[tag:{label}]" for label in _parts.labels(question))])
    match question:
        case Single() | Multi():
            answers = _choices(question)
        case TrueFalse():
            # The first feedback is that of the wrong answer.
            answers = [("TRUE" if question.answer else "FALSE") + _feedback(question.feedback)]
        case Numeric():
            answers = ["#", *_numbers(question)]
        case _:
            raise TypeError(f"GIFT has no questions of the type {question.type}")
    explanation = [f"####{_html(_parts.block(question.explanation))}"] if question.explanation.strip() else []
    body = "".join(f"\t{line}\n" for line in [*answers, *explanation])
    return f"// {head}\n::{question.id}::{_html(_parts.asked(question))}{{\n{body}}}"


def _choices(question: Single | Multi) -> list[str]:
    correct = sum(choice.correct for choice in question.choices)
    lines = []
    for choice in _parts.placed(question):
        if isinstance(question, Multi):
            sign = f"~%{fraction(correct, right=choice.correct)}%"
        else:
            sign = "=" if choice.correct else "~"
        lines.append(f"{sign}{_html(_parts.inline(choice.text))}{_feedback(choice.feedback)}")
    return lines


def _numbers(question: Numeric) -> list[str]:
    tolerance = _parts.number(question.tolerance)
    lines = [f"={_parts.number(question.answer)}:{tolerance}"]
    for wrong in question.wrong:
        lines.append(f"=%0%{_parts.number(wrong.answer)}:{tolerance}{_feedback(wrong.feedback)}")
    # No number: any other answer.
    return [*lines, f"~{_feedback(question.feedback)}"] if question.feedback.strip() else lines


def _feedback(text: str) -> str:
    return f"#{_html(_parts.block(text))}" if text.strip() else ""


def _html(content: str) -> str:
    return f"[html]{escaped(content)}"
