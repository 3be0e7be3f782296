"""The course's own proof: stubs fail, right solutions earn everything, wrong ones fail what they name.

What `poolkit author verify` does, a test for each file: all files of the first exercises, the stub and the reference of
the others. `tests/test_repeats.py`, which is slow, grades every file of every exercise, on a busy machine.
"""

from __future__ import annotations

import pytest

from poolkit.author.metadata import course_problems, exercise_problems, mistakes, not_covered
from poolkit.author.solutions import Kind, Solution, every, solutions
from poolkit.author.verify import solution_problems
from poolkit.course import Course, Exercise, find_course
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate
from poolkit.report import Report

COURSE = find_course()
SOLUTIONS = list(every(COURSE))
QUICK = [s for s in SOLUTIONS if s.exercise == COURSE.ids[0] or s.kind in (Kind.STUB, Kind.REFERENCE)]
"""All of one exercise, and of the others what everybody meets; tests/test_repeats.py goes through every file."""


def _id(solution: Solution) -> str:
    return f"{solution.exercise}-{solution.name.removesuffix('.py')}"


def _told(report: Report) -> str:
    lines = [f"{report.status} {report.error} {report.fault}", *report.output.splitlines()[-5:]]
    return "\n".join(lines + [f"{c.id}: {c.status} {c.happened} [{c.misconception}]" for c in report.checks])


def misfits(exercise: Exercise, solution: Solution, report: Report) -> list[str]:
    """Return what of a run is not as its solution has to come out, the misconception that is named included."""
    found = list(solution_problems(exercise, solution, report))
    if not found and solution.kind is Kind.WRONG:
        caught = next(check for check in report.checks if check.id == solution.fails[0])
        if caught.misconception != solution.misconception:
            found.append(f"{solution.fails[0]} names {caught.misconception}, not {solution.misconception}")
    return found


@pytest.mark.parametrize("solution", QUICK, ids=_id)
def test_a_solution_comes_out_as_it_has_to(course: Course, host: Host, solution: Solution) -> None:
    """A stub fails what it is meant to, a right file nothing, a wrong one exactly what it names, and by its name."""
    exercise = course.exercise(solution.exercise)
    report = grade(host, exercise, locate(solution.path, exercise.file_name), seed=7)
    assert misfits(exercise, solution, report) == [], _told(report)


@pytest.mark.parametrize("name", COURSE.ids)
def test_an_exercise_is_whole(course: Course, name: str) -> None:
    """Its texts are written, its hints climb a ladder, its misconceptions are explained, no file is astray."""
    exercise = course.exercise(name)
    assert list(exercise_problems(course, exercise, solutions(exercise))) == []


def test_the_course_is_whole(course: Course) -> None:
    """Every folder and suite belongs to an exercise, and each of the mistakes is shown or excused."""
    assert list(course_problems(course)) == []
    shown = {number for solution in SOLUTIONS for number in solution.mistakes}
    assert shown | not_covered(course).keys() == mistakes(course).keys()
    assert not shown & not_covered(course).keys()
