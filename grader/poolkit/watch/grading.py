"""Judges in a thread of its own, so that keys are obeyed meanwhile, and from one warm process after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from poolkit.course import Course, Exercise, private_folders
from poolkit.errors import GraderFault, HostFault, PoolkitError
from poolkit.judge.halt import Halt
from poolkit.judge.host import Host
from poolkit.judge.submission import Submission
from poolkit.report import AppError, Report
from poolkit.trace import Trace

if TYPE_CHECKING:
    from poolkit.judge.bench import Bench  # brings asyncio's and the database's modules, beside the first screen

REST = 0.1
"""Seconds after a verdict in which the machine is left to the terminal that shows it."""

T = TypeVar("T")


class Grader:
    """Checks and traces submissions, one job after the other.

    Args:
        host: the first warm process, whose owner ends it; those that take its place are ended by `close`.
    """

    def __init__(self, host: Host, course: Course) -> None:
        self._host = host
        self._course = course
        self._made: list[Host] = []
        self._bench: Bench | None = None
        self._halt = Halt()
        self._rest = asyncio.get_running_loop().call_later(0, lambda: None)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="poolkit-grader")

    async def check(self, exercise: Exercise, submission: Submission) -> Report | None:
        """Return the report of a submission; None when `halt` was called meanwhile.

        Raises:
            PoolkitError: the exercise or the machine is broken, or there is no submission any more.
        """
        halt = self._halt = Halt()
        self._rest.cancel()

        def grade() -> Report:
            from poolkit.judge.runner import grade

            bench = self._bench_of(exercise, submission)
            return grade(self._host, exercise, submission, halt=halt, bench=bench)

        report = await self._run(grade, halt)
        if report is None or halt.called:
            return None
        self._rest = asyncio.get_running_loop().call_later(REST, self._fill, len(report.checks))
        return report

    async def trace(self, exercise: Exercise, submission: Submission) -> Trace | AppError | None:
        """Return the trace of a submission, or why it never ran.

        Raises:
            PoolkitError: as for `check`.
        """

        def record() -> Trace | AppError:
            from poolkit.judge.tracer import record

            return record(self._host, exercise, submission)

        return await self._run(record, Halt())

    def halt(self) -> None:
        """End the check that runs, if one does: its report is not wanted any more."""
        self._halt.call()

    async def close(self) -> None:
        """End what runs, and the warm processes that were made here."""
        self.halt()
        self._rest.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        for host in self._made:
            host.close()

    async def _run(self, job: Callable[[], T], halt: Halt) -> T | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._attempt, job, halt)

    def _fill(self, wanted: int) -> None:
        """Fork the labs of the next check ahead of it, which is a third of what they cost."""
        self._thread.submit(self._prepare, wanted)

    # --- in the thread ---

    def _attempt(self, job: Callable[[], T], halt: Halt) -> T | None:
        """Do a job, once more when the warm process died under it; None when it was halted."""
        for last in (False, True):
            if halt.called:
                return None
            if not self._host.alive:
                self._renew()
            try:
                done = job()
            except PoolkitError:
                if halt.called:
                    return None
                if last or self._host.alive:
                    raise
            except OSError as error:
                # The folder changed while it was copied; if it did not, the learner should know.
                what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
                raise GraderFault(f"{what}; save the file again") from None
            else:
                # What the labs of a dead host look like is no verdict.
                if self._host.alive:
                    return done
        raise GraderFault("the process that runs your code died twice; is the machine out of memory?")

    def _renew(self) -> None:
        self._bench = None
        self._host = Host()
        self._made.append(self._host)
        self._host.forbid(private_folders(self._course))

    def _bench_of(self, exercise: Exercise, submission: Submission) -> Bench:
        from poolkit.judge.bench import Bench

        if self._bench is None or self._bench.exercise != exercise:
            if self._bench is not None:
                self._bench.close()
                self._bench = None
            self._bench = Bench(self._host, exercise, Path(submission.shown).name)
        return self._bench

    def _prepare(self, wanted: int) -> None:
        if self._bench is not None:
            with contextlib.suppress(HostFault):  # the next check finds it dead, and another one takes its place
                self._bench.spares.fill(wanted)


__all__ = ["Grader"]
