"""Formats of other programs, one module each: `render(quiz) -> str | bytes` and `warnings(quiz)`.

A new format is a new file here. What `render` leaves out, `warnings` says, a line for each kind of thing.
"""

from __future__ import annotations

import importlib
import pkgutil

from poolkit.quiz.model import Quiz


def names() -> list[str]:
    """Return the names that `--format` takes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def render(name: str, quiz: Quiz) -> str | bytes:
    """Return a quiz in a format, ready to write out: text, or the bytes of an archive."""
    content: str | bytes = importlib.import_module(f"{__name__}.{name}").render(quiz)
    return content


def warnings(name: str, quiz: Quiz) -> list[str]:
    """Return a line for each kind of thing that a format cannot carry of a quiz."""
    found: list[str] = importlib.import_module(f"{__name__}.{name}").warnings(quiz)
    return found
