"""What a person reads in a terminal: the score, a line for each question, then what went wrong and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from fractions import Fraction

import click

from poolkit.quiz.result import Outcome, QuestionResult, Result, number
from poolkit.text import plain

WIDTH = 78

_SIGNS = {
    Outcome.RIGHT: ("✓", "green"),
    Outcome.PARTLY: ("~", "yellow"),
    Outcome.WRONG: ("✗", "red"),
    Outcome.SKIPPED: ("·", "bright_black"),
}


def render(result: Result) -> str:
    """Return the whole result."""
    wrong = [question for question in result.questions if question.outcome in (Outcome.PARTLY, Outcome.WRONG)]
    return "\n".join([*summary(result), *(line for question in wrong for line in ("", *details(question)))]) + "\n"


def summary(result: Result) -> Iterator[str]:
    """Give the score, whether it passes, and a line for each question."""
    colour = "green" if result.passed else "red"
    verdict = click.style("passed" if result.passed else "not passed", fg=colour, bold=True)
    mark = f"{_percent(result.score)}, and {_percent(result.pass_mark)} passes"
    yield f"{number(result.points)} of {result.max_points} points, {verdict}  ({mark})"
    yield click.style(f"{result.quiz}  {plain(result.title)}", fg="bright_black")
    yield ""
    for question in result.questions:
        sign, colour = _SIGNS[question.outcome]
        points = f"{number(question.points)}/{question.max_points}"
        note = " (skipped)" if question.outcome is Outcome.SKIPPED else ""
        said = textwrap.shorten(plain(question.prompt), WIDTH - 13 - len(note), placeholder="…") + note
        yield f"  {click.style(sign, fg=colour)} {points:>7}  {said}"


def details(question: QuestionResult) -> Iterator[str]:
    """Give what was answered, what is right, and why."""
    sign, colour = _SIGNS[question.outcome]
    first, *rest = _wrapped(question.prompt, WIDTH - 4)
    yield f"  {click.style(sign, fg=colour)} {click.style(first, bold=True)}"
    yield from (f"    {click.style(line, bold=True)}" for line in rest)
    yield from verdict(question)


def verdict(question: QuestionResult) -> Iterator[str]:
    """Give what is said of an answer, without the question."""
    yield from _field("Answered", question.given)
    if question.outcome is not Outcome.RIGHT:
        yield from _field("Right", question.key)
    for each in question.feedback:
        if each.text:
            # One choice needs no name; several are told apart by how they begin.
            several = each.about and len(question.feedback) > 1
            about = f"({textwrap.shorten(plain(each.about), 40, placeholder='…')}) " if several else ""
            yield from _field("Feedback", (about + each.text,), bullet="")
    if question.explanation:
        yield from _field("Why", (question.explanation,))
    if question.step:
        yield from _field("Recorded", (question.step,))


def _field(name: str, texts: tuple[str, ...], bullet: str = "- ") -> Iterator[str]:
    head = click.style(f"{name:<10}", fg="cyan")
    for text in texts:
        mark = bullet if len(texts) > 1 else ""
        for line in _wrapped(text, WIDTH - 14, mark):
            yield f"    {head}{line}"
            head = " " * 10


def _wrapped(text: str, width: int, mark: str = "") -> list[str]:
    indent = " " * len(mark)
    made = textwrap.wrap(plain(text), width, initial_indent=mark, subsequent_indent=indent, break_on_hyphens=False)
    return made or [""]


def _percent(share: Fraction) -> str:
    return f"{float(share) * 100:.1f}".rstrip("0").rstrip(".") + " %"
