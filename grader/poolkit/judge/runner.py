"""Grades one submission of one exercise: a snapshot, labs, the hidden suite, a report."""

from __future__ import annotations

import os
import secrets
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
from poolkit.judge.database import build_template
from poolkit.judge.host import Host
from poolkit.judge.plugin import JudgePlugin
from poolkit.judge.process import LabPlan
from poolkit.judge.submission import Submission, take
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
    run = host.folder / f"run-{secrets.token_hex(4)}"
    run.mkdir(mode=0o700)
    template = None
    if exercise.schema is not None:
        template = run / "template.sqlite"
        build_template(exercise.schema, template)
    code = run / "code"
    refused = take(submission, exercise.file_name, code, exercise.given)
    if exercise.about.preload:
        host.preload(exercise.about.preload)
    limits = exercise.about.limits
    plan = LabPlan(
        code=code,
        entry=exercise.about.entry,
        databases=tuple(exercise.about.databases),
        template=template,
        memory=limits.memory_mb << 20,
        cpu=limits.check_s + 2,
        names={exercise.file_name: Path(submission.shown).name},
    )
    return plan, refused


def grade(
    host: Host, exercise: Exercise, submission: Submission, *, seed: int | None = None, regardless: bool = False
) -> Report:
    """Run an exercise's hidden suite on a submission.

    Args:
        host: a warm process, which may serve many runs, one after the other.
        seed: makes the run's random choices; a new one when not given.
        regardless: run each check, also when one that it needs has failed.

    Raises:
        GraderFault: the exercise or the host is broken.
        KeyboardInterrupt: the user interrupted the run.
    """
    begin = time.monotonic()
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    if not exercise.suite.exists():
        raise CourseFault(f"{exercise.suite}: no such file; every exercise needs a suite")
    plan, refused = prepare(host, exercise, submission)
    plugin = JudgePlugin(
        host,
        plan,
        exercise.about.misconceptions,
        seed=seed,
        limits=exercise.about.limits,
        refused=refused,
        regardless=regardless,
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
        f"--rootdir={suite.parent}",
        "--noconftest",
        "--import-mode=importlib",
        "--assert=plain",
        "--capture=no",
        f"-opythonpath={suite.parent}",
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
