"""GitHub Actions workflow commands: an annotation for each failed check, at most ten of each level.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolkit.events import Location
from poolkit.quiz.result import Folder, HandedIn, number
from poolkit.report import CheckReport, Report, Status
from poolkit.text import count, plain

MOST = 10
MAX_SUMMARY = 1 << 20

_SIGNS = {
    Status.PASS: "✅",
    Status.FAIL: "❌",
    Status.NOT_REACHED: "⏸️",
    Status.ERROR: "❌",
    Status.TAMPERING: "⚠️",
    Status.GRADER_FAULT: "⚠️",
}


def render(reports: Sequence[Report], quizzes: Folder | None = None) -> str:
    """Return the annotations, and a notice with each exercise's points and those of the quizzes."""
    errors = [line for report in reports for line in _errors(report)]
    errors += [line for file in (quizzes.files if quizzes else ()) for line in _of_answers(file)]
    if len(errors) > MOST:
        left = len(errors) - MOST + 1
        errors = [
            *errors[: MOST - 1],
            _command("error", f"… and {count(left, 'more failure')}", "poolkit", None, None),
        ]
    notices = [
        _command(
            "notice",
            f"{report.points} of {report.max_points} points ({report.status.value})",
            f"{report.exercise}: {report.title}",
            report.path,
            None,
        )
        for report in reports[: MOST if quizzes is None else MOST - 1]
    ]
    if quizzes is not None:
        notices.append(_command("notice", f"{_points(quizzes)} points", "quizzes", None, None))
    return "\n".join([*errors, *notices]) + "\n"


def summary(reports: Sequence[Report], quizzes: Folder | None = None) -> str:
    """Return Markdown tables for `$GITHUB_STEP_SUMMARY`."""
    lines = ["| exercise | check | points | what happened |", "|---|---|---|---|"]
    for report in reports:
        if report.error:
            lines.append(f"| {report.exercise} | ❌ did not run | 0 | {_cell(str(report.error))} |")
        for check in report.checks:
            sign = _SIGNS[check.status]
            points = f"{check.points}/{check.max_points}"
            lines.append(f"| {report.exercise} | {sign} {_cell(check.title)} | {points} | {_cell(check.happened)} |")
    if quizzes is not None:
        lines += ["", "| quiz | points | file |", "|---|---|---|", *map(_line, quizzes.files)]
    text = "\n".join(lines) + "\n"
    return text if len(text.encode()) <= MAX_SUMMARY else text.encode()[:MAX_SUMMARY].decode(errors="ignore")


def _errors(report: Report) -> Iterator[str]:
    title = f"{report.exercise}: {report.title}"
    if report.grader_fault:
        yield _command("error", f"the grader failed, not your code: {report.grader_fault}", title, None, None)
    if report.error:
        yield _command("error", str(report.error), title, report.path, report.error.where)
    for check in report.checks:
        if check.status in (Status.FAIL, Status.TAMPERING):
            where = check.borrowed_at[0] if check.borrowed_at else check.error.where if check.error else None
            yield _command(
                "error",
                f"{check.happened} Expected: {check.expected}",
                _title(report, check),
                report.path,
                where,
            )


def _of_answers(file: HandedIn) -> Iterator[str]:
    if file.result is None:
        yield _command("error", file.problem, "quizzes", file.path, None)
    elif file.counts and not file.result.passed:
        result = file.result
        mark = f"{float(result.pass_mark) * 100:g} %"
        said = f"{number(result.points)} of {result.max_points} points; {mark} of them pass"
        yield _command("error", said, f"quiz {result.quiz}: {result.title}", file.path, None)


def _line(file: HandedIn) -> str:
    sign, result = _SIGNS[file.status], file.result
    if result is None:
        return f"| {sign} | 0 | {_cell(file.problem)} |"
    counts = "" if file.counts else ", does not count"
    return (
        f"| {sign} {_cell(result.title)} | {number(result.points)}/{result.max_points}{counts} | {_cell(file.path)} |"
    )


def _points(quizzes: Folder) -> str:
    return f"{number(quizzes.points)} of {quizzes.max_points}"


def _title(report: Report, check: CheckReport) -> str:
    return f"{report.exercise}: {check.title}"


def _command(level: str, message: str, title: str, path: str | None, where: Location | None) -> str:
    properties = {"title": title}
    if path:
        properties = {"file": path, "line": str(where.line if where else 1), **properties}
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {shown}::{_data(plain(message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(plain(text)).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    escaped = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return escaped.replace("`", "\\`").replace("[", "\\[")
