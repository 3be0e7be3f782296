"""Whether a verdict is always the same: with other seeds, and on a machine that has other work to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from poolkit.report import Report, Status

_SPIN = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""
"""Keeps a core busy, and ends with the process that began it, however that ends."""


@dataclass(frozen=True)
class Circumstances:
    """What a run was made under: its seed, and how many processes did nothing but keep the cores busy beside it."""

    seed: int
    load: int = 0

    def __str__(self) -> str:
        return f"seed {self.seed}" + (f" beside {self.load} busy processes" if self.load else "")


def circumstances(seed: int, seeds: int, load: int) -> list[Circumstances]:
    """Return the circumstances to run a file under: `seeds` seeds from `seed` on, and with a load all of them again."""
    loads = (0, load) if load else (0,)
    return [Circumstances(seed + number, each) for each in loads for number in range(seeds)]


@contextmanager
def busy(processes: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep the cores busy with so many processes until the block ends, or this process does."""
    loads = [subprocess.Popen([sys.executable, "-S", "-E", "-c", _SPIN, str(os.getpid())]) for _ in range(processes)]
    try:
        yield loads
    finally:
        for load in loads:
            load.kill()
        for load in loads:
            load.wait()


def what_changed(runs: Sequence[tuple[Circumstances, Report]]) -> str | None:
    """Say how a file's verdict, or the checks that it fails, differ between runs; None when they do not."""
    outcomes = [(each, _outcome(report)) for each, report in runs]
    (first, usual), *_ = outcomes
    others = [(each, outcome) for each, outcome in outcomes if outcome != usual]
    if not others:
        return None
    other, unusual = others[0]
    return f"{usual} with {first}, and {unusual} with {other}; {len(others)} of {len(runs)} runs differ from the first"


def _outcome(report: Report) -> str:
    if report.grader_fault:
        return f"the grader failed ({report.grader_fault})"
    if report.error:
        return f"did not run ({report.error.type})"
    failed = sorted(check.id for check in report.checks if check.status is Status.FAIL)
    if report.status is Status.FAIL and failed:
        return f"fails {', '.join(failed)}"
    return "passes" if report.status is Status.PASS else f"ends with {report.status.value!r}"
