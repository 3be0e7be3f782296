"""The learner's own files among those that a command checks: what came of them is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from poolkit.cli import _target
from poolkit.course import Course, Exercise
from poolkit.errors import WorkspaceFault
from poolkit.judge.submission import Submission
from poolkit.report import Report, exit_code
from poolkit.text import plain
from poolkit.workspace import Workspace


@dataclass(frozen=True)
class Own:
    """The exercises that are checked, their submissions, and the learner's own files among these, read before."""

    workspace: Workspace | None
    checked: tuple[tuple[Exercise, Submission], ...]
    sources: tuple[bytes | None, ...]


def own(exercises: Sequence[Exercise], submissions: Sequence[Submission]) -> Own:
    """Read the learner's own files before they are checked."""
    workspace = _target.here()
    checked = tuple(zip(exercises, submissions, strict=True))
    return Own(workspace, checked, tuple(_source(workspace, *pair) for pair in checked))


def remember(found: Own, reports: Sequence[Report]) -> None:
    """Remember what came of the learner's own files; what cannot be remembered is told and changes no verdict."""
    for (exercise, submission), source, report in zip(found.checked, found.sources, reports, strict=True):
        if found.workspace is None or source is None:
            continue
        # Saved during the check: nobody knows which of the two versions was checked.
        same = _source(found.workspace, exercise, submission) == source
        try:
            told = found.workspace.note(report, source if same else None, datetime.now(UTC))
        except WorkspaceFault as fault:
            told = str(fault)
        if told:
            click.echo(f"poolkit: {plain(told)}", err=True)


def after_pass(found: Own, reports: Sequence[Report], course: Course) -> None:
    """Say what comes after the pass of one exercise that is the learner's own."""
    if found.workspace is None or len(reports) != 1 or found.sources[0] is None or exit_code(reports) != 0:
        return
    from poolkit.afterwards import after
    from poolkit.cli._after import lines

    try:
        state = found.workspace.progress().read()
    except WorkspaceFault:
        # `remember` has told it.
        return
    for line in lines(after(course, found.checked[0][0], reports[0], state)):
        click.echo(line)


def _source(workspace: Workspace | None, exercise: Exercise, submission: Submission) -> bytes | None:
    return workspace.own(exercise, Path(submission.shown)) if workspace else None
