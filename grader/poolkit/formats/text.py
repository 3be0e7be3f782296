"""What a person reads in a terminal: the first failure in full, the rest a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from poolkit.advice import advice
from poolkit.events import Event
from poolkit.quiz.result import Folder, HandedIn, number
from poolkit.report import AppError, CheckReport, Report, Status
from poolkit.text import count, plain, plain_lines

WIDTH = 78
_PRINTED_LINES = 8
"""How many lines are shown of what the learner's code printed."""

_SIGNS = {
    Status.PASS: ("✓", "green"),
    Status.FAIL: ("✗", "red"),
    Status.NOT_REACHED: ("·", "bright_black"),
    Status.ERROR: ("✗", "red"),
    Status.TAMPERING: ("!", "yellow"),
    Status.GRADER_FAULT: ("?", "yellow"),
}


def render(reports: Sequence[Report], quizzes: Folder | None = None) -> str:
    """Return every report; after several, a line for each and their sum; then the quizzes and theirs."""
    parts = ["\n".join(_report(report)) for report in reports]
    if len(reports) > 1:
        parts.append("\n".join(_table(reports)))
    if quizzes is not None:
        parts.append("\n".join(_quizzes(quizzes)))
    return "\n\n".join(parts) + "\n"


def _report(report: Report) -> Iterator[str]:
    yield f"{click.style(report.exercise, bold=True)}  {report.title}"
    yield click.style(plain(report.path), fg="bright_black")
    yield ""
    if report.grader_fault:
        yield from _fault(report.grader_fault)
    if report.error:
        yield from _never_ran(report)
    else:
        for check in report.checks:
            yield from _check(check)
        if any(check.status is Status.NOT_REACHED for check in report.checks):
            yield click.style("  · not reached: it needs a check that did not pass", fg="bright_black")
        if (failure := report.first_failure) and failure.status is not Status.GRADER_FAULT:
            yield ""
            yield from _explanation(report, failure)
    yield ""
    yield _sum(report)


def _check(check: CheckReport) -> Iterator[str]:
    sign, colour = _SIGNS[check.status]
    points = f"{check.points}/{check.max_points}"
    first, *rest = _wrapped(check.title, WIDTH - 11)
    title = "\n".join([first, *(f"{'':11}{line}" for line in rest)])
    reached = check.status is not Status.NOT_REACHED
    yield f"  {click.style(sign, fg=colour)} {points:>5}  {title if reached else click.style(title, fg='bright_black')}"


def _explanation(report: Report, check: CheckReport) -> Iterator[str]:
    yield click.style(f"  {check.title}", bold=True)
    yield ""
    if check.error:
        yield from _raised(check.error)
        yield ""
    yield from _field("Expected", check.expected)
    yield from _field("Happened", check.happened)
    if check.status is Status.TAMPERING:
        yield from _field("Note", "This is for a person to look at. It does not say that anybody did it on purpose.")
    if check.ledger:
        yield ""
        yield from _ledger(check)
    for where in check.borrowed_at:
        yield ""
        yield from _field("Borrowed at", f"{where}   {where.text}")
    if check.why:
        yield ""
        yield from _field("Why it hurts", check.why)
    if check.output.strip():
        yield ""
        yield "  Your code printed"
        yield from _printed(check.output)
    yield ""
    if check.lesson:
        yield from _field("Read", f"lesson.md#{check.lesson}")
    if check.quiz:
        yield from _field("Ask yourself", f"poolkit quiz take {check.quiz.partition('.')[0]}")
    yield from _field("Next", f"poolkit hint {report.exercise}")


def _raised(error: AppError) -> Iterator[str]:
    """The learner's own exception, which explains more than anything that followed from it."""
    said = f"{error.type}: {error.message}" if error.type and error.message else error.type or error.message
    yield from _field("Raised", said)
    if error.where:
        yield from _field("", f"{error.where}   {error.where.text}")
    if more := advice(error):
        yield from _field("", more)


def _ledger(check: CheckReport) -> Iterator[str]:
    yield click.style(f"  {'':2}{'row':>4} {'ms':>7}  {'event':<10} {'conn':>4} {'free':>7}  ", fg="bright_black")
    previous = None
    for row in check.ledger:
        if previous is not None and row.seq > previous + 1:
            yield click.style(f"  {'':2}{'…':>4}", fg="bright_black")
        previous = row.seq
        yield _row(row, deciding=row.seq == check.deciding)


def _row(row: Event, *, deciding: bool) -> str:
    connection = "" if row.connection is None else str(row.connection)
    free = f"{row.state.free} of {row.state.total}"
    head = f"{'> ' if deciding else '  '}{row.seq:>4} {row.at * 1000:>7.1f}  {row.kind:<10} {connection:>4} {free:>7}"
    text = f"  {head}  {plain(detail(row), WIDTH - 42)}".rstrip()
    return click.style(text, bold=True) if deciding else text


