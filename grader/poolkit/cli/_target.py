"""Which file a command means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from poolkit.course import Course, Exercise, find_course, open_course, private_folders
from poolkit.errors import CourseFault, UsageFault, WorkspaceFault
from poolkit.judge.host import Host
from poolkit.judge.submission import Submission, locate
from poolkit.workspace import Workspace, find


def _course(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Course:
    try:
        return find_course() if value is None else open_course(value)
    except CourseFault as fault:
        raise fault if value is None else UsageFault(str(fault)) from None


course_option = click.option(
    "--course",
    type=click.Path(path_type=Path),
    envvar="POOLKIT_COURSE",
    metavar="DIR",
    callback=_course,
    help="Use the course in this folder instead of the kit's own.",
)
"""Gives a command the parameter `course`, a `Course`."""


@contextmanager
def host(ctx: click.Context, course: Course) -> Iterator[Host]:
    """Give the warm process for labs: the one that was started with the command, or a new one."""
    found = ctx.find_object(Host)
    warm = found or Host()
    try:
        warm.forbid(private_folders(course))
        yield warm
    finally:
        if found is None:
            warm.close()


def here() -> Workspace | None:
    """Return the workspace that the command runs in, or the only one in the current folder."""
    return find(Path.cwd())


def needed() -> Workspace:
    """Return the workspace, which the command cannot do without.

    Raises:
        WorkspaceFault: there is none.
    """
    found = here()
    if found is None:
        raise WorkspaceFault("no workspace here; run `poolkit init practice` first, or go to its folder")
    return found


def submission(exercise: Exercise, name: str, path: Path | None, *, reference: bool = False) -> Submission:
    """Return what to run for an exercise.

    Args:
        name: how the user named the exercise; the path of a folder or file names its files too.
        path: a file or folder that the user gave instead.
        reference: run the reference solution.

    Raises:
        UsageFault: there is no such file.
    """
    if reference:
        return _shown(locate(exercise.reference, exercise.file_name))
    if path is not None:
        return _shown(locate(path, exercise.file_name))
    named = Path(name)
    if "/" in name and named.exists():
        return _shown(locate(named, exercise.file_name))
    return _shown(locate(needed().folder(exercise.id), exercise.file_name))


def _shown(found: Submission) -> Submission:
    """Name a submission as seen from the current folder, where it lies below that."""
    shown = Path(found.shown).absolute()
    if shown.is_relative_to(Path.cwd()):
        return Submission(found.path, str(shown.relative_to(Path.cwd())))
    return Submission(found.path, str(shown))
