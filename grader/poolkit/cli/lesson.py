"""`poolkit learn`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course, Exercise
from poolkit.errors import CourseFault, UsageFault
from poolkit.report import AppError

if TYPE_CHECKING:
    from poolkit.lesson import Lesson
    from poolkit.trace import Trace

_WRITTEN = {
    "flow": "Concept flow",
    "sample": "Sample",
    "insights": "Insights",
    "snapshot": "Snapshot",
    "transcript": "Transcript",
}
_RECORDED = {"trace": "Trace", "variables": "Variables"}
_WHOLE = ("flow", "sample", "trace", "variables", "insights", "snapshot", "transcript")
_MOST_ACROSS = 12
"""A table with a column for each step is too wide for 80 columns when it has more."""
_MODES = ("flow", "sample", "trace", "variables", "insights", "quiz", "snapshot", "transcript", "practice")


@click.command()
@click.argument("exercise", shell_complete=_target.exercise_ids)
@click.option("--mode", type=click.Choice(_MODES), help="Look at it in this way only.")
@_target.course_option
@click.pass_context
def learn_command(ctx: click.Context, exercise: str, mode: str | None, course: Course) -> None:
    """Read the lesson of an exercise, whole or one way at a time.

    flow tells the idea in a few sentences, sample is a small app. trace and variables are tables of what that app
    does, recorded while you wait. insights asks and answers, snapshot is what to remember, transcript a conversation
    of two people who look at the tables. quiz asks you about it, practice asks again what you are about to forget.
    """
    found = course.exercise(exercise)
    if mode == "quiz":
        _take_quiz(ctx, found, course)
    elif mode == "practice":
        _hand_over(ctx, course, "practice")
    else:
        _read(ctx, found, course, mode)


def _read(ctx: click.Context, exercise: Exercise, course: Course, mode: str | None) -> None:
    from poolkit import lesson
    from poolkit.cli import _reading

    path = exercise.folder / "lesson.md"
    found = lesson.read(path)
    run = _run(ctx, exercise, course, found) if mode in (None, *_RECORDED) else None
    if mode in _RECORDED and isinstance(run, AppError):
        raise CourseFault(f"{path}: the sample did not run: {run}")
    text = "".join(_part(found, each, run, whole=mode is None) for each in ([mode] if mode else _WHOLE))
    if mode is None:
        text = _reading.set_out(f"# {found.title}\n\n{found.opening}") + "\n" + text + _where_next(exercise)
    elif mode in ("insights", "transcript"):
        text += f"\nThe steps are those of `poolkit learn {exercise.id} --mode trace`.\n"
    _reading.turn_pages(text)


def _run(ctx: click.Context, exercise: Exercise, course: Course, found: Lesson) -> Trace | AppError | None:
    """Run the lesson's sample, where there is one to run."""
    if not (found.sample and found.requests):
        return None
    from poolkit.judge.sample import record_sample

    with _target.host(ctx, course) as host:
        return record_sample(host, exercise, found)


def _part(found: Lesson, mode: str, run: Trace | AppError | None, *, whole: bool) -> str:
    """Return one part, with its heading where there are others."""
    from poolkit.cli import _reading

    name = _WRITTEN.get(mode) or _RECORDED[mode]
    heading = f"## {name}\n\n" if whole else ""
    if mode in _WRITTEN:
        missing = f"This lesson has no {name.lower()} yet. The other parts may say what you are looking for."
        return _reading.set_out(heading + (found.parts.get(name, "").strip() or missing)) + "\n"
    if run is None:
        return _reading.set_out(f"{heading}This lesson has no sample to run yet, and so nothing was recorded.") + "\n"
    if isinstance(run, AppError):
        return _reading.set_out(f"{heading}The sample did not run: {run}") + "\n"
    return _reading.set_out(f"{heading}Recorded a moment ago, from the sample above.") + _table(mode, run)


def _table(mode: str, run: Trace) -> str:
    from poolkit.cli import _reading
    from poolkit.view.text import steps_table, variables_table

    if mode == "trace":
        return _reading.drawn(steps_table(run)) + "\n"
    across = len(run.steps) <= _MOST_ACROSS
    return _reading.drawn(variables_table(run) if across else _reading.variables_down(run)) + "\n"


def _where_next(exercise: Exercise) -> str:
    lines = {
        f"poolkit learn {exercise.id} --mode quiz": "questions about it",
        f"poolkit learn {exercise.id} --mode practice": "questions that you are about to forget",
        f"poolkit show {exercise.id}": "what the exercise asks for",
    }
    return "".join(f"  {command:<42}  {what}\n" for command, what in lines.items())


def _take_quiz(ctx: click.Context, exercise: Exercise, course: Course) -> None:
    from poolkit.quiz import load

    quizzes = [each.quiz for each in load.examine_all(course) if each.quiz and each.quiz.exercise == exercise.id]
    if not quizzes:
        raise UsageFault(f"{exercise.id} has no quiz yet; `poolkit quiz list` shows those of other exercises")
    first, *others = (quiz.id for quiz in quizzes)
    if others:
        click.echo(f"Afterwards: {', '.join(f'poolkit quiz take {name}' for name in others)}\n", err=True)
    _hand_over(ctx, course, "quiz", "take", first)


def _hand_over(ctx: click.Context, course: Course, *words: str) -> None:
    """Run another command of the kit's as if it had been called instead."""
    command = ctx.find_root().command
    assert isinstance(command, click.Group)
    found = command.get_command(ctx, words[0])
    if found is None:
        raise UsageFault(f"this version has no `poolkit {words[0]}`; install a newer one")
    # With its own defaults, and with errors that speak of it.
    with found.make_context(words[0], [*words[1:], "--course", str(course.root)], parent=ctx) as there:
        found.invoke(there)
