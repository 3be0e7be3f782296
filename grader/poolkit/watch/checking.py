"""Keeps the verdict that is shown about what is saved: a save during a check throws that check away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from poolkit.course import Exercise
from poolkit.errors import PoolkitError
from poolkit.report import Report
from poolkit.watch import views
from poolkit.watch.grading import Grader
from poolkit.watch.place import Place
from poolkit.watch.saves import Marks, look

GRACE = 0.15
"""Seconds that a file may be away, as when an editor puts a new one in its place."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to: the text, a line below it, and where there is one the report, with the file checked."""

    text: str
    line: str = ""
    report: Report | None = None
    source: bytes | None = None


class Checking:
    """Checks one exercise at a time, whenever its folder has changed.

    Args:
        exercise: the first one.
        live: whether the learner can press keys.
        begun: called when a check begins.
        settled: called with each verdict that is about what is there now.
    """

    def __init__(
        self,
        place: Place,
        grader: Grader,
        exercise: Exercise,
        *,
        live: bool,
        begun: Callable[[], None],
        settled: Callable[[Verdict], None],
    ) -> None:
        self.exercise = exercise
        self.running = False
        """Whether a verdict is on its way."""
        self._place = place
        self._grader = grader
        self._live = live
        self._begun = begun
        self._settled = settled
        self._marks: Marks | None = None
        self._wanted = asyncio.Event()

    def look(self) -> None:
        """Check again if anything was saved since the last look."""
        if self._now() != self._marks:
            self.again()

    def again(self) -> None:
        """Forget the check that runs, and check what is there now."""
        self._marks = self._now()
        self._grader.halt()
        self._wanted.set()
        self.running = True
        self._begun()

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            marks = self._marks
            verdict = await self._check(self.exercise)
            if self._wanted.is_set():
                continue
            if self._now() != marks:  # saved again, and nobody has told yet
                self.again()
            elif verdict is not None:
                self.running = False
                self._settled(verdict)

    def _now(self) -> Marks:
        return look(self._place.workspace.folder(self.exercise.id))

    async def _check(self, exercise: Exercise) -> Verdict | None:
        """Return the verdict on what is there; None when the check was thrown away."""
        head = views.heading(exercise, self._place.shown(exercise))
        try:
            source = self._place.file(exercise).read_bytes()
        except OSError as error:
            await asyncio.sleep(GRACE)
            return Verdict(f"{head}\n{views.missing(exercise, error.strerror or '', live=self._live)}")
        try:
            report = await self._grader.check(exercise, self._place.submission(exercise))
        except PoolkitError as fault:
            return Verdict(f"{head}\n{views.failed(str(fault))}")
        return Verdict(views.report(report), report=report, source=source) if report else None
