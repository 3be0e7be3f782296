"""A run as JSON, version 1: docs/report.md."""

from __future__ import annotations

import json
from typing import Any

from poolkit.moments import Moment
from poolkit.timeline import Picture
from poolkit.trace import Trace, as_dicts

VERSION = 1


def render(picture: Picture) -> str:
    """Return the run as an object, with the reference's run in it where there is one."""
    moment = picture.mine.deciding
    found: dict[str, Any] = {"poolkit_trace": VERSION, **_trace(picture.mine.trace)}
    found["parting" if picture.names else "deciding"] = _moment(moment)
    if picture.names:
        found["reference"] = _trace(picture.runs[1].trace)
    return json.dumps(found, indent=2) + "\n"


def _trace(trace: Trace) -> dict[str, Any]:
    variables = {
        "step": [step.number for step in trace.steps],
        "free": [step.pool.free for step in trace.steps],
        "borrowed": [list(step.lent) or None for step in trace.steps],
    }
    return {
        "exercise": trace.exercise,
        "path": trace.path,
        "steps": as_dicts(trace.steps),
        "variables": variables,
        "borrowed_at": [{"file": at.file, "line": at.line} for at in trace.borrowed_at],
        "note": trace.note or None,
    }


def _moment(moment: Moment | None) -> dict[str, Any] | None:
    return {"step": moment.step, "row": moment.row, "text": moment.text} if moment else None
