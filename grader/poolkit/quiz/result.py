"""What came of answering a quiz: the one thing that every format of it renders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from poolkit.report import Status


class Outcome(StrEnum):
    """How one question came out."""

    RIGHT = "right"
    PARTLY = "partly"
    WRONG = "wrong"
    SKIPPED = "skipped"
    """Not answered: earns nothing, and is not wrong."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What is said of something that was answered, chosen or left out: `about` is its text.

    `misconception` is the id that it shares with exercises, where there is one.
    """

    about: str
    text: str
    misconception: str | None = None


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """One question's outcome. `fraction` is what the answer is worth, exactly, from 0 to 1.

    `given` and `key` are the answer and the right one in words, a text for each choice or item; `step` is the row of
    a recorded run that shows it, in words.
    """

    id: str
    prompt: str
    outcome: Outcome
    fraction: Fraction
    max_points: int
    given: tuple[str, ...]
    key: tuple[str, ...]
    feedback: tuple[Feedback, ...] = ()
    explanation: str = ""
    step: str = ""
    hints: int = 0
    confidence: str | None = None

    @property
    def points(self) -> Fraction:
        """What was earned, exactly."""
        return self.fraction * self.max_points

    @property
    def misconceptions(self) -> tuple[str, ...]:
        """The misconceptions that the answer shows."""
        return tuple(dict.fromkeys(each.misconception for each in self.feedback if each.misconception))


@dataclass(frozen=True, slots=True)
class Result:
    """A quiz's outcome. `pass_mark` is the share of the points that passes, `seed` that of the choices' order."""

    quiz: str
    title: str
    questions: tuple[QuestionResult, ...]
    pass_mark: Fraction
    seed: int | None = None

    @property
    def points(self) -> Fraction:
        """What was earned, exactly."""
        return sum((question.points for question in self.questions), Fraction(0))

    @property
    def max_points(self) -> int:
        """What could be earned."""
        return sum(question.max_points for question in self.questions)

    @property
    def score(self) -> Fraction:
        """The share of the points that was earned, from 0 to 1."""
        return self.points / self.max_points

    @property
    def passed(self) -> bool:
        """Whether the score is at or above the pass mark; 7 of 10 points are at 0.7."""
        return self.score >= self.pass_mark

    @property
    def exit_code(self) -> int:
        """What a command that scores ends with: 0 at or above the pass mark, 1 below it."""
        return 0 if self.passed else 1

    def count(self, outcome: Outcome) -> int:
        """How many questions came out so."""
        return sum(question.outcome is outcome for question in self.questions)


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A file of answers that was handed in: its result, or the `problem` that left it without one.

    `path` is the file as its owner would name it; `at_fault` says that the quiz is broken and not the file. Of several
    files for one quiz only one `counts`.
    """

    path: str
    result: Result | None = None
    problem: str = ""
    at_fault: bool = False
    counts: bool = True

    @property
    def status(self) -> Status:
        """`pass`, `fail` below the pass mark, `error` when the file is broken, `grader_fault` when the quiz is."""
        if self.result is None:
            return Status.GRADER_FAULT if self.at_fault else Status.ERROR
        return Status.PASS if self.result.passed else Status.FAIL


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of answers, scored. Its points are those of the files that count."""

    files: tuple[HandedIn, ...]

    @property
    def counted(self) -> tuple[Result, ...]:
        """The results that count."""
        return tuple(each.result for each in self.files if each.result is not None and each.counts)

    @property
    def points(self) -> Fraction:
        """What was earned, exactly."""
        return sum((result.points for result in self.counted), Fraction(0))

    @property
    def max_points(self) -> int:
        """What could be earned."""
        return sum(result.max_points for result in self.counted)

    @property
    def exit_code(self) -> int:
        """3 when a quiz is broken, else 2 when a file is, else 1 when what counts is below a pass mark, else 0."""
        found = {each.status for each in self.files}
        if Status.GRADER_FAULT in found:
            return 3
        if Status.ERROR in found:
            return 2
        return 0 if all(result.passed for result in self.counted) else 1


def number(value: Fraction) -> str:
    """Return points as people write them: `1`, `0.5`, `0.33`."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")
