"""`poolkit watch`."""

from __future__ import annotations

import click

from poolkit.cli import _target
from poolkit.course import Course


@click.command()
@click.argument("exercise", required=False, shell_complete=_target.exercise_ids)
@_target.course_option
@click.pass_context
def watch_command(ctx: click.Context, exercise: str | None, course: Course) -> None:
    """Check the current exercise at each save, with hints, traces and more at a key.

    It goes on where you stopped, or with EXERCISE. The keys stand at the bottom of the screen; where there is no
    terminal, each report is printed as it comes. Ends with 0 when you quit.
    """
    import asyncio

    from poolkit.watch.loop import watch
    from poolkit.watch.place import Place

    place = Place(course, _target.needed())
    chosen = course.exercise(exercise) if exercise else None
    with _target.host(ctx, course) as host:
        code = asyncio.run(watch(place, host, chosen))
    ctx.exit(code)