def detail(row: Event) -> str:
    """Return what a row of the ledger says beside its numbers."""
    asked = f"request {row.request}" if row.request else ""
    if row.kind == "borrow":
        return ", ".join(part for part in (asked, str(row.where) if row.where else "") if part)
    if row.kind in ("request", "response"):
        return f"{asked}: {row.detail}"
    if row.kind == "done":
        return f"{asked} is over"
    if row.kind == "return" and row.in_transaction:
        return "with an open transaction"
    if row.kind == "open" and not row.pooled:
        return f"{row.detail}, outside a pool"
    return row.detail


def _field(name: str, text: str) -> Iterator[str]:
    lines = _wrapped(plain(text), WIDTH - 17)
    yield f"  {click.style(f'{name:<13}', fg='cyan')}{lines[0]}"
    for line in lines[1:]:
        yield f"  {'':13}{line}"


def _printed(output: str) -> Iterator[str]:
    import textwrap

    for line in plain_lines(output, _PRINTED_LINES):
        text = line.lstrip()
        indent = " " * (4 + min(len(line) - len(text), 20))
        parts = textwrap.wrap(
            text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
        )
        yield from (click.style(part, fg="bright_black") for part in parts or [""])


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _never_ran(report: Report) -> Iterator[str]:
    assert report.error is not None
    where = f"{report.error.where}: " if report.error.where else ""
    said = f"{report.error.type}: {report.error.message}" if report.error.type else report.error.message
    sign, colour = _SIGNS[Status.ERROR]
    yield f"  {click.style(sign, fg=colour)} Your file did not run, so nothing could be checked."
    yield f"    {plain(where + said)}"
    if report.error.where and report.error.where.text:
        yield f"    {report.error.where.line:>5} | {plain(report.error.where.text)}"
    if said := advice(report.error):
        yield from (f"    {line}" for line in _wrapped(said, WIDTH - 4))
    if report.output.strip():
        yield "  It printed"
        yield from _printed(report.output)


def _fault(fault: str) -> Iterator[str]:
    yield click.style("  The grader failed, not your code; no points are lost. Run it again.", fg="yellow")
    yield f"    {plain(fault)}"
    yield ""


def _sum(report: Report) -> str:
    _, colour = _SIGNS[report.status]
    points = click.style(f"{report.points} of {report.max_points} points", fg=colour, bold=True)
    details = f"in {report.duration_s:.2f} s, seed {report.seed}"
    missing = report.assurance.missing
    sandbox = f", sandbox without {', '.join(missing)}" if missing else ""
    return f"  {points}  {click.style(details + sandbox, fg='bright_black')}"


def _table(reports: Sequence[Report]) -> Iterator[str]:
    width = max(len(report.exercise) for report in reports)
    for report in reports:
        sign, colour = _SIGNS[report.status]
        points = f"{report.points}/{report.max_points}"
        yield f"  {click.style(sign, fg=colour)} {report.exercise:<{width}}  {points:>6}  {report.title}"
    passed = sum(report.status is Status.PASS for report in reports)
    earned = sum(report.points for report in reports)
    most = sum(report.max_points for report in reports)
    yield f"  {passed} of {count(len(reports), 'exercise')} passed, {earned} of {most} points"


def _quizzes(quizzes: Folder) -> Iterator[str]:
    yield click.style("  Quizzes", bold=True)
    for file in quizzes.files:
        yield from _handed_in(file)
    counted = quizzes.counted
    passed = sum(result.passed for result in counted)
    points = f"{number(quizzes.points)} of {quizzes.max_points} points, apart from those of the exercises"
    yield f"  {passed} of {count(len(counted), 'quiz', 'quizzes')} passed, {points}"


def _handed_in(file: HandedIn) -> Iterator[str]:
    sign, colour = _SIGNS[file.status if file.counts else Status.NOT_REACHED]
    result, head = file.result, f"  {click.style(sign, fg=colour)} "
    if result is None:
        whose = "The quiz is broken, not your file: " if file.at_fault else ""
        first, *rest = _wrapped(plain(whose + file.problem), WIDTH - 4)
        yield from (head + first, *(f"    {line}" for line in rest))
        return
    points = f"{number(result.points)}/{result.max_points}"
    yield f"{head}{result.quiz:<20} {points:>7}  {plain(result.title, WIDTH - 33)}"
    if not file.counts:
        yield from _dim(f"{file.path}: does not count, as another file did as well or better")
    elif not result.passed:
        yield from _dim(f"{float(result.pass_mark) * 100:g} % of the points pass; what was wrong:")
        # In one piece, so that it can be copied.
        yield click.style(f"    poolkit quiz score {result.quiz} --answers {plain(file.path)}", fg="bright_black")


def _dim(text: str) -> Iterator[str]:
    yield from (click.style(f"    {line}", fg="bright_black") for line in _wrapped(plain(text), WIDTH - 4))
