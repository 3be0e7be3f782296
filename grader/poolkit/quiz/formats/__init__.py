"""Formats of a quiz's result, one module each: `render(result) -> str`. A new format is a new file here."""

from __future__ import annotations

import importlib
import pkgutil

from poolkit.quiz.result import Result


def names() -> list[str]:
    """Return the names that `--format` takes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def render(name: str, result: Result) -> str:
    """Return a result in a format, ready to write out."""
    module = importlib.import_module(f"{__name__}.{name}")
    text: str = module.render(result)
    return text
