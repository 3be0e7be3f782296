"""The commands around an exercise: `init`, `list`, `show`, `hint`, `solution`, `reset`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.errors import UsageFault
from poolkit.text import count


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default="practice", metavar="[DIR]")
@_target.course_option
def init_command(directory: Path, course: Course) -> None:
    """Make a folder with every exercise to work in (default: practice)."""
    from poolkit.workspace import create

    made = create(directory, course)
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
@click.argument("exercise")
@_target.course_option
def show_command(exercise: str, course: Course) -> None:
    """Show what an exercise asks for."""
    found = course.exercise(exercise)
    click.echo((found.folder / "README.md").read_text(encoding="utf-8"), nl=False)


@click.command()
@click.argument("exercise")
@click.option("--level", type=click.IntRange(min=1), metavar="N", help="Show hint N; the first when not given.")
@_target.course_option
def hint_command(exercise: str, level: int | None, course: Course) -> None:
    """Show a hint for an exercise. Hints go from a nudge to nearly the solution."""
    found = course.exercise(exercise)
    hints = found.about.hints
    level = level or 1
    if level > len(hints):
        raise UsageFault(f"{found.id} has {len(hints)} hints; --level takes 1 to {len(hints)}")
    click.echo(f"Hint {level} of {len(hints)}\n\n{hints[level - 1].rstrip()}")
    if level < len(hints):
        click.echo(f"\nNext hint: poolkit hint {found.id} --level {level + 1}")


@click.command()
@click.argument("exercise")
@click.option("--force", is_flag=True, help="Show it although you have not passed yet.")
@_target.course_option
def solution_command(exercise: str, force: bool, course: Course) -> None:
    """Show the reference solution, once you have passed."""
    found = course.exercise(exercise)
    workspace = _target.here()
    if not force and not (workspace and workspace.has_passed(found.id)):
        raise UsageFault(f"{found.id} has not passed yet; `poolkit hint {found.id}` helps, --force shows it anyway")
    click.echo(found.reference.read_text(encoding="utf-8"), nl=False)


@click.command()
@click.argument("exercise")
@_target.course_option
def reset_command(exercise: str, course: Course) -> None:
    """Put an exercise's file back as it was at first; your version is kept, with its date."""
    found = course.exercise(exercise)
    kept = _target.needed().reset(found, datetime.now())
    click.echo(f"{found.id} is as it was at first. Your version is kept: {kept}")
