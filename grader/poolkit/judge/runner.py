"""Grades one submission of one exercise: a snapshot, labs, the hidden suite, a report."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio.pytest_plugin
import pytest

from poolkit.course import Course, Exercise, private_folders
from poolkit.errors import CourseFault, GraderFault
from poolkit.judge import plugin as plugin_module
from poolkit.judge.bench import Bench
from poolkit.judge.halt import Halt
from poolkit.judge.host import Host
from poolkit.judge.plugin import JudgePlugin
from poolkit.judge.process import LabPlan
from poolkit.judge.submission import Submission
from poolkit.lab.sandbox import LAYERS
from poolkit.report import AppError, Report

_CONFIG = Path(__file__).with_name("suite.ini")
_UNUSED_PLUGINS = (
    "cacheprovider",
    "doctest",
    "faulthandler",
    "junitxml",
    "logging",
    "pastebin",
    "setuponly",
    "setupplan",
    "stepwise",
    "subtests",
    "terminal",
    "terminalprogress",
    "threadexception",
    "unittest",
    "unraisableexception",
    "warnings",
)


def start_host(course: Course) -> Host:
    """Start a warm process for labs that may not read what a course keeps hidden."""
    host = Host()
    host.forbid(private_folders(course))
    return host


def prepare(host: Host, exercise: Exercise, submission: Submission) -> tuple[LabPlan, AppError | None]:
    """Copy a submission into the run's directory; return how to make labs of it, or why none can be made.

    Raises:
        CourseFault: the exercise's schema is broken.
        HostFault: the host did not start.
    """
    bench = Bench(host, exercise, Path(submission.shown).name)
    return bench.plan, bench.lay(submission)


def grade(
    host: Host,
    exercise: Exercise,
    submission: Submission,
    *,
    seed: int | None = None,
    regardless: bool = False,
    halt: Halt | None = None,
    bench: Bench | None = None,
    ahead: bool = True,
) -> Report:
    """Run an exercise's hidden suite on a submission.

    Args:
        host: a warm process, which may serve many runs, one after the other.
        seed: makes the run's random choices; a new one when not given.
        regardless: run each check, also when one that it needs has failed.
        halt: ends the run early, from another thread; what it reports then is of no use.
        bench: where this exercise was judged before on this host, with labs that wait there.
        ahead: make labs before a check needs them; of no use where other runs keep the cores busy, since some are
            made in vain.

    Raises:
        GraderFault: the exercise or the host is broken.
        KeyboardInterrupt: the user interrupted the run.
    """
    begin = time.monotonic()
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    if not exercise.suite.exists():
        raise CourseFault(f"{exercise.suite}: no such file; every exercise needs a suite")
    if "[" in str(exercise.suite) or "::" in str(exercise.suite):
        raise CourseFault(f"{exercise.suite}: pytest takes no path with [ or :: in it; rename the folder")
    bench = bench or Bench(host, exercise, Path(submission.shown).name)
    refused = bench.lay(submission)
    if refused is None:
        # Beside pytest's start, which takes as long as an import.
        bench.spares.wake(exercise.about.limits.at_once)
    plugin = JudgePlugin(
        host,
        bench.plan,
        exercise.about.misconceptions,
        seed=seed,
        limits=exercise.about.limits,
        refused=refused,
        regardless=regardless,
        halt=halt,
        spares=bench.spares,
        ahead=ahead,
    )
    _run_pytest(exercise.suite, plugin)
    return Report(
        exercise=exercise.id,
        title=exercise.title,
        path=submission.shown,
        seed=seed,
        checks=plugin.reports(),
        assurance=plugin.assurance(LAYERS),
        duration_s=time.monotonic() - begin,
        error=plugin.never_ran,
        fault=plugin.fault,
        output=plugin.output(),
    )


def _run_pytest(suite: Path, plugin: JudgePlugin) -> None:
    arguments = [
        str(suite),
        f"-c{_CONFIG}",
        "--noconftest",
        "--import-mode=importlib",
        "--assert=plain",
        "--capture=no",
        f"-opythonpath={shlex.quote(str(suite.parent))}",  # pytest takes it apart as a shell does
        *(f"-pno:{name}" for name in _UNUSED_PLUGINS),
    ]
    with _quiet_environment(), _forgetting(suite.parent):
        code = pytest.main(arguments, plugins=[anyio.pytest_plugin, plugin_module, plugin])
    if code == pytest.ExitCode.INTERRUPTED and plugin.fault is None:
        raise KeyboardInterrupt
    if not plugin.reports():
        raise GraderFault(plugin.fault or f"{suite}: the suite holds no check")
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and plugin.fault is None:
        raise GraderFault(f"{suite}: pytest ended with exit code {int(code)} and judged nothing")


@contextmanager
def _forgetting(folder: Path) -> Iterator[None]:
    """Let go of the suite's modules afterwards: the next run may be of another course, or of a suite mended since."""
    try:
        yield
    finally:
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
                del sys.modules[name]


@contextmanager
def _quiet_environment() -> Iterator[None]:
    """Keep what the user's environment says to pytest away from the judge's own run."""
    names = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
        os.environ.update(kept)
