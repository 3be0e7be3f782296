"""Brings what is new in a course into a workspace that was made from an older one.

A file is replaced only when it is, byte for byte, what the course once gave. What the learner has changed stays, and
the course's new version is put beside it as NAME.new. Each step is whole or not done, and what was given is written
down after each exercise; so an upgrade that was killed goes on when it is run again, and one that is done does nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poolkit import given
from poolkit.course import Course, Exercise, ExerciseEntry
from poolkit.errors import WorkspaceFault
from poolkit.files import locked, remove_litter, write_atomically
from poolkit.given import Given
from poolkit.text import plain
from poolkit.workspace import MARK, VERSION, Workspace, give

_FRESH = "fresh-"

Kind = Literal["new", "changed", "beside", "renamed", "stays"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an upgrade did: `new` and `changed` came from the course, `beside` is for the learner to compare.

    `renamed` is an exercise whose id the course has changed, `stays` something that was left alone on purpose.
    `exercise` is the exercise's id, or for another file that the course gives the folder, such as `quizzes`.
    """

    kind: Kind
    exercise: str
    text: str


def upgrade(
    workspace: Workspace, course: Course, texts: Mapping[str, str] | None = None, *, force: bool = False
) -> list[Change]:
    """Bring a workspace up to a course, and return what has changed.

    Args:
        texts: more files that the course gives, as for `poolkit.workspace.create`.
        force: also when the workspace was made from a course of another title.

    Raises:
        WorkspaceFault: this is no workspace of that course, or a file cannot be written.
        CourseFault: a file of the course is broken.
    """
    _refuse_another_course(workspace, course, force=force)
    try:
        with locked(workspace.root / MARK / "upgrade.lock"):
            for left in (workspace.root / MARK).glob(f"{_FRESH}*"):
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=_FRESH, dir=workspace.root / MARK) as fresh:
                found = list(_Upgrade(workspace, course, texts or {}, Path(fresh)).run())
            if force:
                mark = {"poolkit_workspace": VERSION, "course": course.about.title}
                write_atomically(workspace.root / MARK / "workspace.json", json.dumps(mark, indent=2) + "\n")
    except OSError as error:
        where = plain(str(error.filename or workspace.root))
        raise WorkspaceFault(
            f"{where}: {error.strerror}; what was done so far is whole, so mend that and run it again"
        ) from None
    return found


