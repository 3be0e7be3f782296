"""Exercise 17's own pool, which learners try their tests on: it keeps what the exercise's README promises."""

from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from poolkit.course import Course
from poolkit.workspace import give


@pytest.fixture
def folder(course: Course, tmp_path: Path) -> Path:
    """What a learner is given."""
    give(course.exercise("exercise-17"), tmp_path / "exercise-17")
    return tmp_path / "exercise-17"


@pytest.fixture
def make_pool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The class `Pool`, whose connections take a fifth of a second to open."""
    connect = aiosqlite.connect

    async def late(*args: object, **options: object) -> aiosqlite.Connection:
        await asyncio.sleep(0.2)
        return await connect(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(aiosqlite, "connect", late)
    pool: Callable[..., Any] = runpy.run_path(str(folder / "pool.py"))["Pool"]
    return pool


def test_the_references_tests_pass_on_it(course: Course, folder: Path) -> None:
    """As they do on the pools of the check."""
    (folder / "test_pool.py").write_text(course.exercise("exercise-17").reference.read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pool.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_an_opening_is_no_part_of_the_timeout(make_pool: Callable[..., Any]) -> None:
    """Whoever comes while there is room gets a connection, also when that takes longer."""

    async def main() -> None:
        pool = make_pool(":memory:", min_size=1, max_size=3, timeout=0.05)
        await pool.open()
        try:
            loans = [await pool.acquire(), *await asyncio.gather(pool.acquire(), pool.acquire())]
            for loan in loans:
                await pool.release(loan)
        finally:
            await pool.close(timeout=0.0)

    asyncio.run(main())


def test_a_wait_in_line_is(make_pool: Callable[..., Any]) -> None:
    """Also while a connection opens for somebody else."""

    async def main() -> None:
        pool = make_pool(":memory:", min_size=1, max_size=2, timeout=0.05)
        await pool.open()
        try:
            await pool.acquire()
            found: list[object] = await asyncio.gather(pool.acquire(), pool.acquire(), return_exceptions=True)
            assert [isinstance(each, TimeoutError) for each in found] == [False, True]
        finally:
            await pool.close(timeout=0.0)

    asyncio.run(main())
