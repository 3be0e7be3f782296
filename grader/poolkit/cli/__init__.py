"""The `poolkit` command. Commands load, call, render and exit; they compute nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from poolkit import __version__
from poolkit.cli._lazy import LazyGroup
from poolkit.errors import PoolkitError
from poolkit.text import plain

if TYPE_CHECKING:
    from poolkit.judge.host import Host

COMMANDS = {
    "author": ("poolkit.cli.author", "Write exercises, and prove that their checks are right."),
    "check": ("poolkit.cli.check", "Check your solution of an exercise."),
    "hint": ("poolkit.cli.learn", "Show a hint for an exercise."),
    "init": ("poolkit.cli.learn", "Make a folder with every exercise to work in."),
    "list": ("poolkit.cli.learn", "List the exercises."),
    "quiz": ("poolkit.cli.quiz", "Take quizzes, and score answers to them."),
    "reset": ("poolkit.cli.learn", "Put an exercise's file back as it was at first."),
    "show": ("poolkit.cli.learn", "Show what an exercise asks for."),
    "solution": ("poolkit.cli.learn", "Show the reference solution, once you have passed."),
    "trace": ("poolkit.cli.trace", "Show step by step what your app does to its pool."),
}


@click.group(cls=LazyGroup, commands_by_name=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="poolkit")
def cli() -> None:
    """Learn how a web application uses a database connection pool.

    Begin with `poolkit init practice`, edit practice/exercises/exercise-1/app.py, and run
    `poolkit check exercise-1`.
    """


def run(host: Host | None = None) -> int:
    """Run the command and return its exit code; the one place where an error of ours becomes a message.

    Args:
        host: a warm process for labs, if one was started already.
    """
    try:
        code = cli.main(prog_name="poolkit", standalone_mode=False, obj=host)
        return code if isinstance(code, int) else 0
    except PoolkitError as error:
        click.echo(f"poolkit: {plain(str(error))}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 1
