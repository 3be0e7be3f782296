"""What a learner reads after a pass: what is good, what the reference does otherwise, where to read on."""

from __future__ import annotations

from dataclasses import dataclass

from poolkit.course import Course, Exercise
from poolkit.overview import next_exercise
from poolkit.progress import State
from poolkit.report import Report


@dataclass(frozen=True, slots=True)
class Afterwards:
    """`praise` says what is good, `read_on` what other libraries call it, `next` is the next exercise, where one is."""

    exercise: str
    praise: str
    read_on: tuple[tuple[str, str], ...]
    next: str | None


def after(course: Course, exercise: Exercise, report: Report, state: State) -> Afterwards:
    """Return what to say after a pass.

    Args:
        report: the one that passed.
        state: what is remembered, that pass included.
    """
    praise = exercise.about.praise
    if not praise:
        hardest = max(report.checks, key=lambda check: check.max_points)
        praise = f"Every check has passed, also this one: {hardest.title}"
    return Afterwards(
        exercise.id, praise, tuple(exercise.about.read_on.items()), next_exercise(course, state, exercise.id)
    )
