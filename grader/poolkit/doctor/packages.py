"""Python itself, the libraries that the kit stands on, and what could slip in between them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolkit.doctor.finding import Finding, Level, fine

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OLDEST = (3, 11)
_AGAIN = "make a new environment and install poolkit in it: python3 -m venv .venv && .venv/bin/pip install -e ."
_LIST = 4
"""How many of many to name."""

# The modules that a learner's app and the judge import by these names.
_MODULES = (
    *("aiosqlite", "anyio", "click", "databases", "fastapi", "h11", "httpx", "pydantic", "pytest", "rich"),
    *("sniffio", "sqlalchemy", "sqlite3", "starlette", "uvicorn", "yaml"),
)

_HARMFUL = {
    "PYTHONHOME": "Python looks for its own library there",
    "PYTHONINSPECT": "each command would wait for input when it is done",
    "PYTHONOPTIMIZE": "assertions in tests are left out",
    "PYTHONWARNINGS": "warnings of libraries may become errors",
}
_SLOW = {
    "PYTHONASYNCIODEBUG": "asyncio is several times slower",
    "PYTHONDONTWRITEBYTECODE": "libraries that were never compiled are compiled at each start",
    "PYTHONMALLOC": "memory may be several times slower",
    "PYTHONTRACEMALLOC": "everything is several times slower",
}


def python() -> Iterator[Finding]:
    """Which Python this is, and where."""
    version = platform.python_version()
    found = f"{platform.python_implementation()} {version}, {sys.executable}"
    if sys.version_info < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding("Python", Level.PROBLEM, found, f"install Python {oldest} or newer, and poolkit in it")
    elif sys.implementation.name != "cpython":
        yield Finding("Python", Level.WARNING, found, "the kit is tested with CPython; use that one")
    else:
        yield fine("Python", found)
    if sys.platform not in ("linux", "darwin"):
        yield Finding("System", Level.PROBLEM, sys.platform, "use Linux or macOS; on Windows work in WSL")


def libraries(distribution: str = "poolkit") -> Iterator[Finding]:
    """Whether every library is there that the kit needs, in a version that works with the others."""
    try:
        wrong, number = _unmet(distribution)
    except importlib.metadata.PackageNotFoundError:
        text = "poolkit itself is not installed in this Python"
        yield Finding("Libraries", Level.PROBLEM, text, "install it: python -m pip install -e . in its folder")
        return
    except ImportError:
        yield Finding("Libraries", Level.PROBLEM, "the library packaging is missing", _AGAIN)
        return
    if wrong:
        shown = "; ".join(wrong[:_LIST]) + (f"; and {len(wrong) - _LIST} more" if len(wrong) > _LIST else "")
        yield Finding("Libraries", Level.PROBLEM, shown, _AGAIN)
    else:
        yield fine("Libraries", f"{number} of them, in versions that fit")


def _unmet(distribution: str) -> tuple[list[str], int]:
    """Return what is missing or of a wrong version, of all that a distribution needs, and how many it needs.

    Raises:
        importlib.metadata.PackageNotFoundError: the distribution itself is not installed.
    """
    from packaging.requirements import Requirement

    wrong: list[str] = []
    seen: set[tuple[str, str]] = set()
    ahead = [(distribution, "")]
    importlib.metadata.distribution(distribution)
    while ahead:
        name, extra = ahead.pop()
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for line in needs:
            need = Requirement(line)
            if need.marker is not None and not need.marker.evaluate({"extra": extra}):
                continue
            if problem := _problem(need, name):
                wrong.append(problem)
            for each in ((need.name, more) for more in ("", *need.extras)):
                if each not in seen:
                    seen.add(each)
                    ahead.append(each)
    return wrong, len({re.sub(r"[-_.]+", "-", name).lower() for name, _ in seen})


def _problem(need: Requirement, by: str) -> str:
    try:
        version = importlib.metadata.version(need.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{need.name} is missing ({by} needs it)"
    if need.specifier.contains(version, prereleases=True):
        return ""
    return f"{need.name} {version}, and {by} needs {need.specifier}"


def sqlite() -> Iterator[Finding]:
    """Whether SQLite is new enough for RETURNING and what else the exercises use."""
    import sqlite3

    found = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < (3, 35):
        yield Finding("SQLite", Level.PROBLEM, found, "use a Python that was built with SQLite 3.35 or newer")
    else:
        yield fine("SQLite", found)


def imports() -> Iterator[Finding]:
    """Whether a file of somebody's stands in the place of a library."""
    hiding = list(hidden(_MODULES))
    if hiding:
        text = "; ".join(f"{path} hides the library {name}" for name, path in hiding[:_LIST])
        yield Finding("Imports", Level.PROBLEM, text, "rename the file, or take its folder out of PYTHONPATH")
    else:
        yield fine("Imports", "no file of yours hides a library")


def hidden(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return which of these modules would be imported from a folder that is nobody's installation, and their files."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    doubtful = {Path(entry).resolve() for entry in (*named, ".") if entry}
    homes = {folder for folder in doubtful if any(folder.glob("*.dist-info"))} | {Path(os.__file__).resolve().parent}
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            continue  # what is missing is told elsewhere
        if spec is None or not spec.origin:
            continue
        file = Path(spec.origin).resolve()
        root = file.parent.parent if file.name == "__init__.py" else file.parent
        if root in doubtful - homes:
            yield name, str(file)


def variables(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Which of Python's own variables are set that change how it works."""
    harmful = {name: why for name, why in _HARMFUL.items() if environment.get(name)}
    slow = {name: why for name, why in _SLOW.items() if environment.get(name)}
    for name, why in harmful.items():
        yield Finding("Environment", Level.WARNING, f"{name} is set: {why}", f"unset {name}")
    for name, why in slow.items():
        yield Finding("Environment", Level.WARNING, f"{name} is set: {why}", f"unset {name}")
    if path := environment.get("PYTHONPATH"):
        text = f"PYTHONPATH is {path}: Python looks there before it looks where libraries are installed"
        yield Finding("Environment", Level.WARNING, text, "unset PYTHONPATH, unless you know what it is for")
    if not (harmful or slow or path):
        startup = ", and PYTHONSTARTUP does no harm" if environment.get("PYTHONSTARTUP") else ""
        yield fine("Environment", f"none of Python's variables is in the way{startup}")
