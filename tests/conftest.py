"""What the tests share: one warm process for all that grade in this process, and the `poolkit` command."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poolkit.course import Course, find_course
from poolkit.judge.host import Host
from poolkit.judge.runner import start_host

Poolkit = Callable[..., subprocess.CompletedProcess[str]]

_GRADER = Path(__file__).resolve().parents[1] / "grader"
_MODULES = (
    ".".join(path.relative_to(_GRADER).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(_GRADER.glob("poolkit/**/*.py"))
)
OWN_DEPRECATIONS = tuple(f"-Werror::DeprecationWarning:{name}" for name in _MODULES)
"""What pytest's filters do in this process, for those that it starts: a deprecation in the kit's own modules, and in no
library's, is an error.
"""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _somebody_elses_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Checks note what they have shown with the user, who is not whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def course() -> Course:
    """The kit's own course."""
    return find_course()


@pytest.fixture(scope="session")
def host(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A warm process that labs are forked from; the kit's own deprecations are errors in it."""
    python = tmp_path_factory.mktemp("python") / "python"
    python.write_text("\n".join(["#!/bin/sh", shlex.join(["exec", sys.executable, *OWN_DEPRECATIONS]) + ' "$@"\n']))
    python.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        host = start_host(course)
    yield host
    host.close()


@pytest.fixture
def poolkit(tmp_path: Path) -> Poolkit:
    """Run the command in an empty folder: `poolkit("check", "3", cwd=...)`."""

    def run(*arguments: str, cwd: Path = tmp_path, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        unwanted = [name for name in os.environ if name.startswith("PYTEST") or name == "PYTHONDONTWRITEBYTECODE"]
        environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        return subprocess.run(
            [sys.executable, *OWN_DEPRECATIONS, "-m", "poolkit", *arguments],
            cwd=cwd,
            env=environment | {"COLUMNS": "100", "NO_COLOR": "1", "XDG_DATA_HOME": str(tmp_path / ".data")},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
