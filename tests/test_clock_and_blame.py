"""`poolkit.lab.clock` and `.blame`: a lab's time can be moved on, and an error is told with the learner's own line."""

from __future__ import annotations

import asyncio
import importlib
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from poolkit.lab.blame import MAX_TEXT, Blame
from poolkit.lab.clock import Clock

# --- the clock ---


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock that this process goes by until the end of the test."""
    with monkeypatch.context() as context:
        for name in ("monotonic", "time", "monotonic_ns", "time_ns"):
            context.setattr(time, name, getattr(time, name))  # puts it back at the end
        clock = Clock()
        clock.install()
        yield clock


@pytest.mark.parametrize("name", ["monotonic", "time", "monotonic_ns", "time_ns"])
def test_every_clock_moves_on(clock: Clock, name: str) -> None:
    """By what was asked, added up; between that they go on as the real ones do."""
    tell: Callable[[], float] = getattr(time, name)
    unit = 1e9 if name.endswith("_ns") else 1.0
    before = tell()
    clock.advance(20.0)
    clock.advance(11.5)
    between = tell() - before
    assert 31.5 * unit <= between < 41.5 * unit
    assert isinstance(tell(), int if name.endswith("_ns") else float)
    assert tell() <= tell()


def test_it_can_be_made_to_stand_still(clock: Clock) -> None:
    """By less than 0 it never goes back, and goes on when as much has passed."""
    before = time.monotonic()
    clock.advance(-30.0)
    stands = time.monotonic()
    assert before <= stands == time.monotonic()
    clock.advance(29.0)
    assert time.monotonic() == stands
    clock.advance(2.0)
    assert time.monotonic() >= stands + 1.0


def test_what_counts_for_the_processor_stays_real(clock: Clock) -> None:
    """Only what an app waits by is moved."""
    before = time.perf_counter()
    clock.advance(1000.0)
    assert time.perf_counter() - before < 1000.0


def test_half_a_minute_takes_no_time(clock: Clock) -> None:
    """An event loop's timers and time-outs are due when the clock says so, in their order, and not before."""

    async def wait() -> list[str]:
        done: list[str] = []

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)
            done.append(f"slept {seconds:g}")

        async def bounded() -> None:
            try:
                async with asyncio.timeout(20):
                    await asyncio.Event().wait()
            except TimeoutError:
                done.append("timed out")

        tasks = [asyncio.create_task(work) for work in (sleep(30), bounded(), sleep(25))]
        for seconds in (19.0, 2.0, 10.0):
            await asyncio.sleep(0)
            clock.advance(seconds)
            for _ in range(5):
                await asyncio.sleep(0)
            done.append(f"after {seconds:g}")
        await asyncio.gather(*tasks)
        return done

    begin = time.perf_counter()
    assert asyncio.run(wait()) == ["after 19", "timed out", "after 2", "slept 25", "slept 30", "after 10"]
    assert time.perf_counter() - begin < 10


# --- blame ---


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a snapshot, on Python's path."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def written(work: Path, name: str, text: str) -> ModuleType:
    (work / f"{name}.py").write_text(textwrap.dedent(text))
    importlib.invalidate_caches()
    return importlib.import_module(name)


def blamed(work: Path, act: Callable[[], object]) -> dict[str, Any]:
    """Return what is told of the exception that a call raises."""
    blame = Blame(str(work), {"blamed_app.py": "mine.py"})
    try:
        act()
    except BaseException as error:
        return blame.error(error)
    raise AssertionError("nothing was raised")


def test_an_error_is_on_the_learner_s_innermost_line(work: Path) -> None:
    """Through their own modules and back from a library, under the name that they gave the file."""
    written(work, "blamed_helper", "def parse(text):\n    return int(text)\n")
    app = written(
        work,
        "blamed_app",
        """
        import json
        import blamed_helper
        def in_library(): json.loads("{")
        def in_helper(): blamed_helper.parse("x")
        """,
    )
    assert blamed(work, app.in_library) == {
        "type": "JSONDecodeError",
        "message": "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "at": ["mine.py", 4, 'def in_library(): json.loads("{")'],
    }
    assert blamed(work, app.in_helper)["at"] == ["blamed_helper.py", 2, "return int(text)"]


def test_an_error_without_a_line_of_theirs_has_none(work: Path) -> None:
    """It is told all the same."""
    assert blamed(work, lambda: int("x"))["at"] is None


def test_of_a_group_the_first_error_is_told(work: Path) -> None:
    """However deep it lies."""
    app = written(
        work,
        "blamed_app",
        """
        def fail(): raise ExceptionGroup("g", [ExceptionGroup("h", [KeyError("first")]), ValueError("second")])
        """,
    )
    assert (blamed(work, app.fail)["type"], blamed(work, app.fail)["message"]) == ("KeyError", "'first'")


def test_a_syntax_error_is_where_the_text_is_wrong(work: Path) -> None:
    """Not where that file was imported; its message does not repeat the place."""
    (work / "blamed_broken.py").write_text("x = 1\ny = (\n")
    for name, text in (("blamed_direct", ""), ("blamed_app", "import os\nimport blamed_broken\n")):
        found = blamed(work, lambda: written(work, name, text) and importlib.import_module("blamed_broken"))  # noqa: B023
        assert found == {
            "type": "SyntaxError",
            "message": "'(' was never closed",
            "at": ["blamed_broken.py", 2, "y = ("],
        }


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        ("SyntaxError()", "SyntaxError", "None"),
        ("SyntaxError('mine')", "SyntaxError", "mine"),
        ("SyntaxError('mine', (b'file', 1, 1, 'x'))", "SyntaxError", "mine"),
        ("KeyError()", "KeyError", ""),
        ("SystemExit(3)", "SystemExit", "3"),
        ("Mute()", "Mute", "<its str() failed>"),
        ("ValueError('x' * 100_000)", "ValueError", "x" * MAX_TEXT),
    ],
)
def test_any_exception_can_be_told(work: Path, raised: str, kind: str, message: str) -> None:
    """Whatever a learner raises, telling of it raises nothing."""
    app = written(
        work,
        "blamed_app",
        f"""
        class Mute(Exception):
            def __str__(self): raise RuntimeError("no")
        def fail(): raise {raised}
        """,
    )
    found = blamed(work, app.fail)
    assert (found["type"], found["message"]) == (kind, message)
    assert found["at"][:2] == ["mine.py", 4]


def test_the_line_that_runs_now_is_found(work: Path) -> None:
    """The innermost of theirs; None where no line of theirs runs, in a folder of a similar name either."""
    app = written(
        work,
        "blamed_app",
        """
        def call(back):
            return sorted([1], key=lambda _: back())
        """,
    )
    seen: list[Any] = []

    def look(blame: Blame) -> int:
        seen.append(blame.here())
        return 0

    blame = Blame(f"{work}/", {})
    app.call(lambda: look(blame))
    app.call(lambda: look(Blame(str(work)[:-1], {})))
    look(blame)
    assert seen == [["blamed_app.py", 3, "return sorted([1], key=lambda _: back())"], None, None]
