"""A real start of the warm process, and a real check of a reference."""

from __future__ import annotations

import time
from collections.abc import Iterator

from poolkit.course import Course
from poolkit.doctor.finding import Finding, Level, fine
from poolkit.errors import PoolkitError
from poolkit.report import Report, Status
from poolkit.text import count, plain

SLOW_START = 3.0
"""Seconds; with compiled libraries it takes less than one."""
_SEED = 7


def course_files(course: Course) -> Iterator[Finding]:
    """Whether the course's files are whole."""
    try:
        exercises = [course.exercise(name) for name in course.ids]
    except PoolkitError as error:
        yield Finding("Course", Level.PROBLEM, str(error), "install poolkit again, or mend that file")
        return
    yield fine("Course", f"{count(len(exercises), 'exercise')} in {course.root}")


def grading(course: Course) -> Iterator[Finding]:
    """How long the warm process takes to start, and whether a reference earns full marks."""
    try:
        from poolkit.judge.runner import grade, start_host
        from poolkit.judge.submission import locate
    except ImportError as error:
        remedy = "install poolkit again, in an environment of its own"
        yield Finding("A real check", Level.PROBLEM, f"the grader cannot be imported: {error}", remedy)
        return
    begin = time.monotonic()
    try:
        host = start_host(course)
    except (PoolkitError, OSError) as error:
        yield Finding("Warm start", Level.PROBLEM, str(error), "look at the findings above; the first ✗ may explain it")
        return
    try:
        host.wait_until_warm()
        yield _start(time.monotonic() - begin)
        exercise = course.exercise(course.ids[0])
        yield verdict(grade(host, exercise, locate(exercise.reference, exercise.file_name), seed=_SEED))
    except PoolkitError as error:
        text = f"the grader failed: {plain(str(error), 300)}"
        yield Finding("A real check", Level.PROBLEM, text, "look at the findings above; the first ✗ may explain it")
    finally:
        host.close()


def _start(seconds: float) -> Finding:
    found = f"{seconds:.2f} s until labs can be made"
    if seconds < SLOW_START:
        return fine("Warm start", found)
    remedy = "run it once more: the first start compiles the libraries. Slow again? Install on a disk of this machine"
    return Finding("Warm start", Level.WARNING, found, remedy)


def verdict(report: Report) -> Finding:
    """Return what a check of a reference shows."""
    name = "A real check"
    found = (
        f"{report.exercise}, its reference: {report.points} of {report.max_points} points, {report.duration_s:.2f} s"
    )
    if report.status is Status.PASS:
        missing = report.assurance.missing
        if missing:
            remedy = "see the findings about Landlock and seccomp"
            return Finding(name, Level.WARNING, f"{found}, in a sandbox without {', '.join(missing)}", remedy)
        return fine(name, f"{found}, in a full sandbox")
    failure = report.first_failure
    why = report.grader_fault or (report.error and str(report.error)) or (failure and failure.happened) or "no reason"
    remedy = "run it again when the machine is idle; if it fails again, report it with this output"
    return Finding(name, Level.PROBLEM, f"{found}: {plain(str(why), 300)}", remedy)
