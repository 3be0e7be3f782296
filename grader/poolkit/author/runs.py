"""Grades many solutions on all cores, each core with a warm process of its own."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from poolkit.author.solutions import Solution
from poolkit.course import Course, Exercise
from poolkit.judge.host import Host
from poolkit.judge.runner import grade, start_host
from poolkit.judge.submission import locate
from poolkit.lab.host import end_with_parent
from poolkit.report import Report


def grade_all(
    course: Course, solutions: Sequence[Solution], *, seed: int, workers: int | None = None
) -> Iterator[tuple[Solution, Report]]:
    """Grade solutions of a course, of every exercise some at a time; return them in the order in which they are done.

    Some exercises' runs mostly wait, others' mostly work: mixed, they keep the cores busy to the end.

    Args:
        workers: how many processes; two for each core and one more when not given, for a run often waits.

    Raises:
        PoolkitError: an exercise or the machine is broken.
    """
    count = max(1, min(workers or 2 * (os.cpu_count() or 1) + 1, len(solutions)))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=begin) as pool:
        futures = {pool.submit(_grade, course.root, solution, seed): solution for solution in _mixed(solutions)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _mixed(solutions: Sequence[Solution]) -> list[Solution]:
    """Return them so that each exercise is spread evenly from the beginning to the end."""
    total = Counter(solution.exercise for solution in solutions)
    seen: Counter[str] = Counter()
    place: dict[Path, float] = {}
    for solution in solutions:
        place[solution.path] = seen[solution.exercise] / total[solution.exercise]
        seen[solution.exercise] += 1
    return sorted(solutions, key=lambda solution: place[solution.path])


# In a worker process, which serves one course; the warm process ends when its worker does.


def begin() -> None:
    """Let a worker process end with the command that began it, and only then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command's own process ends this one
    end_with_parent()


@cache
def _host(root: Path) -> Host:
    return start_host(Course(root))


@cache
def _exercise(root: Path, name: str) -> Exercise:
    return Course(root).exercise(name)


def _grade(root: Path, solution: Solution, seed: int) -> Report:
    exercise = _exercise(root, solution.exercise)
    return grade(_host(root), exercise, locate(solution.path, exercise.file_name), seed=seed, ahead=False)
