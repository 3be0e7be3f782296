"""Where an exercise is judged, once or again and again: a folder for the learner's files, and labs made of it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from poolkit.course import Exercise
from poolkit.judge.birth import Spares
from poolkit.judge.database import build_template
from poolkit.judge.host import Host
from poolkit.judge.process import LabPlan
from poolkit.judge.submission import Submission, take
from poolkit.report import AppError


class Bench:
    """Holds one version of the learner's files at a time.

    Args:
        host: the warm process, whose private directory it stands in.
        exercise: what is judged.
        name: what the learner calls the file.

    Raises:
        CourseFault: the exercise's schema is broken.
        HostFault: the host did not start.
    """

    def __init__(self, host: Host, exercise: Exercise, name: str) -> None:
        self.host = host
        self.exercise = exercise
        self._folder = host.folder / f"run-{secrets.token_hex(4)}"
        self._folder.mkdir(mode=0o700)
        code = self._folder / "code"
        code.mkdir(mode=0o700)
        self.plan = _plan(host, exercise, code, self._template(), name)
        self.spares = Spares(host, self.plan)
        """Labs that wait for the next version; there are none before they are asked for."""

    def _template(self) -> Path | None:
        if self.exercise.schema is None:
            return None
        template = self._folder / "template.sqlite"
        build_template(self.exercise.schema, template)
        return template

    def lay(self, submission: Submission) -> AppError | None:
        """Put a version of the learner's files there, and no other; return what keeps it from being run, if anything.

        Labs of an earlier version must have ended.
        """
        self.spares.forget_awake()
        # The folder itself stays: labs that wait may read it, and not another one of the same name.
        for path in self.plan.code.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        return take(submission, self.exercise.file_name, self.plan.code, self.exercise.given)

    def close(self) -> None:
        """End the labs that wait, and remove the files."""
        self.spares.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _plan(host: Host, exercise: Exercise, code: Path, template: Path | None, name: str) -> LabPlan:
    if exercise.about.preload:
        host.preload(exercise.about.preload)
    limits = exercise.about.limits
    return LabPlan(
        code=code,
        entry=exercise.about.entry,
        databases=tuple(exercise.about.databases),
        template=template,
        memory=limits.memory_mb << 20,
        cpu=limits.check_s + 2,
        names={exercise.file_name: name},
    )
