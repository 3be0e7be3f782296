"""Where the learner is: the current exercise, their file, and what is remembered of both."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from poolkit.course import Course, Exercise
from poolkit.errors import PoolkitError, WorkspaceFault
from poolkit.hints import Hint, ladder
from poolkit.judge.submission import Submission
from poolkit.report import Report, Status
from poolkit.workspace import MARK, Workspace, write_atomically

VERSION = 1
_MAX_BYTES = 10_000


@dataclass(frozen=True)
class Place:
    """A course as one learner works through it."""

    course: Course
    workspace: Workspace

    # --- which exercise ---

    def first(self) -> str:
        """Return the exercise to begin with: where the learner stopped, else the first that has not passed."""
        return self._stopped_at() or self.after(None) or self.course.ids[0]

    def after(self, exercise_id: str | None) -> str | None:
        """Return the exercise to go to next: the first behind this one that has not passed, else the first at all."""
        ids = self.course.ids
        here = ids.index(exercise_id) if exercise_id else -1
        passed = self.passed()
        others = [*ids[here + 1 :], *ids[: max(here, 0)]]
        return next((each for each in others if each not in passed), None)

    def passed(self) -> frozenset[str]:
        """Return the exercises that have passed; none when that cannot be read, which `note` mends and tells."""
        try:
            return frozenset(self.workspace.progress().read().passed)
        except WorkspaceFault:
            return frozenset()

    def remember(self, exercise_id: str) -> None:
        """Go on with this exercise the next time. Not being able to write that down is no reason to stop."""
        try:
            (self.workspace.root / MARK).mkdir(exist_ok=True)
            write_atomically(self._path, json.dumps({"poolkit_watch": VERSION, "exercise": exercise_id}) + "\n")
        except OSError:
            return

    @property
    def _path(self) -> Path:
        return self.workspace.root / MARK / "watch.json"

    def _stopped_at(self) -> str | None:
        try:
            with self._path.open(encoding="utf-8") as file:
                found = json.loads(file.read(_MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        said = found.get("exercise") if isinstance(found, dict) and found.get("poolkit_watch") == VERSION else None
        return said if isinstance(said, str) and said in self.course.ids else None

    # --- the learner's file ---

    def file(self, exercise: Exercise) -> Path:
        """Where an exercise's file is."""
        return self.workspace.folder(exercise.id) / exercise.file_name

    def shown(self, exercise: Exercise, name: str = "") -> str:
        """Return the path of that file, or of another one beside it, as the learner would write it."""
        return _from_here(self.workspace.folder(exercise.id) / (name or exercise.file_name))

    def submission(self, exercise: Exercise) -> Submission:
        """Return what to check; its file need not be there."""
        return Submission(self.workspace.folder(exercise.id), self.shown(exercise))

    def reset(self, exercise: Exercise) -> str:
        """Put the stub back; say where the learner's version is kept.

        Raises:
            WorkspaceFault: it cannot be kept.
        """
        path = self.file(exercise)
        if path.exists():
            kept = self.workspace.reset(exercise, datetime.now())
            return f"The file is as it was at first. Your version is kept: {_from_here(kept)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, exercise.stub.read_text(encoding="utf-8"))
        return "The file is back, as it was at first."

    # --- what is remembered ---

    def note(self, report: Report, source: bytes | None) -> str:
        """Remember what a check found; return a line about it where there is one.

        Not being able to write it down is a line too: the check itself is as good without.
        """
        try:
            return self.workspace.note(report, source, datetime.now(UTC))
        except (PoolkitError, OSError) as error:
            return f"This could not be remembered: {error}"

    def note_missed(self, report: Report) -> None:
        """Let the questions about what a check has found come due."""
        from poolkit.practice import missed

        missed.note([report], datetime.now(UTC))

    def praise(self, exercise: Exercise, report: Report) -> str:
        """Say what is good about what has passed."""
        from poolkit.afterwards import after

        try:
            return after(self.course, exercise, report, self.workspace.progress().read()).praise
        except PoolkitError:  # `note` has told it
            return ""

    def hint(self, exercise: Exercise, *, following: bool) -> Hint:
        """Return the hint that was shown last for what the last check found, or the one after it.

        Raises:
            WorkspaceFault: what is remembered cannot be read.
        """
        progress = self.workspace.progress()
        last = progress.read().last.get(exercise.id)
        shown = last.hints if last and last.status is not Status.PASS else 0
        hints = ladder(exercise, last)
        hint = hints[min(shown if following else max(shown - 1, 0), len(hints) - 1)]
        if last and hint.number > last.hints:
            # A hint in a folder that cannot be written is as good; it only comes once more.
            with contextlib.suppress(WorkspaceFault):
                progress.note_hint(exercise.id, hint.number)
        return hint


def quiz(report: Report | None) -> str | None:
    """Return the id of the quiz that goes with the first failure, else with any check."""
    if report is None:
        return None
    failure = report.first_failure
    asked = [check.quiz for check in ((failure,) if failure else ()) + report.checks if check.quiz]
    return asked[0].partition(".")[0] if asked else None


def _from_here(path: Path) -> str:
    """Return a path as seen from the current folder, where it lies below that."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