def _refuse_another_course(workspace: Workspace, course: Course, *, force: bool) -> None:
    path = workspace.root / MARK / "workspace.json"
    try:
        mark = json.loads(path.read_text(encoding="utf-8"))
        title = mark["course"]
    except FileNotFoundError:
        raise WorkspaceFault(
            f"{workspace.root}: a course, and no workspace; `poolkit init` makes one elsewhere"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        if force:
            return
        raise WorkspaceFault(f"{path}: cannot be read; give --force if this is a workspace of this course") from None
    if title != course.about.title and not force:
        raise WorkspaceFault(
            f"{workspace.root} was made from the course {plain(str(title), 80)!r}, and this is "
            f"{plain(course.about.title, 80)!r}; give --course DIR, or --force if the course has a new title"
        )


class _Upgrade:
    def __init__(self, workspace: Workspace, course: Course, texts: Mapping[str, str], fresh: Path) -> None:
        self._workspace = workspace
        self._course = course
        self._texts = texts
        self._fresh = fresh
        self._path = workspace.root / MARK / given.NAME
        found = given.load(self._path)
        self._known = found.exercises if found else {}
        self._known_texts = found.texts if found else {}

    def run(self) -> Iterator[Change]:
        remove_litter(self._path)
        for entry in self._course.about.exercises:
            yield from self._rename(entry)
        for exercise_id in self._course.ids:
            yield from self._bring(self._course.exercise(exercise_id))
        for gone in sorted(set(self._known) - set(self._course.ids)):
            del self._known[gone]
            self._write_down()
            if self._workspace.folder(gone).is_dir():
                yield Change("stays", gone, "no longer in the course; your folder stays as it is")
        for name, text in self._texts.items():
            yield from self._bring_text(name, text.encode())

    def _rename(self, entry: ExerciseEntry) -> Iterator[Change]:
        """Let folder, progress and digests follow; each by itself, since an earlier upgrade may have been killed."""
        new = self._workspace.folder(entry.id)
        for name in entry.formerly:
            old = self._workspace.folder(name)
            if old.is_dir() and new.exists():
                yield Change("stays", entry.id, f"was {name} before, and both folders are here; {name} stays as it is")
                continue
            self._workspace.progress().rename(name, entry.id)
            if old.is_dir():
                os.rename(old, new)
                yield Change("renamed", entry.id, f"was {name} before; your work has moved along")
            if name in self._known:
                self._known.setdefault(entry.id, self._known.pop(name))
                self._write_down()

    def _bring(self, exercise: Exercise) -> Iterator[Change]:
        made, folder = self._fresh / exercise.id, self._workspace.folder(exercise.id)
        give(exercise, made)
        wanted = given.digests(made)
        if folder.exists():
            for name in wanted:
                yield from self._bring_file(exercise, name, made, wanted)
        else:
            folder.parent.mkdir(exist_ok=True)
            os.rename(made, folder)
            yield Change("new", exercise.id, f"a new exercise: {exercise.title}")
        if self._known.get(exercise.id) != wanted:
            self._known[exercise.id] = wanted
            self._write_down()

    def _bring_file(self, exercise: Exercise, name: str, made: Path, wanted: dict[str, str]) -> Iterator[Change]:
        path = self._workspace.folder(exercise.id) / name
        before = self._known.get(exercise.id, {}).get(name)
        has_changed = self._has_changed(exercise, name, wanted)
        yield from _put(exercise.id, path, (made / name).read_bytes(), before, has_changed=has_changed)

    def _bring_text(self, name: str, data: bytes) -> Iterator[Change]:
        path = self._workspace.root / name
        before, wanted = self._known_texts.get(name), given.digest_of(data)
        path.parent.mkdir(exist_ok=True)
        yield from _put(path.parent.name, path, data, before, has_changed=before != wanted)
        if before != wanted:
            self._known_texts[name] = wanted
            self._write_down()

    def _has_changed(self, exercise: Exercise, name: str, wanted: dict[str, str]) -> bool:
        """Whether the course gives something else than before, as far as anybody can tell."""
        known = self._known.get(exercise.id, {})
        if name in exercise.about.databases:
            # A database changes as soon as an app uses it; the course's changes when its schema does.
            name = "schema.sql"
            before = known.get(name) or given.digest(self._workspace.folder(exercise.id) / name)
            return before != wanted.get(name)
        if name == exercise.file_name and name not in known:
            return False
        return known.get(name) != wanted[name]

    def _write_down(self) -> None:
        write_atomically(self._path, Given(exercises=self._known, texts=self._known_texts).text())


def _put(of: str, path: Path, data: bytes, before: str | None, *, has_changed: bool) -> Iterator[Change]:
    """Put a file of the course in its place, or beside what the learner has made of it.

    Args:
        of: what it belongs to, for the line about it.
        before: the digest of what the course gave, None when nobody knows.
        has_changed: whether the course gives something else now.
    """
    now, wanted = given.digest(path), given.digest_of(data)
    remove_litter(path)
    if now is None:
        write_atomically(path, data)
        yield Change("new", of, f"{path.name} was not there")
    elif now == wanted or not has_changed:
        return
    elif now == before:
        write_atomically(path, data)
        yield Change("changed", of, f"{path.name} is new")
    else:
        beside = _beside(path, {wanted, before})
        remove_litter(beside)
        write_atomically(beside, data)
        whose = "you have changed yours" if before else "yours is another"
        yield Change("beside", of, f"{path.name} is new in the course, and {whose}: see {beside.name}")


def _beside(path: Path, ours: set[str | None]) -> Path:
    """Return the path for a new version: NAME.new, or another where the learner has something of their own there."""
    beside, number = path.with_name(f"{path.name}.new"), 1
    while (found := given.digest(beside)) is not None and found not in ours:
        number += 1
        beside = path.with_name(f"{path.name}.new-{number}")
    return beside
