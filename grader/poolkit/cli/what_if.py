"""`poolkit what-if`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.errors import UsageFault
from poolkit.report import AppError
from poolkit.text import plain

if TYPE_CHECKING:
    from poolkit.judge.whatif import Load

VERSION = 1
MAX_SIZE = 100
MAX_REQUESTS = 300


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option(
    "--max-size",
    "sizes",
    type=click.IntRange(1, MAX_SIZE),
    multiple=True,
    metavar="N",
    help="Give every pool N connections, no more and no fewer (default: 1); may be given up to four times.",
)
@click.option(
    "--requests", type=click.IntRange(1, MAX_REQUESTS), default=20, show_default=True, help="Send so many at once."
)
@click.option(
    "--delay",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    metavar="MS",
    help="Let the database take so many milliseconds longer for each statement.",
)
@click.option("--path", type=click.Path(path_type=Path), metavar="FILE_OR_DIR", help="Run this file or folder.")
@click.option("--solution", is_flag=True, help="Run the reference solution instead of your file.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
@_target.course_option
@click.pass_context
def what_if_command(
    ctx: click.Context,
    exercise: str,
    sizes: tuple[int, ...],
    requests: int,
    delay: int,
    path: Path | None,
    solution: bool,
    style: str,
    course: Course,
) -> None:
    """Run your app at another pool size and load, beside itself as you wrote it.

    The requests are the exercise's, as in `poolkit trace`, all sent at once; every time is measured outside your app.
    """
    if len(sizes) > 4:
        raise UsageFault("--max-size may be given four times; a fifth column has no room")
    found = course.exercise(exercise)
    if found.about.given:
        raise UsageFault(
            f"{found.id} is not an app with a pool, but a part of one; what-if has no size to change there"
        )
    submission = _target.submission(found, exercise, path, reference=solution)
    from poolkit.judge.whatif import measure

    with _target.host(ctx, course) as host:
        loads = measure(host, found, submission, [None, *(sizes or (1,))], requests, delay / 1000)
    if isinstance(loads, AppError):
        click.echo(f"{submission.shown}: your file did not run: {plain(str(loads))}", err=True)
        ctx.exit(1)
    problem = next((load.note for load in loads if load.note), "")
    if not problem and not loads[0].pools:
        problem = "It opens no pool at its startup, so there is no size to change."
    if problem:
        click.echo(f"{submission.shown}: {plain(problem)}", err=True)
        ctx.exit(1)
    shown = _json(found.id, submission.shown, delay, loads) if style == "json" else None
    click.echo(shown or _text(found.id, submission.shown, delay, loads), nl=False)


def _json(exercise: str, path: str, delay: int, loads: Sequence[Load]) -> str:
    runs: list[dict[str, Any]] = [
        {
            "max_size": load.forced,
            "pools": list(load.pools),
            "requests": load.requests,
            "answered": len(load.answers),
            "unanswered": load.unanswered,
            "failed": load.failed,
            "most_borrowed": load.most_borrowed,
            "waited": load.waited,
            "stuck": load.stuck,
            "longest_wait_s": round(load.longest_wait, 6),
            "median_answer_s": round(load.median_answer, 6),
            "slowest_answer_s": round(load.slowest_answer, 6),
            "duration_s": round(load.duration, 6),
            "requests_per_second": round(load.per_second, 3),
        }
        for load in loads
    ]
    found = {"poolkit_what_if": VERSION, "exercise": exercise, "path": path, "delay_ms": delay, "runs": runs}
    return json.dumps(found, indent=2) + "\n"


def _text(exercise: str, path: str, delay: int, loads: Sequence[Load]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("", box=SIMPLE_HEAD, pad_edge=False)
    for load in loads:
        table.add_column("as written" if load.forced is None else f"max_size {load.forced}", justify="right")
    rows = {
        "connections": [" + ".join(map(str, load.pools)) for load in loads],
        "requests": [str(load.requests) for load in loads],
        "answered": [str(len(load.answers)) for load in loads],
        "  of these 500 or above": [str(load.failed) for load in loads],
        "never answered": [str(load.unanswered) for load in loads],
        "most borrowed at once": [str(load.most_borrowed) for load in loads],
        "had to wait": [str(load.waited) for load in loads],
        "longest wait": ["no end" if load.stuck else _milliseconds(load.longest_wait) for load in loads],
        "median answer after": [_milliseconds(load.median_answer) if load.answers else "–" for load in loads],
        "slowest answer after": [_milliseconds(load.slowest_answer) if load.answers else "–" for load in loads],
        "all answers after": [_milliseconds(load.duration) if not load.unanswered else "–" for load in loads],
        "requests per second": [f"{load.per_second:.0f}" for load in loads],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    written = StringIO()
    console = Console(file=written, width=80, highlight=False, markup=False)
    console.print(f"{exercise}  {plain(path)}")
    console.print(table)
    slower = f", each statement {delay} ms slower" if delay else ""
    console.print(f"{loads[0].requests} requests at once{slower}. A wait is a task in the pool's queue.")
    if any(load.unanswered for load in loads):
        console.print("Where a request was never answered, nothing moved any more: everybody waited for somebody else.")
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
