"""Everything that is looked at, in order: what others depend on comes first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from poolkit.course import Course
from poolkit.doctor import grading, machine, packages
from poolkit.doctor.finding import Finding, Look


def visit(course: Course) -> Iterator[Finding]:
    """Look at one thing after the other; the last ones take a second or two."""
    looks: tuple[Look, ...] = (
        packages.python,
        packages.libraries,
        packages.versions,
        packages.sqlite,
        packages.imports,
        packages.variables,
        partial(grading.course_files, course),
        machine.landlock,
        machine.calls,
        machine.temporary,
        machine.open_files,
        machine.terminal,
        machine.load,
        partial(grading.grading, course),
    )
    for look in looks:
        yield from look()
