"""What is remembered of a learner's work, in the workspace's own folder, so that it travels with it.

    .poolkit/
    ├── progress.json              by exercise id: the first pass, the best points, what the last check found
    ├── progress.lock              held while progress.json is read, changed and written, and not longer
    ├── passed/<exercise>/<file>   the learner's file as it last passed
    ├── kept/<exercise>/           dated copies that `poolkit reset` made
    ├── given.json                 what the course has given (`poolkit.upgrade`)
    └── workspace.json             what makes the folder a workspace

A pass is written in the order file, then progress.json, each whole or not at all. So a process that is killed loses no
pass that was told to anybody, and from the files in `passed` the passes can be found again when progress.json cannot be
read. Version 2 of progress.json has `last`; version 1 is read as it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from poolkit.errors import WorkspaceFault
from poolkit.files import locked, remove_litter, unused, write_atomically
from poolkit.report import Report, Status
from poolkit.text import count, plain

VERSION = 2
MAX_BYTES = 1 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pass(_Strict):
    """An exercise that has passed: when it first did, and its best points, None when only the file was left of it."""

    points: int | None
    at: datetime


class Last(_Strict):
    """What the last check of an exercise found.

    `check` is the id of the first check that did not pass, `hints` how many hints on it have been shown since.
    """

    status: Status
    points: int
    max_points: int
    best: int
    at: datetime
    check: str | None = None
    misconception: str | None = None
    hints: int = Field(default=0, ge=0)


class State(_Strict):
    """All that is remembered, by exercise id."""

    poolkit_progress: int = Field(default=VERSION, ge=1, le=VERSION)
    passed: dict[str, Pass] = Field(default_factory=dict)
    last: dict[str, Last] = Field(default_factory=dict)


class _Versioned(BaseModel):
    """What every version of the file has."""

    poolkit_progress: int


class _Unreadable(Exception):
    """What stands in progress.json is no progress."""


class Progress:
    """Reads and writes what is remembered; `folder` is the workspace's own, `.poolkit`.

    Any number of processes may use the same folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "progress.json"

    def read(self) -> State:
        """Return what is remembered.

        Raises:
            WorkspaceFault: the file cannot be read, or a newer poolkit has written it; `mend` helps in the first case.
        """
        try:
            return self._read()
        except _Unreadable as error:
            raise WorkspaceFault(f"{self.path}: {error}; run the command again, it makes a new one") from None

    def mend(self, when: datetime) -> str:
        """Move a file that cannot be read aside and find the passes again; return a line about it, "" when all is well.

        Raises:
            WorkspaceFault: the file cannot be moved, or a newer poolkit has written it.
        """
        try:
            self._read()
        except _Unreadable:
            with self._writing():
                return self._mend(when)
        return ""

    def note(self, report: Report, source: str | bytes | None, when: datetime) -> str:
        """Remember what a check of the learner's file found.

        A report in which the grader failed is not remembered.

        Args:
            source: the file that was checked, to be kept when it has passed; None when nobody knows it.

        Returns:
            A line about progress that could not be read and was moved aside, otherwise "".

        Raises:
            WorkspaceFault: it cannot be written.
        """
        if report.status is Status.GRADER_FAULT:
            return ""
        with self._writing():
            told = self._mend(when)
            if report.status is Status.PASS and source is not None:
                self._keep(report.exercise, Path(report.path).name, source)
            self._write(_with_report(self._read(), report, when))
        return told

    def note_pass(self, exercise_id: str, points: int, when: datetime) -> None:
        """Remember a pass of which there is no report.

        Raises:
            WorkspaceFault: it cannot be written.
        """
        with self._writing():
            self._mend(when)
            self._write(_with_pass(self._read(), exercise_id, points, when))

    def note_hint(self, exercise_id: str, shown: int) -> None:
        """Remember how many hints on the last check of an exercise have been shown.

        Raises:
            WorkspaceFault: it cannot be written.
        """
        with self._writing():
            state = self.read()
            if last := state.last.get(exercise_id):
                entry = last.model_copy(update={"hints": shown})
                self._write(state.model_copy(update={"last": {**state.last, exercise_id: entry}}))

    def rename(self, old: str, new: str) -> None:
        """Let an exercise's id follow the course. Doing it twice, or after half of it was done, is fine.

        Raises:
            WorkspaceFault: it cannot be written.
        """
        with self._writing():
            for name in ("passed", "kept"):
                if (self.folder / name / old).is_dir() and not (self.folder / name / new).exists():
                    os.rename(self.folder / name / old, self.folder / name / new)
            state = self.read()
            moved = {
                field: {new if key == old and new not in entries else key: entry for key, entry in entries.items()}
                for field, entries in (("passed", state.passed), ("last", state.last))
            }
            if any(old in entries and new not in entries for entries in (state.passed, state.last)):
                self._write(state.model_copy(update=moved))

    def passing(self, exercise_id: str, file_name: str) -> Path:
        """Where the learner's file is kept as it last passed; it need not be there."""
        return self.folder / "passed" / exercise_id / file_name

    def _keep(self, exercise_id: str, file_name: str, source: str | bytes) -> None:
        path = self.passing(exercise_id, file_name)
        data = source.encode() if isinstance(source, str) else source
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_litter(path)
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)

    def _read(self) -> State:
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise WorkspaceFault(f"{self.path}: cannot be read ({error.strerror}); mend that") from None
        if len(data) > MAX_BYTES:
            raise _Unreadable(f"over {MAX_BYTES >> 20} MiB")
        try:
            version = _Versioned.model_validate_json(data).poolkit_progress
            if version > VERSION:
                problem = f"of version {version}, and this poolkit knows {VERSION}; install a newer poolkit"
                raise WorkspaceFault(f"{self.path}: {problem}")
            return State.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise _Unreadable(plain(f"{place + ': ' if place else ''}{first['msg']}".lower(), 120)) from None

    def _mend(self, when: datetime) -> str:
        try:
            self._read()
        except _Unreadable as error:
            aside = unused(self.folder / f"progress-unreadable-{when:%Y-%m-%dT%H-%M-%S}.json")
            found = self._found_again()
            # A copy first: who is killed in between still has the file itself, and does the same once more.
            shutil.copyfile(self.path, aside)
            self._write(found)
            again = f"{count(len(found.passed), 'passed exercise')} found again"
            return f"{self.path} could not be read ({error}); it is kept as {aside.name}, and {again}"
        return ""

    def _found_again(self) -> State:
        passed: dict[str, Pass] = {}
        for path in sorted(self.folder.glob("passed/*/*.py")):
            when = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
            passed.setdefault(path.parent.name, Pass(points=None, at=when))
        return State(passed=passed)

    def _write(self, state: State) -> None:
        state = state.model_copy(update={"poolkit_progress": VERSION})
        write_atomically(self.path, state.model_dump_json(indent=2) + "\n")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(exist_ok=True)
            with locked(self.folder / "progress.lock"):
                remove_litter(self.path)
                yield
        except OSError as error:
            problem = f"cannot be written ({error.strerror}); what you did is not remembered"
            raise WorkspaceFault(f"{self.folder}: {problem}") from None


def _with_report(state: State, report: Report, when: datetime) -> State:
    failure = report.first_failure
    check = failure.id if failure else None
    misconception = failure.misconception if failure else None
    before = state.last.get(report.exercise)
    same = before is not None and (before.check, before.misconception) == (check, misconception)
    last = Last(
        status=report.status,
        points=report.points,
        max_points=report.max_points,
        best=max(report.points, before.best if before else 0),
        at=when.replace(microsecond=0),
        check=check,
        misconception=misconception,
        hints=before.hints if before and same else 0,
    )
    state = state.model_copy(update={"last": {**state.last, report.exercise: last}})
    return _with_pass(state, report.exercise, report.points, when) if report.status is Status.PASS else state


def _with_pass(state: State, exercise_id: str, points: int, when: datetime) -> State:
    before = state.passed.get(exercise_id)
    best = max(points, before.points or 0) if before else points
    entry = Pass(points=best, at=before.at if before else when.replace(microsecond=0))
    return state.model_copy(update={"passed": {**state.passed, exercise_id: entry}})
