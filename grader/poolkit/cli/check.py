"""`poolkit check`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from poolkit import formats
from poolkit.cli import _own, _target
from poolkit.course import Course
from poolkit.errors import UsageFault
from poolkit.quiz.result import Folder
from poolkit.report import Report, exit_code


@click.command()
@click.argument("exercises", nargs=-1, metavar="[EXERCISE]...", shell_complete=_target.exercise_ids)
@click.option("--all", "every", is_flag=True, help="Check every exercise.")
@click.option("--path", type=click.Path(path_type=Path), metavar="FILE_OR_DIR", help="Check this file or folder.")
@click.option("--solution", is_flag=True, help="Check the reference solution instead of your file.")
@click.option("--format", "style", type=click.Choice(formats.names()), default="text", help="How to print the report.")
@click.option("--quizzes", type=click.Path(path_type=Path), metavar="DIR", help="Score the answers in a folder, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the report to a file.")
@_target.course_option
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Repeat a run's random choices.")
@click.pass_context
def check_command(
    ctx: click.Context,
    exercises: tuple[str, ...],
    every: bool,
    path: Path | None,
    solution: bool,
    style: str,
    quizzes: Path | None,
    output: Path | None,
    course: Course,
    seed: int | None,
) -> None:
    """Check your solution of an exercise.

    EXERCISE is a name such as exercise-3, its number, or the path of its folder.

    Ends with 0 when everything passed, 1 when there is something to fix, 2 when the command was used wrongly or a file
    of answers is broken, 3 when the grader itself failed.
    """
    names = list(course.ids) if every else list(exercises)
    if every == bool(exercises):
        raise UsageFault(
            "name an exercise such as `poolkit check exercise-1`, or give --all; `poolkit list` shows them"
        )
    if path is not None and (len(names) > 1 or solution):
        raise UsageFault("--path goes with one exercise, and without --solution")
    chosen = [course.exercise(name) for name in names]
    submissions = [
        _target.submission(exercise, name, path, reference=solution)
        for exercise, name in zip(chosen, names, strict=True)
    ]
    scored = _scored(course, quizzes)
    mine = _own.own(chosen, submissions)
    from poolkit.judge.runner import grade

    with _target.host(ctx, course) as host:
        reports = [grade(host, *pair, seed=seed) for pair in zip(chosen, submissions, strict=True)]
    if path is None and not solution:
        _remember(mine, reports)
    _write(reports, scored, style, output)
    if style == "text" or output is not None:
        _own.after_pass(mine, reports, course)
    ctx.exit(max(exit_code(reports), scored.exit_code if scored else 0))


def _scored(course: Course, quizzes: Path | None) -> Folder | None:
    if quizzes is None:
        return None
    from poolkit.quiz import collect

    return collect.scored(course, quizzes)


def _remember(mine: _own.Own, reports: Sequence[Report]) -> None:
    _own.remember(mine, reports)
    if exit_code(reports) != 0:
        from poolkit.practice import missed

        missed.note(reports, datetime.now(UTC))


def _write(reports: Sequence[Report], quizzes: Folder | None, style: str, output: Path | None) -> None:
    from poolkit.workspace import write_atomically

    text = formats.render(style, reports, quizzes)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            write_atomically(output, click.unstyle(text))
        except OSError as error:
            raise UsageFault(f"{output}: cannot be written ({error.strerror}); choose another file") from None
        click.echo(formats.render("text", reports, quizzes), nl=False)
    if style == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        from poolkit.formats import github

        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(github.summary(reports, quizzes))
