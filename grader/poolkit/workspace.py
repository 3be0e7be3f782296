"""A learner's folder: the exercises that they edit, and what is remembered about them."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from poolkit import given
from poolkit.course import Course, Exercise
from poolkit.errors import CourseFault, WorkspaceFault
from poolkit.files import unused
from poolkit.files import write_atomically as write_atomically
from poolkit.progress import Progress
from poolkit.report import Report

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

    def progress(self) -> Progress:
        """What is remembered of the learner's work here."""
        return Progress(self.root / MARK)

    def has_passed(self, exercise_id: str) -> bool:
        """Whether a check of this exercise has passed here before."""
        return exercise_id in self.progress().read().passed

    def note(self, report: Report, source: str | bytes | None, when: datetime) -> str:
        """Remember what a check of the learner's file found, and the file when it has passed: see `Progress.note`."""
        return self.progress().note(report, source, when)

    def note_pass(self, exercise_id: str, points: int, when: datetime) -> None:
        """Remember that an exercise has passed."""
        self.progress().note_pass(exercise_id, points, when)

    def own(self, exercise: Exercise, path: Path) -> bytes | None:
        """Return the learner's file of an exercise, if that is what stands at a path."""
        mine = self.folder(exercise.id) / exercise.file_name
        try:
            return mine.read_bytes() if path.resolve() == mine.resolve() else None
        except OSError:
            return None

    def reset(self, exercise: Exercise, when: datetime, *, last_pass: bool = False) -> Path:
        """Put an exercise's file back as it was at first, or as it last passed; return a dated copy of what was there.

        Raises:
            WorkspaceFault: there is nothing to reset, or it has not passed yet.
        """
        current = self.folder(exercise.id) / exercise.file_name
        if not current.is_file():
            raise WorkspaceFault(f"{current}: no such file; run `poolkit upgrade` to get one")
        wanted = self.last_passing(exercise) if last_pass else exercise.stub
        kept = self.root / MARK / "kept" / exercise.id
        stamp = when.strftime("%Y-%m-%dT%H-%M-%S")
        try:
            kept.mkdir(parents=True, exist_ok=True)
            copy = unused(kept / f"{current.stem}-{stamp}.py")
            shutil.copy2(current, copy)
            write_atomically(current, wanted.read_bytes())
        except OSError as error:
            raise WorkspaceFault(f"{current}: cannot be reset ({error.strerror}); it is as it was") from None
        return copy

    def last_passing(self, exercise: Exercise) -> Path:
        """Return the file that holds the learner's as it last passed.

        Raises:
            WorkspaceFault: there is none.
        """
        path = self.progress().passing(exercise.id, exercise.file_name)
        if not path.is_file():
            raise WorkspaceFault(
                f"no version of {exercise.id} that passed is kept here; one is kept at each `poolkit check` that passes"
            )
        return path


def create(root: Path, course: Course, texts: Mapping[str, str] | None = None) -> Workspace:
    """Make a workspace with every exercise's stub, its texts and a database to run it on.

    It is made aside and moved into place, so that an interrupted `init` leaves nothing half done.

    Args:
        texts: more files to put there, their contents by their paths.

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
                give(course.exercise(exercise_id), made / "exercises" / exercise_id)
            for name, text in (texts or {}).items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(made / name, text)
            (made / MARK).mkdir()
            digests = {name: given.digests(made / "exercises" / name) for name in course.ids}
            known = {name: given.digest_of(text.encode()) for name, text in (texts or {}).items()}
            write_atomically(made / MARK / given.NAME, given.Given(exercises=digests, texts=known).text())
            mark = {"poolkit_workspace": VERSION, "course": course.about.title}
            write_atomically(made / MARK / "workspace.json", json.dumps(mark, indent=2) + "\n")
            if root.exists():
                root.rmdir()
            made.rename(root)
    except OSError as error:
        raise WorkspaceFault(f"{root}: cannot be made ({error.strerror}); choose another folder") from None
    return Workspace(root)


def give(exercise: Exercise, folder: Path) -> None:
    """Make a folder with what a learner is given for an exercise.

    Raises:
        OSError: it cannot be made.
        CourseFault: a file of the course is broken.
    """
    folder.mkdir(parents=True)
    for name in (*_GIVEN, exercise.file_name, *exercise.about.given):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(exercise.folder / name, folder / name)
    if exercise.schema is not None:
        for name in exercise.about.databases:
            connection = sqlite3.connect(folder / name)
            try:
                connection.execute("PRAGMA synchronous = OFF")
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
