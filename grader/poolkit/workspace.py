"""A learner's folder: the exercises that they edit, and what is remembered about them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from poolkit.course import Course, Exercise
from poolkit.errors import CourseFault, WorkspaceFault
from poolkit.text import plain

MARK = ".poolkit"
VERSION = 1
_GIVEN = ("README.md", "lesson.md", "schema.sql")


@dataclass(frozen=True)
class Workspace:
    """A folder that `poolkit init` made, or a checkout of a course, which has the same shape."""

    root: Path

    def folder(self, exercise_id: str) -> Path:
        """Where an exercise's files are."""
        return self.root / "exercises" / exercise_id

    def has_passed(self, exercise_id: str) -> bool:
        """Whether a check of this exercise has passed here before."""
        return exercise_id in self._progress()["passed"]

    def note_pass(self, exercise_id: str, points: int, when: datetime) -> None:
        """Remember that an exercise has passed."""
        progress = self._progress()
        progress["passed"].setdefault(exercise_id, {"points": points, "at": when.isoformat(timespec="seconds")})
        (self.root / MARK).mkdir(exist_ok=True)
        write_atomically(self.root / MARK / "progress.json", json.dumps(progress, indent=2) + "\n")

    def reset(self, exercise: Exercise, when: datetime) -> Path:
        """Put an exercise's stub back; return the dated copy of what was there.

        Raises:
            WorkspaceFault: there is nothing to reset.
        """
        current = self.folder(exercise.id) / exercise.file_name
        if not current.is_file():
            raise WorkspaceFault(f"{current}: no such file; run `poolkit init` in a new folder to get one")
        kept = self.root / MARK / "kept" / exercise.id
        kept.mkdir(parents=True, exist_ok=True)
        stamp = when.strftime("%Y-%m-%dT%H-%M-%S")
        copy = kept / f"{current.stem}-{stamp}.py"
        number = 1
        while copy.exists():
            number += 1
            copy = kept / f"{current.stem}-{stamp}-{number}.py"
        shutil.copy2(current, copy)
        write_atomically(current, exercise.stub.read_text(encoding="utf-8"))
        return copy

    def _progress(self) -> dict[str, Any]:
        path = self.root / MARK / "progress.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"poolkit_progress": VERSION, "passed": {}}
        except (OSError, ValueError, RecursionError) as error:
            raise WorkspaceFault(f"{path}: cannot be read ({plain(str(error), 80)}); move it away") from None
        if not isinstance(found, dict) or not isinstance(found.get("passed"), dict):
            raise WorkspaceFault(f"{path}: not a progress file; move it away")
        return found


def create(root: Path, course: Course) -> Workspace:
    """Make a workspace with every exercise's stub, its texts and a database to run it on.

    It is made aside and moved into place, so that an interrupted `init` leaves nothing half done.

    Raises:
        WorkspaceFault: the folder is there already and not empty, or cannot be made.
        CourseFault: a file of the course is broken.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise WorkspaceFault(f"{root}: already there; choose a new folder, or `poolkit reset` an exercise")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".poolkit-", dir=root.parent) as aside:
            made = Path(aside, "workspace")
            for exercise_id in course.ids:
                _give(course.exercise(exercise_id), made / "exercises" / exercise_id)
            (made / MARK).mkdir()
            mark = {"poolkit_workspace": VERSION, "course": course.about.title}
            write_atomically(made / MARK / "workspace.json", json.dumps(mark, indent=2) + "\n")
            if root.exists():
                root.rmdir()
            made.rename(root)
    except OSError as error:
        raise WorkspaceFault(f"{root}: cannot be made ({error.strerror}); choose another folder") from None
    return Workspace(root)


def _give(exercise: Exercise, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in (*_GIVEN, exercise.file_name, *exercise.about.given):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(exercise.folder / name, folder / name)
    if exercise.schema is not None:
        for name in exercise.about.databases:
            connection = sqlite3.connect(folder / name)
            try:
                connection.executescript(exercise.schema.read_text(encoding="utf-8"))
            except (UnicodeDecodeError, sqlite3.Error) as error:
                problem = f"{exercise.schema}: {error}; a schema is a file of SQL statements in UTF-8"
                raise CourseFault(problem) from error
            finally:
                connection.close()


def find(start: Path) -> Workspace | None:
    """Return the workspace that a folder lies in, else the only one that lies in it, else None."""
    for folder in (start, *start.parents):
        if _is_workspace(folder):
            return Workspace(folder)
    with contextlib.suppress(OSError):
        inside = [folder for folder in sorted(start.iterdir()) if folder.is_dir() and (folder / MARK).is_dir()]
        if len(inside) == 1:
            return Workspace(inside[0])
    return None


def _is_workspace(folder: Path) -> bool:
    return (folder / MARK / "workspace.json").is_file() or (folder / "exercises" / "course.yaml").is_file()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that whoever reads it, also after a crash, finds the old text or the new one, whole."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
