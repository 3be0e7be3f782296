"""`poolkit practice`."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.errors import UsageFault

if TYPE_CHECKING:
    from poolkit.practice.bank import Bank
    from poolkit.practice.due import Due
    from poolkit.practice.store import Store


@click.command()
@click.option(
    "--new",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="Meet at most N questions for the first time on one day.",
)
@click.option("--list", "listing", is_flag=True, help="Print what is due instead of asking.")
@click.option("--stats", "figures", is_flag=True, help="Print how much you retained, and what comes due.")
@_target.course_option
def practice_command(new: int, listing: bool, figures: bool, course: Course) -> None:
    """Ask quiz questions again when you are about to forget them.

    What a failed check has shown comes first, then what is due by the schedule (FSRS), then a few new questions.
    A wrong answer comes again after ten minutes, a right one after days, then weeks. Each answer is kept at once.
    """
    if listing and figures:
        raise UsageFault("give either --list or --stats, one of the two")
    if not (listing or figures or sys.stdin.isatty()):
        raise UsageFault("practice asks in a terminal, and this is none; --list prints what is due")
    from poolkit.practice import bank, session
    from poolkit.practice.place import place
    from poolkit.practice.store import Store

    questions, store, now = bank.read(course), Store(place()), _now()
    for name in questions.broken:
        click.echo(f"poolkit: the quiz {name} cannot be used; `poolkit quiz check {name}` says why", err=True)
    if notice := store.read(now).notice:
        click.echo(f"poolkit: {notice}", err=True)
    if figures:
        _figures(questions, store, now)
        return
    waiting = session.due_now(questions, store, now, new)
    if listing:
        _list(waiting, now)
    else:
        _ask(questions, waiting, store, new)


def _now() -> datetime:
    return datetime.now().astimezone()


def _figures(questions: Bank, store: Store, now: datetime) -> None:
    from poolkit.practice import missed, text
    from poolkit.practice.stats import stats

    for line in text.figures(stats(questions, store.read(now).deck, missed.read(store.folder), now), now):
        click.echo(line)


def _list(waiting: tuple[Due, ...], now: datetime) -> None:
    from poolkit.practice import text

    for line in text.listed(waiting, now):
        click.echo(line)
    if not waiting:
        click.echo("Nothing is due.", err=True)


def _ask(questions: Bank, waiting: tuple[Due, ...], store: Store, new: int) -> None:
    from rich.console import Console

    from poolkit.practice import session, text
    from poolkit.quiz.screen import Screen

    screen = Screen(Console(highlight=False))
    if waiting:
        screen.title("Practice", [text.opening(waiting)])
        results = session.practise(questions, waiting, store, screen, _now)
        screen.lines(["", text.closing(results)] if results else [""])
    else:
        screen.note("Nothing is due.")
    now = _now()
    left = session.due_now(questions, store, now, new)
    screen.note(text.upcoming(questions, store.read(now).deck, left, now))
