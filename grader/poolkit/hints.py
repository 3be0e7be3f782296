"""Chooses the hint that fits: the ladder of what the last check has found, then the ladder for everybody."""

from __future__ import annotations

from dataclasses import dataclass

from poolkit.course import Exercise
from poolkit.errors import UsageFault
from poolkit.progress import Last
from poolkit.report import Status


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint, the `number`-th of `of`; `about` is the misconception that it is for, "" when it is for everybody."""

    text: str
    number: int
    of: int
    about: str = ""

    @property
    def is_last(self) -> bool:
        """Whether there is none after it."""
        return self.number == self.of


def ladder(exercise: Exercise, last: Last | None) -> tuple[Hint, ...]:
    """Return an exercise's hints in order.

    Args:
        last: what the last check found; the hints on its misconception, where there are any, come first.
    """
    about = last.misconception if last and last.misconception in exercise.about.ladders else None
    texts = [(text, about) for text in exercise.about.ladders[about]] if about else []
    texts += [(text, "") for text in exercise.about.hints]
    return tuple(Hint(text.rstrip(), number, len(texts), name) for number, (text, name) in enumerate(texts, 1))


def choose(exercise: Exercise, last: Last | None, level: int | None = None) -> Hint:
    """Return the hint at a level, or the one after those that were shown since the last check changed.

    Raises:
        UsageFault: there is no such level.
    """
    hints = ladder(exercise, last)
    if level is None:
        shown = last.hints if last and last.status is not Status.PASS else 0
        return hints[min(shown, len(hints) - 1)]
    if level > len(hints):
        raise UsageFault(f"{exercise.id} has {len(hints)} hints; --level takes 1 to {len(hints)}")
    return hints[level - 1]
