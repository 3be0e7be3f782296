"""The commands around a learner's own work: `progress`, `upgrade`, `diff`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.text import count, plain

if TYPE_CHECKING:
    from poolkit.overview import ExerciseRow, Overview

_SIGNS = {
    "passed": ("✓", "green"),
    "slipped": ("!", "yellow"),
    "failed": ("✗", "red"),
    "open": ("·", "bright_black"),
    "new": ("+", "green"),
    "changed": ("~", "green"),
    "renamed": ("→", "green"),
    "beside": ("!", "yellow"),
    "stays": ("!", "yellow"),
}


@click.command()
@_target.course_option
def progress_command(course: Course) -> None:
    """Show what you have passed, what is due, and the next step."""
    from poolkit.overview import look

    for line in _overview(look(_target.needed(), course, datetime.now(UTC))):
        click.echo(line)


@click.command()
@click.option("--force", is_flag=True, help="Also when the course has another title than the one you began with.")
@_target.course_option
def upgrade_command(force: bool, course: Course) -> None:
    """Bring new and changed exercises and quizzes into your folder.

    What you have written stays. Where the course has a new version of a file that you have changed too, it is put
    beside yours, with .new after its name.
    """
    from poolkit.quiz import copies
    from poolkit.upgrade import upgrade

    workspace = _target.needed()
    changes = upgrade(workspace, course, copies.of_course(course), force=force)
    width = max((len(change.exercise) for change in changes), default=0)
    for change in changes:
        sign, colour = _SIGNS[change.kind]
        click.echo(f"  {click.style(sign, fg=colour)} {change.exercise:<{width}}  {plain(change.text)}")
    click.echo(f"{count(len(changes), 'change')}." if changes else f"{workspace.root}: nothing is new.")


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option("--solution", is_flag=True, help="Compare with the reference, once you have passed.")
@_target.course_option
def diff_command(exercise: str, solution: bool, course: Course) -> None:
    """Show what you have changed since your file last passed."""
    from poolkit.changes import unified

    found = course.exercise(exercise)
    workspace = _target.needed()
    if solution:
        _target.refuse_before_a_pass(workspace, found)
    name, shown = found.file_name, "the reference" if solution else "as it last passed"
    old = found.reference if solution else workspace.last_passing(found)
    lines = unified(old, workspace.folder(found.id) / name, f"{name} ({shown})", f"{name} (yours now)")
    for line in lines:
        click.echo(_coloured(line))
    if not lines and solution:
        click.echo(f"{found.id}: {name} is the same as the reference.")
    elif not lines:
        click.echo(f"{found.id}: {name} is as it last passed; `poolkit check {found.id}` tells whether it passes now.")


def _coloured(line: str) -> str:
    if line.startswith(("---", "+++")):
        return click.style(line, bold=True)
    colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
    return click.style(line, fg=colour) if colour else line


def _overview(found: Overview) -> Iterator[str]:
    yield click.style(plain(found.title), bold=True)
    yield ""
    width = max(len(row.id) for row in found.exercises)
    for row in found.exercises:
        yield _exercise(row, width)
    yield f"  {found.passed} of {count(len(found.exercises), 'exercise')} passed"
    yield ""
    for quiz in found.quizzes:
        sign, colour = _SIGNS["passed" if quiz.passed else "open" if quiz.begun or not quiz.points else "failed"]
        note = "begun; go on with `poolkit quiz take`" if quiz.begun else "" if quiz.points else "taken"
        yield f"  {click.style(sign, fg=colour)} {quiz.id:<24} {quiz.points:>7}  {note}".rstrip()
    taken = sum(bool(quiz.points) or not quiz.begun for quiz in found.quizzes)
    yield f"  {taken} of {count(found.all_quizzes, 'quiz').replace('quizs', 'quizzes')} taken"
    if found.due:
        yield ""
        yield f"  Due   {count(found.due, 'question')}: poolkit practice"
    yield ""
    yield f"  Next  {click.style(found.next.command, bold=True)}  ({plain(found.next.why)})"


def _exercise(row: ExerciseRow, width: int) -> str:
    sign, colour = _SIGNS[row.standing]
    points = "" if row.points is None else f"{row.points}/{row.max_points}"
    title = row.title if len(row.title) <= 30 else row.title[:29] + "…"
    match row.standing:
        case "passed":
            note = f"{row.on:%Y-%m-%d}"
        case "slipped":
            note = "passed before"
        case "failed":
            note = plain(row.found, 22)
        case _:
            note = ""
    return f"  {click.style(sign, fg=colour)} {row.id:<{width}}  {plain(title):<30} {points:>7}  {note}".rstrip()
