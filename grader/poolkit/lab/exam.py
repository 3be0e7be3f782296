"""Runs a learner's own tests in a lab, against one implementation after the other of what they test.

The judge sends the source of an implementation; it becomes a module that the tests import by name. So the tests'
process holds one implementation at a time, with no file to read and no name that tells whether it is right.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import types
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio.pytest_plugin
import pytest
from fastapi import Body, FastAPI

from poolkit.lab.clock import installed
from poolkit.lab.leap import Leaps

# One failure decides a run: whatever comes after it would only take time.
_ARGUMENTS = ("-qq", "-x", "--tb=no", "--no-summary", "-pno:cacheprovider", "-pno:faulthandler", "--capture=no")


_WARM_UP = """
import pytest

@pytest.mark.anyio
async def test_something(tmp_path):
    assert tmp_path
"""


def warm_up() -> None:
    """Run pytest once, on a test of its own, so that what it imports at the first use is there in every lab."""
    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        tests = Path(folder, "test_warm_up.py")
        tests.write_text(_WARM_UP)
        code = _run(str(tests), "", "")["code"]
    sys.modules.pop("test_warm_up", None)
    assert code == 0, f"pytest ended with {code}"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run a learner's tests on asyncio alone: anyio by itself takes trio too, where that is installed or, before 4.12,
    anyway. A fixture of theirs with this name comes before this one.
    """
    return "asyncio"


class _Results:
    """A pytest plugin that counts what passed, and keeps a line of each test that did not, and of each warning."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: dict[str, str] = {}
        self.warnings: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of a test."""
        name = report.nodeid.rpartition("::")[2]
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failed.setdefault(name, str(getattr(crash, "message", report.longrepr)).split("\n")[0][:300])
        elif report.when == "call" and report.passed:
            self.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take in a file that cannot be collected."""
        if report.failed:
            lines = report.longreprtext.strip().splitlines()
            told = lines[-1].removeprefix("E").strip()[:300] if lines else "it cannot be read"
            self.failed.setdefault("the file itself", told)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Take in what Python warned of, such as a coroutine that nobody awaited."""
        self.warnings.append(str(warning_message.message).split("\n")[0][:300])


def make_app(tests: str, module: str) -> FastAPI:
    """Return an app that runs tests when asked to.

    Args:
        tests: the file that holds them.
        module: the name by which they import what they test.
    """
    app = FastAPI(title="An exam for tests")

    @app.post("/run")
    async def run(source: str = Body(""), seconds: float = Body(0.0)) -> dict[str, Any]:
        """Run the tests against a module with this source, or, without one, against the file of that name.

        Tells how many passed, which one failed first, and what Python warned of. Run it once in a process: the
        tests keep what they imported. With `seconds`, a lab's clock leaps over their waits, for so long at most.
        """
        if seconds and (clock := installed()):
            Leaps(clock, seconds).install()
        return await asyncio.to_thread(_run, tests, module, source)

    return app


def _run(tests: str, name: str, source: str) -> dict[str, Any]:
    if source:
        module = types.ModuleType(name)
        sys.modules[name] = module
        exec(compile(source, f"<{name}>", "exec"), vars(module))  # the judge's own text, not the learner's
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # what else is installed on this machine is not asked
    results = _Results()
    code = pytest.main([*_ARGUMENTS, tests], plugins=[anyio.pytest_plugin, sys.modules[__name__], results])
    return {
        "code": int(code),
        "passed": results.passed,
        "failed": results.failed,
        "warnings": results.warnings[:20],
    }
