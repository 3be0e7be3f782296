"""Runs the sample of a lesson, so that its tables are of a run that really was."""

from __future__ import annotations

import secrets

from poolkit.course import Exercise
from poolkit.judge.host import Host
from poolkit.judge.submission import Submission
from poolkit.judge.tracer import record
from poolkit.lesson import Lesson
from poolkit.report import AppError
from poolkit.trace import Trace


def record_sample(host: Host, exercise: Exercise, lesson: Lesson) -> Trace | AppError:
    """Run a lesson's sample once and return its trace, or why it never ran.

    Raises:
        GraderFault: the exercise, one of the requests or the host is broken.
    """
    folder = host.folder / f"sample-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    path = folder / "app.py"
    path.write_text(lesson.sample, encoding="utf-8")
    # One file and no folder, so that nothing else is copied.
    shown = Submission(path, "the lesson's sample")
    return record(host, exercise.with_an_app(), shown, lesson.requests)
