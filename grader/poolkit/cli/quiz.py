"""`poolkit quiz`: quizzes, from taking one to the schema of their files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.errors import QuizFault, UsageFault
from poolkit.text import count, plain

if TYPE_CHECKING:
    from poolkit.quiz.screen import Screen
    from poolkit.quiz.session import Taken

_FORMATS = ("json", "junit", "text")
_EXPORTS = ("anki", "gift", "moodle", "qti12", "qti21")
_IMPORTS = ("gift", "moodle")
_file = click.Path(path_type=Path)


@click.group(name="quiz", context_settings={"help_option_names": ["-h", "--help"]})
def quiz_command() -> None:
    """Take quizzes, and score answers to them.

    Commands that score end with 0 at or above the pass mark, 1 below it, 2 when a file is broken.
    """


@quiz_command.command(name="list", short_help="List the quizzes.")
@_target.course_if_any_option
@click.pass_context
def list_quizzes(ctx: click.Context, course: Course | None) -> None:
    """List the quizzes: the course's, and a workspace's copies of others."""
    from poolkit.quiz import copies, load

    own = [(each.path.stem, each.quiz, "check") for each in (load.examine_all(course) if course else ())]
    found = [*own, *((path.stem, sheet, "take") for path, sheet in copies.besides(course, _target.here()))]
    width = max((len(name) for name, _, _ in found), default=0)
    for name, quiz, tells in found:
        if quiz is None:
            click.echo(f"{plain(name):<{width}}  cannot be used; `poolkit quiz {tells} {plain(name)}` says why")
        else:
            number = count(len(quiz.questions), "question")
            click.echo(f"{name:<{width}}  {number:>12}  {plain(quiz.title)}")
    ctx.exit(0 if all(quiz for _, quiz, _ in found) else 2)


@quiz_command.command(name="check", short_help="Say everything that is wrong with quizzes.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_target.course_option
@click.pass_context
def check_quizzes(ctx: click.Context, names: tuple[str, ...], course: Course) -> None:
    """Say everything that is wrong with quizzes, a line each, and what lets a learner guess."""
    from poolkit.quiz import load

    wanted = [load.find(course, name) for name in names]
    found = [each for each in load.examine_all(course) if not wanted or each.path in wanted]
    for each in found:
        for problem in each.problems:
            click.echo(plain(str(problem)))
        for doubt in each.doubts:
            click.echo(f"{plain(str(doubt))} (a warning)")
    broken = sum(each.quiz is None for each in found)
    click.echo(
        f"{count(len(found), 'file')}, {broken} cannot be used." if broken else f"{count(len(found), 'file')}, fine."
    )
    ctx.exit(2 if broken else 0)


@quiz_command.command(name="take", short_help="Take a quiz in the terminal.")
@click.argument("name")
@click.option("--answers", type=_file, metavar="FILE", help="Score the answers in this file instead of asking.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Of the order of choices.")
@click.option(
    "--feedback",
    type=click.Choice(["immediate", "final"]),
    default="immediate",
    show_default=True,
    help="When to say what is right.",
)
@click.option("--restart", is_flag=True, help="Forget the answers so far.")
@_target.course_if_any_option
@click.pass_context
def take_quiz(
    ctx: click.Context,
    name: str,
    answers: Path | None,
    seed: int | None,
    feedback: str,
    restart: bool,
    course: Course | None,
) -> None:
    """Take a quiz in the terminal; NAME is its id, or the path of a learner's copy.

    Each answer is kept at once, so that you can stop and go on later.
    """
    from poolkit.quiz import copies

    place = copies.chosen(name, course, _target.here())
    if answers is not None:
        if place.endswith((".yaml", ".yml")):
            raise UsageFault(f"{place}: this copy has no key; hand {answers} in, to be scored by who holds the key")
        ctx.invoke(score_quiz, name=name, answers=answers, key=None, style="text", course=course)
    if not sys.stdin.isatty():
        raise UsageFault("a quiz is taken in a terminal, and this is none; give your answers with --answers FILE")
    from rich.console import Console

    from poolkit.quiz import session, state
    from poolkit.quiz.screen import Screen

    folder, screen = state.place(_target.here()), Screen(Console(highlight=False))
    immediate = feedback == "immediate"
    taken = session.take(course, place, folder, screen, seed=seed, immediate=immediate, restart=restart)
    _show_taken(taken, name, screen, full=not immediate)
    ctx.exit(taken.exit_code)


@quiz_command.command(name="score")
@click.argument("name")
@click.option("--answers", type=_file, required=True, metavar="FILE", help="What was answered.")
@click.option("--key", type=_file, metavar="FILE", help="Take the quiz with its key from this file.")
@click.option("--format", "style", type=click.Choice(_FORMATS), default="text", help="How to print it.")
@_target.course_option
@click.pass_context
def score_quiz(ctx: click.Context, name: str, answers: Path, key: Path | None, style: str, course: Course) -> None:
    """Score a file of answers to a quiz."""
    from poolkit.quiz import formats, session

    result = session.score_file(course, name, answers, key)
    click.echo(formats.render(style, result), nl=False)
    ctx.exit(result.exit_code)


@quiz_command.command(name="stats", short_help="Say how a class's answers tell good questions from bad ones.")
@click.argument("folder", type=_file, metavar="ANSWERS_DIR")
@click.option("--key", type=_file, metavar="FILE", help="Take the quiz with its key from this file.")
@click.option("--format", "style", type=click.Choice(["csv", "text"]), default="text", help="How to print it.")
@click.option("-o", "--output", type=_file, metavar="FILE", help="Write it there instead of printing it.")
@_target.course_option
@click.pass_context
def analyse_quizzes(
    ctx: click.Context, folder: Path, key: Path | None, style: str, output: Path | None, course: Course
) -> None:
    """Say how a class's answers tell good questions from bad ones: difficulty, discrimination, choices, alpha.

    Each learner has a folder in ANSWERS_DIR, or a file such as anna.yaml. Each one's first answers to a quiz count.
    Ends with 0, or with 2 when a file is broken; the others are analysed all the same.
    """
    from poolkit.quiz import collect, tables

    analyses, problems = collect.analysed(course, folder, key)
    _warn(problems)
    if style == "csv":
        _deliver(tables.table(analyses), output)
        _warn(said for each in analyses if (said := tables.warning(each)))
    elif analyses:
        found = tables.text(analyses)
        _deliver(click.unstyle(found) if output else found, output)
    ctx.exit(2 if problems else 0)


@quiz_command.command(name="export", short_help="Write a quiz for learners, or for another program.")
@click.argument("name")
@click.option("--for", "audience", type=click.Choice(["learner"]), help="A copy without the key.")
@click.option("--format", "style", type=click.Choice(_EXPORTS), help="The quiz and its key, for another program.")
@click.option("-o", "--output", type=_file, metavar="FILE", help="Write it there instead of printing it.")
@_target.course_option
def export_quiz(name: str, audience: str | None, style: str | None, output: Path | None, course: Course) -> None:
    """Write a quiz's copy for learners, which holds no key, or the quiz in the format of another program.

    The formats are Anki's packages, Moodle's GIFT and XML, QTI 1.2 as Canvas takes it, and QTI 2.1. What a format
    has no place for is told on stderr.
    """
    from poolkit.quiz import export, learner, load

    if (audience is None) == (style is None):
        raise UsageFault("give either --for learner or --format, one of the two")
    quiz = load.load(load.find(course, name), course)
    if style is None:
        _deliver(learner.learners_copy(quiz), output)
        return
    _deliver(export.render(style, quiz), output)
    _warn(export.warnings(style, quiz))


@quiz_command.command(name="import", short_help="Make a quiz of questions from Moodle.")
@click.argument("file", type=_file)
@click.option("--format", "style", type=click.Choice(_IMPORTS), help="When the file does not tell.")
@click.option("-o", "--output", type=_file, metavar="FILE", help="Write it there, its name the quiz's id.")
def import_quiz(file: Path, style: str | None, output: Path | None) -> None:
    """Make a quiz of a file of questions, GIFT or Moodle XML. What a quiz cannot hold is told on stderr."""
    from poolkit.quiz import imports

    found = imports.read(file, style, imports.quiz_id_of(output) if output else None)
    _deliver(found.text, output)
    _warn(found.warnings)


@quiz_command.command(name="schema")
def print_schema() -> None:
    """Print the JSON Schema of a quiz's file, for editors."""
    from poolkit.quiz.model import schema

    click.echo(json.dumps(schema(), indent=2))


def _deliver(content: str | bytes, output: Path | None) -> None:
    """Print what was made, or write it to a file."""
    from poolkit.workspace import write_atomically

    if output is None:
        if isinstance(content, bytes) and sys.stdout.isatty():
            raise UsageFault("this format is no text; give it a place with --output FILE")
        click.echo(content, nl=False)
        return
    try:
        write_atomically(output, content)
    except OSError as error:
        raise QuizFault(f"{output}: cannot be written ({error.strerror}); choose another place") from None


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(f"poolkit: {plain(line)}", err=True)


def _show_taken(taken: Taken, name: str, screen: Screen, *, full: bool) -> None:
    from poolkit.quiz.formats import text

    if taken.path is None:
        return
    path = taken.path.relative_to(Path.cwd()) if taken.path.is_relative_to(Path.cwd()) else taken.path
    click.echo()
    if taken.result is not None:
        screen.lines(text.render(taken.result).splitlines() if full else text.summary(taken.result))
        click.echo(f"\nThe same from your answers: poolkit quiz score {name} --answers {path}")
    else:
        click.echo(f"Your answers are in {path}. Hand that file in.")
