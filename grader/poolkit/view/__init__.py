"""Pictures of a run, one module each: `render(picture) -> str`. A new format is a new file here."""

from __future__ import annotations

import importlib
import pkgutil

from poolkit.timeline import Picture


def names() -> list[str]:
    """Return the names that `poolkit trace --format` takes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def render(name: str, picture: Picture) -> str:
    """Return a picture in a format, ready to write out."""
    module = importlib.import_module(f"{__name__}.{name}")
    text: str = module.render(picture)
    return text
