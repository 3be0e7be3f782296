"""Quizzes from other programs, one module for each format: `read(path, text) -> Bank`."""

from __future__ import annotations

import importlib
import pkgutil
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from poolkit.errors import QuizFault
from poolkit.quiz.imports._bank import Bank, drafted
from poolkit.quiz.imports._write import as_yaml
from poolkit.quiz.model import Quiz
from poolkit.yamlfile import MAX_BYTES


@dataclass(frozen=True, slots=True)
class Imported:
    """A quiz that came from another format, and a line for each thing that did not come with it."""

    quiz: Quiz
    warnings: tuple[str, ...]

    @property
    def text(self) -> str:
        """The quiz's file."""
        return as_yaml(self.quiz)


def names() -> list[str]:
    """Return the names that `--format` takes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def read(path: Path, style: str | None = None, quiz_id: str | None = None) -> Imported:
    """Read a file of questions as a quiz.

    Args:
        style: one of `names()`; told by the file's first character when not given.
        quiz_id: the quiz's id, when neither the one in the file nor the file's name is to be it.

    Raises:
        QuizFault: the file is broken, or has no question that poolkit has a type for; the text has file, line, remedy.
    """
    text = _text(path)
    found = style or ("moodle" if text.lstrip("\ufeff \t\r\n").startswith("<") else "gift")
    bank: Bank = importlib.import_module(f"{__name__}.{found}").read(path, text)
    quiz = drafted(path, bank, quiz_id or bank.quiz_id or quiz_id_of(path))
    return Imported(quiz, tuple(map(str, bank.skipped)))


def quiz_id_of(path: Path) -> str:
    """Return a quiz's id made of a file's name: small letters and digits, joined by hyphens."""
    plain = unicodedata.normalize("NFKD", path.stem.casefold()).encode("ascii", "ignore").decode()
    words = "-".join(re.findall("[a-z0-9]+", plain))[:60].strip("-")
    return words if words[:1].isalpha() else f"quiz-{words}".strip("-")


def _text(path: Path) -> str:
    if not path.is_file():
        raise QuizFault(f"{path}: {'not a plain file' if path.exists() else 'no such file'}; check the name")
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise QuizFault(f"{path}: {error.strerror}; check the file") from None
    if data is None:
        raise QuizFault(f"{path}: over {MAX_BYTES} bytes; split the file")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise QuizFault(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None
