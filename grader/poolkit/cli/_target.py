"""Which file a command means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from poolkit.course import Course, Exercise, find_course, open_course, private_folders
from poolkit.errors import CourseFault, UsageFault, WorkspaceFault
from poolkit.judge.host import Host
from poolkit.judge.submission import Submission, locate
from poolkit.text import plain
from poolkit.workspace import Workspace, find


def _course(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Course:
    try:
        return find_course() if value is None else open_course(value)
    except CourseFault as fault:
        raise fault if value is None else UsageFault(str(fault)) from None


def exercise_ids(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete an exercise's id in a shell; of a course that is broken, there is nothing to complete."""
    with suppress(CourseFault):
        root = os.environ.get("POOLKIT_COURSE")
        course = open_course(Path(root)) if root else find_course()
        return [name for name in course.ids if name.startswith(incomplete)]
    return []


_COURSE = partial(
    click.option,
    "--course",
    type=click.Path(path_type=Path),
    envvar="POOLKIT_COURSE",
    metavar="DIR",
    help="Use the course in this folder instead of the kit's own.",
)

course_option = _COURSE(callback=_course)
"""Gives a command the parameter `course`, a `Course`."""


def _course_if_any(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Course | None:
    try:
        return _course(ctx, parameter, value)
    except CourseFault:
        return None


course_if_any_option = _COURSE(callback=_course_if_any)
"""As `course_option`, and None where the kit came without its course."""


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
    """Return the workspace that the command runs in, or the only one in the current folder.

    Progress that cannot be read is moved aside, with a line about it.
    """
    found = find(Path.cwd())
    # What cannot be mended is told by whoever needs it.
    with suppress(WorkspaceFault):
        if found is not None and (told := found.progress().mend(datetime.now(UTC))):
            click.echo(f"poolkit: {plain(told)}", err=True)
    return found


def needed() -> Workspace:
    """Return the workspace, which the command cannot do without.

    Raises:
        WorkspaceFault: there is none.
    """
    found = here()
    if found is None:
        raise WorkspaceFault("no workspace here; run `poolkit init practice` first, or go to its folder")
    return found


def refuse_before_a_pass(workspace: Workspace | None, exercise: Exercise) -> None:
    """Keep the reference from whoever has not passed yet.

    Raises:
        UsageFault: they have not.
    """
    if not (workspace and workspace.has_passed(exercise.id)):
        raise UsageFault(
            f"{exercise.id} has not passed yet; `poolkit hint {exercise.id}` helps, "
            f"`poolkit solution {exercise.id} --force` shows the reference anyway"
        )


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
    folder = needed().folder(exercise.id)
    if not folder.exists():
        raise WorkspaceFault(f"{folder}: no such folder; `poolkit upgrade` brings the exercises that are new")
    return _shown(locate(folder, exercise.file_name))


def _shown(found: Submission) -> Submission:
    """Name a submission as seen from the current folder, where it lies below that."""
    shown = Path(found.shown).absolute()
    if shown.is_relative_to(Path.cwd()):
        return Submission(found.path, str(shown.relative_to(Path.cwd())))
    return Submission(found.path, str(shown))
