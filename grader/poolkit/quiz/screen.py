"""Shows questions in a terminal, with colours where it has them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from poolkit.quiz.learner import Option, SheetQuestion
from poolkit.text import count, plain

WIDTH = 100

_HOW = {
    "single": "Type the number of your choice.",
    "multi": "Type the numbers of all that are right, such as 1 3.",
    "true_false": "Type t for true or f for false.",
    "order": "Type all the numbers in the right order, such as 2 1 3.",
    "numeric": "Type a number.",
}


def arranged(question: SheetQuestion, seed: int) -> list[Option]:
    """Return a question's options in the order in which a seed shows them, pinned ones at their ends."""
    options = list(question.options)
    if question.shuffle or question.type == "order":
        random.Random(f"{seed}/{question.id}").shuffle(options)
    ends = {"first": -1, None: 0, "last": 1}
    return sorted(options, key=lambda option: ends[option.pin])


class Screen:
    """Shows questions and reads what is typed.

    Args:
        console: where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDTH)

    def title(self, title: str, lines: Iterable[str]) -> None:
        """Show what a quiz is called, and lines about it."""
        self._print(Text(plain(title), "bold"))
        for line in lines:
            self.note(line)

    def question(self, question: SheetQuestion, options: Sequence[Option], where: str) -> None:
        """Show a question; `where` is its place in the quiz."""
        self._print(Text())
        self._print(Text(f"{where}  {count(question.points, 'point')}", "bright_black"))
        for paragraph in question.prompt.strip().split("\n\n"):
            self._print(_marked(paragraph, "bold"))
        if question.code is not None:
            self._print(Text())
            # No background and no line that runs past the window: it must be readable on any terminal.
            syntax = Syntax(question.code.text, question.code.lang, theme="ansi_dark", word_wrap=True)
            self._print(Padding(syntax, (0, 0, 0, 4)))
        self._print(Text())
        for number, option in enumerate(options, 1):
            line = Text.assemble((f"  {number}  ", "cyan"), _marked(option.text))
            self._hanging(line, 5)
        unit = f" ({plain(question.unit)})" if question.unit else ""
        self.note(f"{_HOW[question.type]}{unit}")

    def note(self, text: str) -> None:
        """Show a line that is no content: what can be typed, what was kept."""
        self._print(Text(plain(text), "bright_black"))

    def hint(self, number: int, of: int, text: str) -> None:
        """Show a hint."""
        self._hanging(Text.assemble((f"Hint {number} of {of}: ", "yellow"), _marked(text)), 2)

    def problem(self, text: str) -> None:
        """Say why what was typed is no answer."""
        self._print(Text(plain(text), "yellow"))

    def lines(self, lines: Iterable[str]) -> None:
        """Show lines that bring their own colours."""
        for line in lines:
            self._print(Text.from_ansi(line))

    def read(self) -> str | None:
        """Return what was typed up to Enter, or None at its end (Ctrl-D)."""
        self._console.print(Text("> ", "cyan"), end="")
        try:
            return input().strip()
        except EOFError:
            self._print(Text())
            return None
        except UnicodeDecodeError:
            return "?"

    def _print(self, what: Text | Padding) -> None:
        self._console.print(what, width=self._width, soft_wrap=False)

    def _hanging(self, text: Text, indent: int) -> None:
        """Show text whose later lines begin below the words of the first."""
        lines = text.wrap(self._console, self._width - indent)
        for number, line in enumerate(lines):
            self._print(line if number == 0 else Text(" " * indent) + line)


def _marked(text: str, style: str = "") -> Text:
    """Return a text whose `code` stands out; the marks stay, for terminals without colours."""
    made = Text(style=style)
    for part in re.split(r"(`[^`]+`)", plain(text, 4_000)):
        made.append(part, "cyan" if part.startswith("`") and part.endswith("`") and len(part) > 2 else None)
    return made
