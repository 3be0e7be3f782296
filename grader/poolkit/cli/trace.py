"""`poolkit trace`."""

from __future__ import annotations

from pathlib import Path

import click

from poolkit import view
from poolkit.cli import _target
from poolkit.course import Course
from poolkit.errors import GraderFault, UsageFault
from poolkit.report import AppError
from poolkit.text import plain


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option("--path", type=click.Path(path_type=Path), metavar="FILE_OR_DIR", help="Run this file or folder.")
@click.option("--solution", is_flag=True, help="Run the reference solution instead of your file.")
@click.option("--compare", is_flag=True, help="Run the reference too, and mark the first step where the two part.")
@click.option("--format", "style", type=click.Choice(view.names()), default="text", help="How to show it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it to a file.")
@_target.course_option
@click.pass_context
def trace_command(
    ctx: click.Context,
    exercise: str,
    path: Path | None,
    solution: bool,
    compare: bool,
    style: str,
    output: Path | None,
    course: Course,
) -> None:
    """Show step by step what your app does to its pool.

    Your app is started, sent two requests one after the other, and shut down; what is shown is what was recorded.
    `--format html --output trace.html` writes a page to step through with the arrow keys, `--format svg` a picture.
    """
    if compare and solution:
        raise UsageFault("--compare lays your run beside the reference's; leave out --solution")
    found = course.exercise(exercise)
    submission = _target.submission(found, exercise, path, reference=solution)
    from poolkit.judge.tracer import record
    from poolkit.timeline import alone, beside

    with _target.host(ctx, course) as host:
        trace = record(host, found, submission)
        if isinstance(trace, AppError):
            click.echo(f"{submission.shown}: your file did not run: {plain(str(trace))}", err=True)
            ctx.exit(1)
        reference = record(host, found, _target.submission(found, exercise, None, reference=True)) if compare else None
    if isinstance(reference, AppError):
        raise GraderFault(f"{found.reference}: the reference did not run: {plain(str(reference))}")
    text = view.render(style, alone(trace) if reference is None else beside(trace, reference))
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)


def _write(output: Path, text: str) -> None:
    from poolkit.workspace import write_atomically

    try:
        write_atomically(output, text)
    except OSError as error:
        raise UsageFault(f"{output}: cannot be written ({error.strerror}); choose another file") from None
    click.echo(f"Written to {plain(str(output))}")
