"""Takes somebody through a quiz in a terminal. It has the sheet alone, so that it cannot tell more than that.

Answers are typed as numbers and sent with Enter: that works without colours, over slow lines and with a screen
reader. Each answer is kept as soon as it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from poolkit.quiz.answers import Answer, Answers, Given
from poolkit.quiz.formats.text import verdict
from poolkit.quiz.learner import Option, Sheet, SheetQuestion
from poolkit.quiz.result import Outcome, QuestionResult
from poolkit.quiz.screen import Screen, arranged
from poolkit.text import count

Judge = Callable[[str, Answer], QuestionResult]
Command = Literal["hint", "skip", "back", "stop", "help", "keep"]

_COMMANDS: dict[str, Command] = {
    **{"h": "hint", "hint": "hint", "s": "skip", "skip": "skip", "b": "back", "back": "back"},
    **{"q": "stop", "quit": "stop", "?": "help", "help": "help", "": "keep"},
}
_NUMBER = re.compile(r"[-+]?[0-9]{1,15}(\.[0-9]{1,4})?")
_SAID = {
    Outcome.RIGHT: "\x1b[32m✓ Right.\x1b[0m",
    Outcome.PARTLY: "\x1b[33m~ Partly right.\x1b[0m",
    Outcome.WRONG: "\x1b[31m✗ Not right.\x1b[0m",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """An answer that was typed; `sure` when a `!` stood after it."""

    given: Given
    sure: bool


def understand(line: str, question: SheetQuestion, options: Sequence[Option]) -> Typed | Command | str:
    """Return what a typed line means: an answer, a command, or a sentence that says why it is neither.

    Args:
        options: the question's, in the order in which they are shown.
    """
    line = line.strip().lower()
    if line in _COMMANDS:
        return _COMMANDS[line]
    sure = line.endswith("!")
    text = line.rstrip("!").strip()
    if question.type == "numeric":
        text = text.replace(",", ".")
        if not _NUMBER.fullmatch(text):
            return "That is no number. Type one such as 4 or 0.5."
        return Typed(float(text), sure)
    if question.type == "true_false":
        if text not in ("t", "f", "true", "false"):
            return "Type t for true or f for false."
        return Typed(text.startswith("t"), sure)
    if not re.fullmatch(r"[0-9][0-9 ,]*", text):
        return f"Type numbers from 1 to {len(options)}, or ? for what else you can type."
    return _chosen([int(digit) for digit in re.findall("[0-9]", text)], question, options, sure)


def _chosen(
    numbers: list[int], question: SheetQuestion, options: Sequence[Option], sure: bool
) -> Typed | Command | str:
    if any(not 1 <= number <= len(options) for number in numbers):
        return f"There are {len(options)} to choose from: type numbers from 1 to {len(options)}."
    if len(set(numbers)) < len(numbers):
        return "One number stands there twice. Name each once."
    if question.type == "single" and len(numbers) != 1:
        return "One of them is right: type one number."
    if question.type == "order" and len(numbers) != len(options):
        return f"Put all {len(options)} in order: type each number once."
    return Typed(tuple(options[number - 1].id for number in numbers), sure)


class Asking:
    """One go through a quiz.

    Args:
        sheet: the questions.
        answers: those that were given before, and the seed of the choices' order.
        screen: where to ask.
        keep: called with all answers after each one.
        judge: scores one answer, for feedback at once; None when feedback comes at the end.
    """

    def __init__(
        self, sheet: Sheet, answers: Answers, screen: Screen, keep: Callable[[Answers], None], judge: Judge | None
    ) -> None:
        self._sheet = sheet
        self._answers = answers
        self._screen = screen
        self._keep = keep
        self._judge = judge

    def run(self) -> Answers | None:
        """Ask what is not answered yet; return all answers, or None when somebody stopped before the end."""
        questions = self._sheet.questions
        index = next((i for i, each in enumerate(questions) if each.id not in self._answers.answers), len(questions))
        while index < len(questions):
            said = self._ask(questions[index], f"Question {index + 1} of {len(questions)}")
            if said == "stop":
                return None
            index = max(0, index - 1) if said == "back" else index + 1
        return self._answers

    def _ask(self, question: SheetQuestion, where: str) -> Command | None:
        """Ask one question; return None when it is answered, else the command that leaves it."""
        assert self._answers.seed is not None
        options = arranged(question, self._answers.seed)
        self._screen.question(question, options, where)
        before = self._answers.answers.get(question.id)
        hints = before.hints if before else self._answers.hints.get(question.id, 0)
        if before is not None:
            self._screen.note("You have answered this. Enter keeps your answer.")
        while True:
            line = self._screen.read()
            meant = "stop" if line is None else understand(line, question, options)
            if isinstance(meant, Typed):
                self._note(question, Answer(meant.given, "sure" if meant.sure else None, hints))
                return None
            match meant:
                case "hint":
                    hints = self._hint(question, hints)
                case "skip":
                    self._note(question, Answer(None, None, hints))
                    return None
                case "stop":
                    return "stop"
                case "back" if self._judge is None:
                    return "back"
                case "back":
                    self._screen.problem("With feedback at once there is no way back; a quiz has --feedback final.")
                case "keep" if before is not None:
                    return None
                case "help" | "keep":
                    self._screen.note(self._help(question))
                case _:
                    self._screen.problem(meant)

    def _help(self, question: SheetQuestion) -> str:
        hints = f"h for a hint ({count(len(question.hints), 'hint')}), " if question.hints else ""
        back = "b to go back, " if self._judge is None else ""
        return (
            f"Type your answer, with ! after it when you are sure; {hints}s to skip, {back}q to stop and go on later."
        )

    def _hint(self, question: SheetQuestion, shown: int) -> int:
        total = len(question.hints)
        if shown >= total:
            self._screen.note("There is no other hint." if total else "This question has no hint.")
            return shown
        self._screen.hint(shown + 1, total, question.hints[shown])
        # Kept at once, so that stopping here does not make it unread.
        if before := self._answers.answers.get(question.id):
            self._change({**self._answers.answers, question.id: replace(before, hints=shown + 1)}, self._answers.hints)
        else:
            self._change(self._answers.answers, {**self._answers.hints, question.id: shown + 1})
        return shown + 1

    def _change(self, answers: Mapping[str, Answer], hints: Mapping[str, int]) -> None:
        self._answers = replace(self._answers, answers=answers, hints=hints)
        self._keep(self._answers)

    def _note(self, question: SheetQuestion, answer: Answer) -> None:
        others = {name: read for name, read in self._answers.hints.items() if name != question.id}
        self._change({**self._answers.answers, question.id: answer}, others)
        if self._judge is not None and answer.given is not None:
            result = self._judge(question.id, answer)
            self._screen.lines([_SAID[result.outcome], *verdict(result)])
