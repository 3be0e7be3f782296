"""Output formats, one module each: `render(reports, quizzes) -> str`. A new format is a new file here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from poolkit.quiz.result import Folder
from poolkit.report import Report


def names() -> list[str]:
    """Return the names that `--format` takes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def render(name: str, reports: Sequence[Report], quizzes: Folder | None = None) -> str:
    """Return reports in a format, ready to write out, and the answers to quizzes where some were asked for."""
    module = importlib.import_module(f"{__name__}.{name}")
    text: str = module.render(reports, quizzes)
    return text
