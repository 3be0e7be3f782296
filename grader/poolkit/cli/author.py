"""`poolkit author`: what somebody needs who writes exercises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.errors import UsageFault
from poolkit.text import count, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolkit.author.mutate import Score
    from poolkit.author.verify import Proof
    from poolkit.quiz.prove import QuizProof


@click.group(name="author", context_settings={"help_option_names": ["-h", "--help"]})
def author_command() -> None:
    """Write exercises, and prove that their checks are right."""


@author_command.command(name="verify")
@click.argument("exercises", nargs=-1, metavar="[EXERCISE]...", shell_complete=_target.exercise_ids)
@_target.course_option
@click.option(
    "--seed", type=click.IntRange(min=0), default=7, show_default=True, metavar="N", help="Of each file's first run."
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs of each file, each with another seed; they have to come out alike.",
)
@click.option(
    "--load",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="K",
    help="Run all of it once more while K processes keep the cores busy.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Runs at once; 2 for each core and 1 more if not given."
)
@click.option("--quizzes", "only_quizzes", is_flag=True, help="Prove the quizzes, and leave the exercises out.")
@click.option("--confusion", is_flag=True, help="Print how often each misconception was named, right ones included.")
@click.pass_context
def verify_command(
    ctx: click.Context,
    exercises: tuple[str, ...],
    course: Course,
    seed: int,
    seeds: int,
    load: int,
    jobs: int | None,
    only_quizzes: bool,
    confusion: bool,
) -> None:
    """Prove exercises, or the whole course.

    Every stub fails the check that it is meant to fail, every right file earns full marks, every wrong file fails
    exactly the checks that its header names, every check is failed by a wrong file, and every link leads somewhere.
    Of the whole course the quizzes too: every key that a run can prove is what the run says.

    With --seeds and --load, each file runs several times, and no verdict and no set of failed checks may change.

    Ends with 0 when all of it holds, 1 when something does not.
    """
    if only_quizzes:
        from poolkit.quiz.prove import prove

        quizzes = prove(course)
        _show_quizzes(quizzes)
        ctx.exit(1 if quizzes.problems else 0)
    names = [course.exercise(name).id for name in exercises]
    from poolkit.author.verify import verify

    with _progress() as progress:
        proof = verify(course, names, seed=seed, seeds=seeds, load=load, workers=jobs, progress=progress)
    _show(proof, confusion=confusion)
    if proof.quizzes is not None and (proof.quizzes.quizzes or proof.quizzes.problems):
        _show_quizzes(proof.quizzes)
    ctx.exit(0 if proof.holds else 1)


@author_command.command(name="mutate")
@click.argument("exercises", nargs=-1, metavar="[EXERCISE]...", shell_complete=_target.exercise_ids)
@_target.course_option
@click.option("--all", "every", is_flag=True, help="Every exercise of the course.")
@click.option("--reference-only", is_flag=True, help="Mutants of the reference, and of no other right solution.")
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="N", help="So many mutants of each exercise, drawn by the seed."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    metavar="N",
    help="Of every run, and of the sample.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Runs at once; 2 for each core and 1 more if not given."
)
@click.option("--fresh", is_flag=True, help="Grade also what was graded before, with the same checks.")
@click.pass_context
def mutate_command(
    ctx: click.Context,
    exercises: tuple[str, ...],
    course: Course,
    every: bool,
    reference_only: bool,
    sample: int | None,
    seed: int,
    jobs: int | None,
    fresh: bool,
) -> None:
    """Grade right solutions with one small mistake in each, and show those that pass all the same.

    A mutant that passes needs a check that sees it, or, when it keeps every promise of the README, an entry with the
    reason in solutions/<id>/equivalent.yaml. A run that was stopped goes on where it was.

    Ends with 0 when no other mutant passes, 1 when one does.
    """
    if every == bool(exercises):
        raise click.UsageError("Name the exercises, or say --all.")
    names = course.ids if every else [course.exercise(name).id for name in exercises]
    try:
        from poolkit.author.mutate import mutate
    except ModuleNotFoundError as missing:
        if missing.name != "libcst":
            raise
        raise UsageFault("mutants are made with LibCST, which is not here: pip install 'poolkit[author]'") from None

    with _progress() as progress:
        scores = mutate(
            course,
            names,
            reference_only=reference_only,
            sample=sample,
            seed=seed,
            workers=jobs,
            fresh=fresh,
            progress=progress,
        )
    _show_scores(scores)
    ctx.exit(1 if any(score.survivors or score.problems for score in scores) else 0)


@author_command.command(name="record")
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@_target.course_option
def record_command(scenarios: tuple[str, ...], course: Course) -> None:
    """Run the scenarios of quizzes, and write the recordings that are not what their runs give."""
    from poolkit.quiz.rehearse import record

    for path in record(course, scenarios):
        click.echo(path)


@author_command.command(name="new")
@click.argument("name")
@click.option("--title", help="What people read; made from the name when not given.")
@_target.course_option
def new_command(name: str, title: str | None, course: Course) -> None:
    """Begin an exercise: its folders and files, filled in so that `verify` says what is left to do."""
    from poolkit.author.scaffold import begin

    for path in begin(course, name, title or name.replace("-", " ").capitalize()):
        click.echo(path)
    click.echo(f"Next: poolkit author verify {name}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error while runs go on, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show_scores(scores: Sequence[Score]) -> None:
    for score in scores:
        for survivor in score.survivors:
            click.echo(f"{score.id}: {survivor.file} passes with this mistake:")
            click.echo(f"  {plain(survivor.mutant.name, 400)}")
            for line in survivor.mutant.diff.splitlines():
                click.echo(f"    {plain(line, 200)}")
            click.echo()
    for score in scores:
        for problem in score.problems:
            click.echo(f"{score.id}: {plain(problem, 400)}")
    width = max(len(score.id) for score in scores)
    click.echo(f"  {'':{width}}  mutants   killed  equivalent  unreachable  pass")
    for score in scores:
        sign = click.style("✗", fg="red") if score.survivors or score.problems else click.style("✓", fg="green")
        click.echo(
            f"{sign} {score.id:{width}}{score.mutants:>9}{score.killed:>9}{score.equivalent:>12}"
            f"{score.unreachable:>13}{len(score.survivors):>6}"
        )


def _show(proof: Proof, *, confusion: bool) -> None:
    width = max(len(each.id) for each in proof.exercises)
    click.echo(f"  {'':{width}}    right  wrong  checks  with a wrong file    time")
    for each in proof.exercises:
        sign = click.style("✗", fg="red") if each.problems else click.style("✓", fg="green")
        own = f"{len(each.own)} of {len(each.checks)}"
        click.echo(
            f"{sign} {each.id:{width}}  {each.right:>7}{each.wrong:>7}{len(each.checks):>8}{own:>19}"
            f"{each.seconds:>7.1f} s"
        )
    for each in proof.exercises:
        for problem in each.problems:
            click.echo(f"{each.id}: {plain(problem, 400)}")
    for problem in proof.problems:
        click.echo(plain(problem, 400))
    _show_confusion(proof, every=confusion)
    click.echo(_totals(proof))


def _show_confusion(proof: Proof, *, every: bool) -> None:
    rows = [(pair, number) for pair, number in sorted(proof.confusion.items()) if every or pair[0] != pair[1]]
    if not rows:
        return
    width = max(len(meant) for (meant, _), _ in rows)
    click.echo(f"\n  {'the header says':{width}}  times  the report names")
    for (meant, named), number in rows:
        click.echo(f"  {meant:{width}}  {number:>5}  {named if meant != named else '='}")


def _totals(proof: Proof) -> str:
    each = proof.exercises
    right, wrong = sum(e.right for e in each), sum(e.wrong for e in each)
    checks, own = sum(len(e.checks) for e in each), sum(len(e.own) for e in each)
    lines = [
        "",
        f"{count(len(each), 'exercise')}, {right} right and {wrong} wrong files; {count(checks, 'check')}, {own} of "
        "them with a wrong file of their own.",
        f"The misconception was named for {proof.accuracy:.1%} of the wrong files.",
    ]
    if proof.mistakes:
        excused = f", {len(proof.excused)} left out with a reason" if proof.excused else ""
        lines.append(f"{len(proof.covered)} of {proof.mistakes} mistakes covered{excused}.")
    problems = sum(len(e.problems) for e in each) + len(proof.problems)
    lines.append(f"{count(problems, 'thing')} to mend." if problems else "Everything holds.")
    return "\n".join(lines)


def _show_quizzes(proof: QuizProof) -> None:
    for problem in proof.problems:
        click.echo(plain(problem, 600))
    for doubt in proof.doubts:
        click.echo(f"warning: {plain(doubt, 400)}")
    click.echo(
        f"{proof.quizzes} quizzes, {count(proof.questions, 'question')}; {count(len(proof.proved), 'key')} proved by "
        f"{count(proof.scenarios, 'run')}; {count(len(proof.doubts), 'warning')}, "
        f"{count(len(proof.problems), 'thing')} to mend."
    )


__all__ = ["author_command"]
