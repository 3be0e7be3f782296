"""Python itself, the libraries that the kit stands on, and what could slip in between them."""

from __future__ import annotations

import contextlib
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

_PACKAGE = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
_AGAIN = "make a new environment and install poolkit in it: python3 -m venv .venv && .venv/bin/pip install -e ."
_LIST = 4
"""How many of many to name."""
_CONSTRAINTS = tuple(folder / "constraints.txt" for folder in (_PACKAGE, _PACKAGE.parents[1]))
"""In a wheel it is in the package, in a checkout at the top."""

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


def python(tried: Sequence[str] | None = None) -> Iterator[Finding]:
    """Which Python this is, and where.

    Args:
        tried: the versions that the kit was tried with, the oldest first; what its metadata say if not given.
    """
    version = platform.python_version()
    tried = tried_pythons() if tried is None else tried
    span = f"; tried with {tried[0]} to {tried[-1]}" if tried else ""
    found = f"{platform.python_implementation()} {version}{span}, {sys.executable}"
    if sys.version_info < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding("Python", Level.PROBLEM, found, f"install Python {oldest} or newer, and poolkit in it")
    elif sys.implementation.name != "cpython":
        yield Finding("Python", Level.WARNING, found, "the kit is tested with CPython; use that one")
    elif tried and sys.version_info[:2] > _numbers(tried[-1]):
        remedy = f"it is newer than those that were tried; if a check surprises you, use Python {tried[-1]}"
        yield Finding("Python", Level.WARNING, found, remedy)
    else:
        yield fine("Python", found)
    if sys.platform not in ("linux", "darwin"):
        yield Finding("System", Level.PROBLEM, sys.platform, "use Linux or macOS; on Windows work in WSL")


def tried_pythons(distribution: str = "poolkit") -> list[str]:
    """Return the versions of Python that a distribution's classifiers name, such as 3.11, the oldest first."""
    try:
        classifiers = importlib.metadata.metadata(distribution).get_all("Classifier") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    named = (re.fullmatch(r"Programming Language :: Python :: (3\.[0-9]+)", str(each)) for each in classifiers)
    return sorted((match[1] for match in named if match), key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


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
        yield Finding("Libraries", Level.PROBLEM, _first_of(wrong), _AGAIN)
    else:
        yield fine("Libraries", f"{number} of them, in versions that fit")


def versions(constraints: Path | None = None, distribution: str = "poolkit") -> Iterator[Finding]:
    """Whether the libraries are those that the kit was tried with; others that fit may work as well.

    Args:
        constraints: the file that names them; the kit's own if not given.
    """
    file = constraints or next((each for each in _CONSTRAINTS if each.is_file()), None)
    try:
        pinned = _pinned(file) if file else {}
        needed = _needed(distribution)
    except (OSError, ValueError, importlib.metadata.PackageNotFoundError, ImportError):
        return  # what is missing is told by `libraries`; without the file there is nothing to compare with
    others = []
    for name in sorted(needed & pinned.keys()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            if (version := importlib.metadata.version(name)) != pinned[name]:
                others.append(f"{name} {version} (tried: {pinned[name]})")
    if others:
        remedy = "if a check surprises you: python -m pip install -c constraints.txt -e . in the kit's folder"
        yield Finding("Versions", Level.WARNING, _first_of(others), remedy)
    elif pinned:
        yield fine("Versions", "those that the kit was tried with")


def _first_of(found: Sequence[str]) -> str:
    """Return the first few of what was found, and how many more there are."""
    more = f"; and {len(found) - _LIST} more" if len(found) > _LIST else ""
    return "; ".join(found[:_LIST]) + more


def _pinned(file: Path) -> dict[str, str]:
    """Return the versions that a constraints file names for this Python and system.

    Raises:
        ValueError: a line is no requirement.
    """
    from packaging.requirements import Requirement

    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    needs = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        _normal(need.name): next(iter(need.specifier)).version
        for need in needs
        if len(need.specifier) == 1 and (need.marker is None or need.marker.evaluate())
    }


def _needed(distribution: str) -> set[str]:
    """Return the names of all that a distribution needs, and of what these need.

    Raises:
        importlib.metadata.PackageNotFoundError: the distribution itself is not installed.
    """
    importlib.metadata.distribution(distribution)
    return {_normal(need.name) for need, _ in _needs(distribution)}


def _unmet(distribution: str) -> tuple[list[str], int]:
    """Return what is missing or of a wrong version, of all that a distribution needs, and how many it needs.

    Raises:
        importlib.metadata.PackageNotFoundError: the distribution itself is not installed.
    """
    importlib.metadata.distribution(distribution)
    needs = list(_needs(distribution))
    wrong = [problem for need, by in needs if (problem := _problem(need, by))]
    return wrong, len({_normal(need.name) for need, _ in needs})


def _needs(distribution: str) -> Iterator[tuple[Requirement, str]]:
    """Go through what a distribution needs, and what these need; yield each need and whose it is."""
    from packaging.requirements import Requirement

    seen: set[tuple[str, str]] = set()
    ahead = [(distribution, "")]
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
            yield need, name
            for each in ((need.name, more) for more in ("", *need.extras)):
                if each not in seen:
                    seen.add(each)
                    ahead.append(each)


def _normal(name: str) -> str:
    """Return a distribution's name as PyPA's specification of names writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


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
