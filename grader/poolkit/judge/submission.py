"""Takes a snapshot of what a learner hands in, so that a save during a run changes nothing."""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from poolkit.errors import UsageFault
from poolkit.events import Location
from poolkit.report import AppError

MAX_FILE = 1 << 20
MAX_FILES = 200
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
_KEPT = frozenset({".py", ".sql", ".txt", ".json", ".html", ".csv"})

# Some of Python's other codecs take minutes for a mebibyte.
_ENCODINGS = frozenset({"utf-8", "utf-8-sig", "ascii", "iso-8859-1", "iso-8859-15", "cp1252"})

# What the app of an exercise stands on; a learner's file of that name would be imported in its place.
_LIBRARIES = frozenset(
    {
        *("aiosqlite", "annotated_types", "anyio", "click", "databases", "fastapi", "h11", "httpx", "idna"),
        *("poolkit", "pydantic", "pydantic_core", "pytest", "sitecustomize", "sniffio", "sqlalchemy", "starlette"),
        *("typing_extensions", "usercustomize", "uvicorn", "yaml"),
    }
)


@dataclass(frozen=True)
class Submission:
    """A learner's file or folder: `path` to read, `shown` as they would name it."""

    path: Path
    shown: str


def locate(path: Path, file_name: str) -> Submission:
    """Return the submission at a path: a file, or a folder that holds `file_name`.

    Raises:
        UsageFault: there is none.
    """
    try:
        found = path / file_name if path.is_dir() else path
        exists = found.is_file()
    except (OSError, ValueError) as error:
        raise UsageFault(f"{ascii(str(path))[:80]}: not a path that can be read ({error})") from None
    if not exists:
        raise UsageFault(f"{found}: no such file; give a file, or a folder that holds {file_name}")
    return Submission(path if path.is_dir() else found, str(found))


def take(submission: Submission, file_name: str, target: Path, given: Sequence[Path] = ()) -> AppError | None:
    """Copy a submission into `target`; return what keeps it from being run, if anything does.

    Of a folder, Python and small text files are copied, at most 200 and 1 MiB each; links are not followed.

    Args:
        file_name: the learner's file, as it is called in `target`.
        given: files of the course's that stand beside it, whatever the learner has there.
    """
    target.mkdir(mode=0o700, exist_ok=True)
    main = target / file_name
    if submission.path.is_dir():
        for index, (source, name) in enumerate(files(submission.path)):
            if index == MAX_FILES:
                return AppError("", f"{submission.path}: over {MAX_FILES} files; keep what the app needs")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
        if not main.exists():
            return AppError("", f"{submission.shown}: a link, or over {MAX_FILE >> 20} MiB; use a plain file")
        if shadowing := _shadowing(target):
            return shadowing
    else:
        if submission.path.stat().st_size > MAX_FILE:
            return AppError("", f"{submission.shown}: over {MAX_FILE >> 20} MiB; that is no file for an exercise")
        shutil.copyfile(submission.path, main)
    for path in given:
        shutil.copyfile(path, target / path.name)
    return _unreadable(main, Path(submission.shown).name)


def files(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Go through the files of a learner's folder that are copied: each file, and its path in the folder."""
    for directory, names, inside in os.walk(folder):
        names[:] = sorted(n for n in names if n not in _SKIPPED and not n.startswith("."))
        for name in sorted(inside):
            path = Path(directory, name)
            try:
                found = path.lstat()  # of a link, the link's own; of a pipe, no regular file either
            except FileNotFoundError:
                continue  # an editor's, which comes and goes
            if path.suffix in _KEPT and stat.S_ISREG(found.st_mode) and found.st_size <= MAX_FILE:
                yield path, path.relative_to(folder)


def _shadowing(folder: Path) -> AppError | None:
    for path in sorted(folder.iterdir()):
        name = path.stem if path.suffix == ".py" else path.name
        package = path.is_dir() and (path / "__init__.py").exists()
        if (path.suffix == ".py" or package) and (name in _LIBRARIES or name in sys.stdlib_module_names):
            where = Location(path.name, 1)
            return AppError("", f"{path.name} hides the library `{name}` that the app imports; rename it", where)
    return None


def _unreadable(path: Path, name: str) -> AppError | None:
    data = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if encoding not in _ENCODINGS:
            raise LookupError(encoding)
        data.decode(encoding)
    except UnicodeDecodeError:
        return _not_text(data, encoding, name)
    except (SyntaxError, LookupError, UnicodeError):
        # No encoding is declared and the beginning is not UTF-8, or the declared one does not exist or is for no text.
        return _not_text(data, "utf-8", name) or AppError(
            "", "its coding comment is wrong; remove it", Location(name, 1)
        )
    return None


def _not_text(data: bytes, encoding: str, name: str) -> AppError | None:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return AppError("", f"not {encoding.upper()} text; save the file as UTF-8", Location(name, line))
    return None
