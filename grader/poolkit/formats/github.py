"""GitHub Actions workflow commands: an annotation for each failed check, at most ten of each level.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolkit.events import Location
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


def render(reports: Sequence[Report]) -> str:
    """Return the annotations, and a notice with each exercise's points."""
    errors = [line for report in reports for line in _errors(report)]
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
        for report in reports[:MOST]
    ]
    return "\n".join([*errors, *notices]) + "\n"


def summary(reports: Sequence[Report]) -> str:
    """Return a Markdown table for `$GITHUB_STEP_SUMMARY`."""
    lines = ["| exercise | check | points | what happened |", "|---|---|---|---|"]
    for report in reports:
        if report.error:
            lines.append(f"| {report.exercise} | ❌ did not run | 0 | {_cell(str(report.error))} |")
        for check in report.checks:
            sign = _SIGNS[check.status]
            points = f"{check.points}/{check.max_points}"
            lines.append(f"| {report.exercise} | {sign} {_cell(check.title)} | {points} | {_cell(check.happened)} |")
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
