"""The solutions that prove a suite: the stub, the reference, the right ways and the wrong ones.

A right or wrong file says what it is in a header, a comment at its top, a field a line:

    # misconception: never-returned              # right: an iterator, read to its end
    # caught by: returns-the-connection
    # fails too: pool-of-one, shows-changes
    # mistake: 14

`misconception` is an id of exercise.yaml, `caught by` the check that must name it, `fails too` every other check that
fails, `mistake` a number of the course's solutions/mistakes.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from poolkit.course import Course, Exercise
from poolkit.errors import CourseFault

_FIELDS = {"right": {"right"}, "wrong": {"misconception", "caught by", "fails too", "mistake"}}
_HEADER = re.compile(r"(?:# [a-z ]+: .*\n)*")


class Kind(StrEnum):
    """What a solution is there to show."""

    STUB = "stub"
    REFERENCE = "reference"
    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True)
class Solution:
    """One file, and what its header says of it.

    `fails` are the checks that it must fail, no more and no less, the first being the one that names its
    `misconception`. `mistakes` are numbers of the course's list.
    """

    exercise: str
    path: Path
    kind: Kind
    misconception: str = ""
    fails: tuple[str, ...] = ()
    mistakes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return self.kind if self.kind in (Kind.STUB, Kind.REFERENCE) else f"{self.kind}/{self.path.name}"


def solutions(exercise: Exercise) -> list[Solution]:
    """Return an exercise's stub, reference, right and wrong files, in that order.

    Raises:
        CourseFault: a header is malformed.
    """
    found = [
        Solution(exercise.id, exercise.stub, Kind.STUB),
        Solution(exercise.id, exercise.reference, Kind.REFERENCE),
    ]
    for kind in (Kind.RIGHT, Kind.WRONG):
        found += [_read(exercise, path, kind) for path in sorted((exercise.solutions / kind).glob("*.py"))]
    return found


def every(course: Course) -> Iterator[Solution]:
    """Go through the solutions of all exercises."""
    for name in course.ids:
        yield from solutions(course.exercise(name))


def _read(exercise: Exercise, path: Path, kind: Kind) -> Solution:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseFault(f"{path}: {error}; a solution is Python in UTF-8") from None
    header = _HEADER.match(text)
    fields = dict(line[2:].split(": ", 1) for line in header.group().splitlines()) if header else {}
    for name in fields.keys() - _FIELDS[kind]:
        raise CourseFault(f"{path}: `# {name}: ` is no field of a {kind} solution's header; remove it")
    needed = ("right",) if kind is Kind.RIGHT else ("misconception", "caught by")
    for name in needed:
        if not fields.get(name, "").strip():
            raise CourseFault(f"{path}: its header lacks `# {name}: ...`; add it as one of the first lines")
    numbers = _listed(fields.get("mistake", ""))
    if not all(number.isdecimal() for number in numbers):
        raise CourseFault(f"{path}: `# mistake: {fields['mistake']}` holds more than numbers; write `# mistake: 14`")
    return Solution(
        exercise.id,
        path,
        kind,
        misconception=fields.get("misconception", "").strip(),
        fails=(*_listed(fields.get("caught by", "")), *_listed(fields.get("fails too", ""))),
        mistakes=tuple(map(int, numbers)),
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
