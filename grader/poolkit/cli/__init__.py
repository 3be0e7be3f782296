"""The `poolkit` command. Commands load, call, render and exit; they compute nothing."""

from __future__ import annotations

import os
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
    "diff": ("poolkit.cli.desk", "Show what you have changed since your file last passed."),
    "doctor": ("poolkit.cli.doctor", "Look at this machine for what the kit needs."),
    "hint": ("poolkit.cli.learn", "Show a hint for an exercise."),
    "init": ("poolkit.cli.learn", "Make a folder with every exercise to work in."),
    "learn": ("poolkit.cli.lesson", "Read the lesson of an exercise, whole or one way at a time."),
    "list": ("poolkit.cli.learn", "List the exercises."),
    "practice": ("poolkit.cli.practice", "Ask quiz questions again when you are about to forget them."),
    "progress": ("poolkit.cli.desk", "Show what you have passed, what is due, and the next step."),
    "quiz": ("poolkit.cli.quiz", "Take quizzes, and score answers to them."),
    "reset": ("poolkit.cli.learn", "Put an exercise's file back as it was at first."),
    "run": ("poolkit.cli.serve", "Serve your app on this machine and watch its connections while you use it."),
    "show": ("poolkit.cli.learn", "Show what an exercise asks for."),
    "solution": ("poolkit.cli.learn", "Show the reference solution, once you have passed."),
    "trace": ("poolkit.cli.trace", "Show step by step what your app does to its pool."),
    "upgrade": ("poolkit.cli.desk", "Bring new and changed exercises and quizzes into your folder."),
    "watch": ("poolkit.cli.watch", "Check the current exercise at each save."),
    "what-if": ("poolkit.cli.what_if", "Run your app at another pool size and load."),
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
    # click knows nothing of https://no-color.org.
    color = False if os.environ.get("NO_COLOR") else None
    try:
        code = cli.main(prog_name="poolkit", standalone_mode=False, obj=host, color=color)
        return code if isinstance(code, int) else 0
    except PoolkitError as error:
        click.echo(f"poolkit: {plain(str(error))}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 1
