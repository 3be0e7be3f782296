"""Recorded runs that questions point at: `quizzes/scenarios/<name>.json`, written by `poolkit trace --format json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from poolkit.errors import QuizFault
from poolkit.quiz.model import TraceStep

MAX_BYTES = 1 << 20


class _Pool(BaseModel):
    total: int
    free: int


class _Step(BaseModel):
    step: int
    event: str
    pool: _Pool
    action: str
    result: str


class _File(BaseModel):
    poolkit_trace: int = Field(ge=1, le=1)
    steps: list[_Step]


@dataclass(frozen=True, slots=True)
class Row:
    """One step of a recorded run, in words."""

    step: int
    event: str
    pool: str
    action: str
    result: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.event}; {self.pool}; {self.action}; {self.result}"


def exists(folder: Path, name: str) -> bool:
    """Whether a scenario has a recorded run, or at least code that can be run, below the quizzes' folder."""
    return any((folder / "scenarios" / f"{name}{suffix}").is_file() for suffix in (".json", ".py"))


def rows(folder: Path, name: str) -> list[Row]:
    """Return the steps of a scenario's recorded run; none when it was not recorded.

    Raises:
        QuizFault: the recording cannot be read.
    """
    path = folder / "scenarios" / f"{name}.json"
    if not path.is_file():
        return []
    again = "write it again with `poolkit trace EXERCISE --solution --format json`"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise QuizFault(f"{path}: over {MAX_BYTES} bytes; {again}")
        found = _File.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, ValidationError):
        raise QuizFault(f"{path}: not a recorded run; {again}") from None
    return [
        Row(
            each.step,
            each.event,
            f"{each.pool.free} of {each.pool.total} free" if each.pool.total else "empty",
            each.action,
            each.result,
        )
        for each in found.steps
    ]


def row(folder: Path, at: TraceStep | None) -> Row | None:
    """Return the step that a question points at, if it was recorded."""
    if at is None:
        return None
    return next((each for each in rows(folder, at.scenario) if each.step == at.step), None)
