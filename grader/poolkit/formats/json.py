"""JSON, version 1, as docs/report.md describes it: an object for one exercise, or one that holds several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from poolkit.events import Event
from poolkit.quiz.formats import json as quiz_json
from poolkit.quiz.result import Folder, HandedIn
from poolkit.report import AppError, CheckReport, Report, exit_code

VERSION = 1


def render(reports: Sequence[Report], quizzes: Folder | None = None) -> str:
    """Return one report as an object; several, or any with quizzes, as an object with `exercises`."""
    if len(reports) == 1 and quizzes is None:
        found = {"poolkit_report": VERSION, **_report(reports[0])}
    else:
        found = {
            "poolkit_report": VERSION,
            "exit_code": max(exit_code(reports), quizzes.exit_code if quizzes else 0),
            "points": sum(report.points for report in reports),
            "max_points": sum(report.max_points for report in reports),
            "exercises": [_report(report) for report in reports],
        }
        if quizzes is not None:
            found["quizzes"] = _quizzes(quizzes)
    return json.dumps(found, indent=2) + "\n"


def event(row: Event) -> dict[str, Any]:
    """Return a row of the ledger as JSON has it."""
    return {
        "seq": row.seq,
        "at_s": round(row.at, 6),
        "kind": row.kind,
        "connection": row.connection,
        "request": row.request,
        "detail": row.detail,
        "total": row.state.total,
        "free": row.state.free,
        "borrowed": row.state.borrowed,
        "waiting": row.state.waiting,
        "file": row.where.file if row.where else None,
        "line": row.where.line if row.where else None,
    }


def _quizzes(quizzes: Folder) -> dict[str, Any]:
    return {
        "points": quiz_json.rounded(quizzes.points),
        "max_points": quizzes.max_points,
        "answers": [_handed_in(each) for each in quizzes.files],
    }


def _handed_in(file: HandedIn) -> dict[str, Any]:
    return {
        "path": file.path,
        "status": file.status.value,
        "counts": file.counts,
        "problem": file.problem or None,
        "result": quiz_json.document(file.result) if file.result else None,
    }


def _report(report: Report) -> dict[str, Any]:
    return {
        "exercise": report.exercise,
        "title": report.title,
        "path": report.path,
        "status": report.status.value,
        "points": report.points,
        "max_points": report.max_points,
        "seed": report.seed,
        "assurance": {
            "level": report.assurance.level,
            "layers": list(report.assurance.layers),
            "missing": list(report.assurance.missing),
        },
        "duration_s": round(report.duration_s, 4),
        "error": _error(report.error),
        "fault": report.grader_fault,
        "checks": [_check(check) for check in report.checks],
    }


def _check(check: CheckReport) -> dict[str, Any]:
    return {
        "id": check.id,
        "title": check.title,
        "status": check.status.value,
        "points": check.points,
        "max_points": check.max_points,
        "expected": check.expected or None,
        "happened": check.happened or None,
        "why": check.why or None,
        "misconception": check.misconception,
        "deciding": check.deciding,
        "ledger": [event(row) for row in check.ledger],
        "borrowed_at": [{"file": at.file, "line": at.line, "text": at.text} for at in check.borrowed_at],
        "error": _error(check.error),
        "output": check.output or None,
        "needs": list(check.needs),
        "lesson": check.lesson or None,
        "quiz": check.quiz or None,
        "duration_s": round(check.duration_s, 4),
    }


def _error(error: AppError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "file": error.where.file if error.where else None,
        "line": error.where.line if error.where else None,
    }
