"""`poolkit trace`."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.report import AppError
from poolkit.text import plain
from poolkit.trace import Trace, pool_words

VERSION = 1


@click.command()
@click.argument("exercise")
@click.option("--path", type=click.Path(path_type=Path), metavar="FILE_OR_DIR", help="Run this file or folder.")
@click.option("--solution", is_flag=True, help="Run the reference solution instead of your file.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
@_target.course_option
@click.pass_context
def trace_command(
    ctx: click.Context, exercise: str, path: Path | None, solution: bool, style: str, course: Course
) -> None:
    """Show step by step what your app does to its pool.

    Your app is started, sent two requests one after the other, and shut down; the table is what was recorded.
    """
    found = course.exercise(exercise)
    submission = _target.submission(found, exercise, path, reference=solution)
    from poolkit.judge.tracer import record

    with _target.host(ctx, course) as host:
        trace = record(host, found, submission)
    if isinstance(trace, AppError):
        click.echo(f"{submission.shown}: your file did not run: {plain(str(trace))}", err=True)
        ctx.exit(1)
    click.echo(_json(trace) if style == "json" else _text(trace), nl=False)


def _json(trace: Trace) -> str:
    steps: list[dict[str, Any]] = [
        {
            "step": step.number,
            "event": step.event,
            "pool": {
                "total": step.pool.total,
                "free": step.pool.free,
                "borrowed": step.pool.borrowed,
                "waiting": step.pool.waiting,
            },
            "action": step.action,
            "result": step.result,
        }
        for step in trace.steps
    ]
    variables = {
        "step": [step.number for step in trace.steps],
        "free": [step.pool.free for step in trace.steps],
        "borrowed": [list(step.lent) or None for step in trace.steps],
    }
    found = {
        "poolkit_trace": VERSION,
        "exercise": trace.exercise,
        "path": trace.path,
        "steps": steps,
        "variables": variables,
        "borrowed_at": [{"file": at.file, "line": at.line} for at in trace.borrowed_at],
        "note": trace.note or None,
    }
    return json.dumps(found, indent=2) + "\n"


def _text(trace: Trace) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    style: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True}
    steps = Table("Step", "Event", "Pool state", "Connection action", "Result", **style)
    for step in trace.steps:
        steps.add_row(str(step.number), step.event, pool_words(step.pool), step.action, step.result)
    variables = Table("Variable", *(str(step.number) for step in trace.steps), **style)
    variables.add_row("free connections", *(str(step.pool.free) for step in trace.steps))
    lent = (", ".join(map(str, step.lent)) or "none" for step in trace.steps)
    variables.add_row("connection borrowed", *lent)
    written = StringIO()
    console = Console(file=written, width=max(80, shutil.get_terminal_size().columns), highlight=False, markup=False)
    console.print(f"{trace.exercise}  {plain(trace.path)}")
    console.print(steps)
    console.print(variables)
    if trace.borrowed_at:
        console.print(f"Borrowed at {plain(', '.join(map(str, trace.borrowed_at)))}")
    if trace.note:
        console.print(f"The run ended early. {plain(trace.note)}")
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"
