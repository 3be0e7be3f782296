"""Keeps answers while a quiz is being taken, so that it can be gone on with, and when it is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from poolkit.errors import QuizFault, UsageFault
from poolkit.files import unused
from poolkit.quiz import answers as answers_file
from poolkit.quiz.answers import Answers
from poolkit.quiz.learner import Sheet
from poolkit.workspace import MARK, Workspace, write_atomically


def place(workspace: Workspace | None) -> Path:
    """Return the folder that answers are kept in: the workspace's, or without one the user's own for data."""
    if workspace is not None:
        return workspace.root / MARK / "quizzes"
    import platformdirs

    return platformdirs.user_data_path("poolkit") / "quizzes"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the answers to one quiz are kept: files that `poolkit quiz score --answers` reads."""

    folder: Path
    sheet: Sheet

    @property
    def path(self) -> Path:
        """The answers to a quiz that is not finished."""
        return self.folder / f"{self.sheet.id}.yaml"

    def begun(self) -> Answers | None:
        """Return the answers of a quiz that was begun and not finished, if there are any.

        Raises:
            QuizFault: they cannot be read, such as after the quiz has changed; they are moved aside.
        """
        if not self.path.exists():
            return None
        try:
            return answers_file.load(self.path, self.sheet)
        except QuizFault as fault:
            aside = self.path.with_suffix(".unreadable")
            os.replace(self.path, aside)
            raise QuizFault(f"{fault}; what you had answered is kept in {aside}") from None

    def keep(self, answers: Answers) -> None:
        """Write the answers so far.

        Raises:
            UsageFault: they cannot be written.
        """
        self._write(self.path, answers)

    def forget(self) -> None:
        """Drop the answers so far."""
        self.path.unlink(missing_ok=True)

    def finish(self, answers: Answers, when: datetime) -> Path:
        """Write the answers to a quiz that is done; return their file, one for each time.

        Raises:
            UsageFault: they cannot be written.
        """
        path = unused(self.folder / f"{self.sheet.id}-{when:%Y-%m-%dT%H-%M-%S}.yaml")
        self._write(path, answers)
        self.forget()
        return path

    def _write(self, path: Path, answers: Answers) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, answers_file.dump(answers, self.sheet))
        except OSError as error:
            raise UsageFault(f"{path}: cannot be written ({error.strerror}); mend that, or use --answers") from None
