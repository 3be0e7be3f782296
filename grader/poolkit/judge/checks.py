"""How a hidden suite states a check and its failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from poolkit.events import Event
from poolkit.report import AppError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class CheckInfo:
    """What a check says of itself.

    `needs` are the ids of checks without which it makes no sense; `lesson` the heading in the exercise's lesson.md
    that explains it, and `quiz` the id of the question that asks about it, where there is one.
    """

    id: str
    title: str
    points: int
    needs: tuple[str, ...]
    lesson: str = ""
    quiz: str = ""


def check(
    title: str, *, points: int = 1, needs: Sequence[str] = (), lesson: str = "", quiz: str = ""
) -> Callable[[F], F]:
    """Make a test function of a suite a check.

    Its id is the function's name, `test_returns_on_error` giving `returns-on-error`.

    Args:
        title: the behaviour, in a sentence that a learner reads.
        points: what it earns.
        needs: ids of checks that must have passed; otherwise this one is not reached.
        lesson: the heading in the exercise's lesson.md that explains the behaviour.
        quiz: the id of the quiz question that asks about it.
    """

    def mark(function: F) -> F:
        name = function.__name__.removeprefix("test_").replace("_", "-")
        function.check = CheckInfo(name, title, points, tuple(needs), lesson, quiz)  # type: ignore[attr-defined]
        return function

    return mark


class CheckFailed(Exception):
    """A behaviour does not hold. Everything in it is for the learner to read."""

    def __init__(
        self,
        expected: str,
        happened: str,
        *,
        misconception: str | None = None,
        at: Event | None = None,
        error: AppError | None = None,
    ) -> None:
        super().__init__(f"expected: {expected} happened: {happened}")
        self.expected = expected
        self.happened = happened
        self.misconception = misconception
        self.at = at
        self.error = error


class NeverRan(Exception):
    """The submission could not be imported, so no check can say anything."""

    def __init__(self, error: AppError) -> None:
        super().__init__(str(error))
        self.error = error


def expect(
    condition: bool,
    *,
    expected: str,
    happened: str,
    misconception: str | None = None,
    at: Event | None = None,
    error: AppError | None = None,
) -> None:
    """Fail the check unless a condition holds.

    Args:
        condition: what must be true.
        expected: the behaviour, in one sentence.
        happened: what the run showed instead, in numbers.
        misconception: the id, in exercise.yaml, of the mistake that the evidence points to.
        at: the ledger's row that decides; the last one when not given.
        error: the exception of the learner's that explains it.

    Raises:
        CheckFailed: the condition is false.
    """
    if not condition:
        raise CheckFailed(expected, happened, misconception=misconception, at=at, error=error)
