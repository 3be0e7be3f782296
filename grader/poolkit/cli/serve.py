"""`poolkit run`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.report import AppError
from poolkit.text import plain

if TYPE_CHECKING:
    from poolkit.events import Event
    from poolkit.judge.feed import Happening
    from poolkit.session import Session

_HEAD = f"{'row':>6} {'s':>9}  {'event':<10} {'conn':>4} {'free':>9}"


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any free one.")
@click.option("--path", type=click.Path(path_type=Path), metavar="FILE_OR_DIR", help="Run this file or folder.")
@click.option("--solution", is_flag=True, help="Run the reference solution instead of your file.")
@_target.course_option
@click.pass_context
def run_command(
    ctx: click.Context, exercise: str, port: int, path: Path | None, solution: bool, course: Course
) -> None:
    """Serve your app on this machine and watch its connections while you use it.

    Open the address that it prints in a browser, or ask with curl. Each thing that happens to a connection is a line.
    Ctrl-C shuts the app down, and shows what leaked and the app's life step by step. The database is the exercise's
    own, fresh at each run.

    Ends with 0 when every connection came back, 1 when one did not or the app did not start.
    """
    found = course.exercise(exercise)
    submission = _target.submission(found, exercise, path, reference=solution)
    from poolkit.judge import live, relay

    with relay.bind(port) as listener, _target.host(ctx, course) as host:
        click.echo(click.style(_HEAD, fg="bright_black"))
        session = live.serve(host, found, submission, listener, _show)
    if isinstance(session, AppError):
        click.echo(f"{plain(submission.shown)}: your app did not start: {plain(str(session))}", err=True)
        if session.where and session.where.text:
            click.echo(f"  {session.where.line:>5} | {plain(session.where.text)}", err=True)
        ctx.exit(1)
    click.echo(_text(session), nl=False)
    ctx.exit(0 if session.clean else 1)


def _show(happening: Happening) -> None:
    """Print one thing that happened."""
    from poolkit.events import Event
    from poolkit.judge.feed import Printed, Raised, Ready, StillOut

    match happening:
        case Event():
            click.echo(_row(happening))
        case Ready(url):
            click.echo(f"\n  Your app is at {click.style(url, bold=True)}   Ctrl-C ends it.\n")
        case Printed(line):
            click.echo(click.style(f"{'':6} printed: {plain(line, 200)}", fg="bright_black"))
        case Raised(request, error):
            during = f"request {request} " if request else ""
            click.echo(click.style(f"     ✗ {during}raised {plain(str(error), 300)}", fg="red"))
        case StillOut(borrow):
            at = f" ({plain(str(borrow.where))})" if borrow.where else ""
            text = f"connection {borrow.connection} is not back from request {borrow.request}{at}"
            click.echo(click.style(f"     ! {text}", fg="yellow"))
        case _:
            click.echo(f"     · {happening.text}")


def _row(row: Event) -> str:
    from poolkit.formats.text import detail

    connection = "" if row.connection is None else str(row.connection)
    free = f"{row.state.free} of {row.state.total}"
    head = f"{row.seq:>6} {row.at:>9.3f}  {row.kind:<10} {connection:>4} {free:>9}  "
    return f"{head}{plain(detail(row), _width() - len(head))}".rstrip()


def _width() -> int:
    """Return how long a line may be: as wide as the terminal, and long enough for everything in a file."""
    return max(80, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 250


def _text(session: Session) -> str:
    from poolkit.cli._reading import drawn
    from poolkit.session import headline
    from poolkit.view.text import steps_table

    lines = ["", f"{session.trace.exercise}  {plain(session.trace.path)}", ""]
    lines += _leaks(session)
    lines += [f"  {headline(session)}"]
    if session.trace.note:
        lines += [f"  {plain(session.trace.note)}"]
    if session.left_out:
        lines += [f"  Of {session.left_out:,} requests after step {session.left_out_after} the table has nothing."]
    text = "\n".join(lines) + "\n"
    return text + "\n" + drawn(steps_table(session.trace)) if session.trace.steps else text


def _leaks(session: Session) -> list[str]:
    lines = []
    for leak in session.leaks:
        text = f"  ✗ connection {leak.borrow.connection} was borrowed and never returned"
        lines.append(click.style(text, fg="red"))
        call = f": {plain(leak.call, 50)}" if leak.call else ""
        lines.append(f"      by request {leak.borrow.request}{call}" if leak.borrow.request else "      by no request")
        if where := leak.borrow.where:
            lines.append(f"      at {plain(f'{where}   {where.text}', 70)}")
    if session.unclosed:
        numbers = ", ".join(map(str, session.unclosed))
        lines.append(click.style(f"  ✗ never closed, not even by the shutdown: connection {numbers}", fg="red"))
    if not lines:
        lines.append(click.style("  ✓ every connection came back", fg="green"))
    return [*lines, ""]
