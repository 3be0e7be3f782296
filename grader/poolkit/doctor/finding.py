"""What somebody who looks at a machine finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

VERSION = 1


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """The kit works, and something is slower, weaker or harder to read than it could be."""
    PROBLEM = "problem"
    """The kit does not work, or its verdicts could be wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was found, and what to do about it where it is not as it should be."""

    name: str
    level: Level
    found: str
    remedy: str = ""


def fine(name: str, found: str) -> Finding:
    """Return a finding that needs no remedy."""
    return Finding(name, Level.OK, found)


Look = Callable[[], Iterator[Finding]]


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether the kit works here."""
    return all(finding.level is not Level.PROBLEM for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """Return findings for a program."""
    rows = [
        {"name": each.name, "level": each.level.value, "found": each.found, "remedy": each.remedy or None}
        for each in findings
    ]
    return json.dumps({"poolkit_doctor": VERSION, "healthy": healthy(findings), "findings": rows}, indent=2) + "\n"
