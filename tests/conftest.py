"""What the tests share: one warm process for all that grade in this process, and the `poolkit` command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poolkit.course import Course, find_course
from poolkit.judge.host import Host
from poolkit.judge.runner import start_host

Poolkit = Callable[..., subprocess.CompletedProcess[str]]


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
def host(course: Course) -> Iterator[Host]:
    """A warm process that labs are forked from."""
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
            [sys.executable, "-m", "poolkit", *arguments],
            cwd=cwd,
            env=environment | {"COLUMNS": "100", "NO_COLOR": "1", "XDG_DATA_HOME": str(tmp_path / ".data")},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
