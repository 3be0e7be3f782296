"""The commands around an exercise: `init`, `list`, `show`, `hint`, `solution`, `reset`."""

from __future__ import annotations

import contextlib
import textwrap
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course, Exercise
from poolkit.errors import WorkspaceFault
from poolkit.report import Status
from poolkit.text import count

if TYPE_CHECKING:
    from poolkit.hints import Hint
    from poolkit.progress import Last


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default="practice", metavar="[DIR]")
@_target.course_option
def init_command(directory: Path, course: Course) -> None:
    """Make a folder with every exercise to work in (default: practice)."""
    from poolkit.quiz import copies
    from poolkit.workspace import create

    made = create(directory, course, copies.of_course(course))
    first = course.ids[0]
    click.echo(f"{made.root}: {count(len(course.ids), 'exercise')}.")
    click.echo(f"Next: read {made.folder(first) / 'README.md'}, edit app.py beside it,")
    click.echo(f"      and run `poolkit check {first}`.")


@click.command()
@_target.course_option
def list_command(course: Course) -> None:
    """List the exercises; a tick marks those that you have passed."""
    workspace = _target.here()
    width = max(len(name) for name in course.ids)
    for entry in course.about.exercises:
        sign = click.style("✓", fg="green") if workspace and workspace.has_passed(entry.id) else "·"
        click.echo(f"  {sign} {entry.id:<{width}}  {entry.title}")


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@_target.course_option
def show_command(exercise: str, course: Course) -> None:
    """Show what an exercise asks for."""
    found = course.exercise(exercise)
    click.echo((found.folder / "README.md").read_text(encoding="utf-8"), nl=False)


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option("--level", type=click.IntRange(min=1), metavar="N", help="Show hint N instead of the next one.")
@_target.course_option
def hint_command(exercise: str, level: int | None, course: Course) -> None:
    """Show a hint for an exercise.

    The first hints are about what the last check has found, where there are any; the others are for everybody, from a
    nudge to nearly the solution. As long as your checks find the same, each call shows the next one.
    """
    from poolkit.hints import choose

    found = course.exercise(exercise)
    workspace = _target.here()
    last = workspace.progress().read().last.get(found.id) if workspace else None
    hint = choose(found, last, level)
    _show_hint(found, hint, last)
    if workspace and last:
        # A hint in a folder that cannot be written is as good; it only comes once more.
        with contextlib.suppress(WorkspaceFault):
            workspace.progress().note_hint(found.id, hint.number)


def _show_hint(exercise: Exercise, hint: Hint, last: Last | None) -> None:
    if last and last.status is Status.ERROR:
        click.echo(f"At the last check your file did not run; `poolkit check {exercise.id}` shows the line.\n")
    about = f", on what the last check found: {hint.about}" if hint.about else ""
    click.echo(f"Hint {hint.number} of {hint.of}{about}\n")
    for line in hint.text.splitlines():
        # Code stands indented and stays as it is.
        click.echo(line if line.startswith(" ") else textwrap.fill(line, 78, break_on_hyphens=False))
    click.echo()
    command = f"poolkit hint {exercise.id}"
    if hint.is_last:
        click.echo("That was the last one.")
    else:
        counted = last is not None and last.status is not Status.PASS
        click.echo(f"Next hint: {command}{'' if counted else f' --level {hint.number + 1}'}")
    if hint.number > 1:
        click.echo(f"From the start: {command} --level 1")


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option("--force", is_flag=True, help="Show it although you have not passed yet.")
@_target.course_option
def solution_command(exercise: str, force: bool, course: Course) -> None:
    """Show the reference solution, once you have passed."""
    found = course.exercise(exercise)
    if not force:
        _target.refuse_before_a_pass(_target.here(), found)
    click.echo(found.reference.read_text(encoding="utf-8"), nl=False)


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option("--last-pass", is_flag=True, help="Bring back your own version that passed last.")
@_target.course_option
def reset_command(exercise: str, last_pass: bool, course: Course) -> None:
    """Put an exercise's file back as it was at first; your version is kept, with its date."""
    found = course.exercise(exercise)
    kept = _target.needed().reset(found, datetime.now(), last_pass=last_pass)
    click.echo(f"{found.id} is as it {'last passed' if last_pass else 'was at first'}. Your version is kept: {kept}")
