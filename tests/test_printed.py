"""`poolkit.judge.printed`: of a traceback, a learner reads what is theirs and what was raised, on each Python."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poolkit.judge.printed import LEFT_OUT, Fold, folded

CODE = """
import json

def read(text):
    return 1 / json.loads(text)

def deep(n):
    return deep(n - 1) if n else read("0")

def chained():
    try:
        read("{")
    except ValueError as error:
        raise LookupError("nothing\\nthere") from error

def group():
    try:
        read("0")
    except ZeroDivisionError as error:
        raise ExceptionGroup("both", [error, ValueError("other")])
"""


@pytest.fixture
def printed(tmp_path: Path) -> Callable[[str, tuple[Any, ...]], str]:
    """Call a function of a learner's file and return what Python prints of its exception, folded."""
    file = tmp_path / "snapshot.py"
    file.write_text(CODE)
    names: dict[str, Any] = {}
    exec(compile(CODE, str(file), "exec"), names)

    def call(name: str, arguments: tuple[Any, ...]) -> str:
        try:
            names[name](*arguments)
        except Exception as error:  # any of them is what is to be shown
            return folded("".join(traceback.format_exception(error)), str(tmp_path), {"snapshot.py": "app.py"})
        raise AssertionError("it raised nothing")

    return call


def _divided() -> ZeroDivisionError:
    """Return what Python raises, in its words."""
    try:
        json.loads("1") / json.loads("0")
    except ZeroDivisionError as error:
        return error
    raise AssertionError("it can be divided")


HEAD = ["Traceback (most recent call last):", LEFT_OUT]
RAISED = traceback.format_exception_only(ZeroDivisionError, _divided())[0].rstrip()
READ = ['  File "app.py", line 5, in read', "    return 1 / json.loads(text)"]


def test_only_the_learners_frames_are_shown(printed: Callable[..., str]) -> None:
    """Without the marks below a line, which each Python draws differently."""
    assert printed("read", ("0",)).splitlines() == [*HEAD, *READ, RAISED]


def test_a_library_that_raised_is_one_line(printed: Callable[..., str]) -> None:
    """However many of its frames there were."""
    shown = printed("read", ("{",)).splitlines()
    assert shown[:5] == [*HEAD, *READ, LEFT_OUT]
    assert shown[5].startswith("json.decoder.JSONDecodeError: ")
    assert len(shown) == 6


def test_what_caused_it_is_shown_too(printed: Callable[..., str]) -> None:
    """With its own frames, and the sentence between the two."""
    shown = printed("chained", ()).splitlines()
    assert [line for line in shown if line.startswith("Traceback")] == HEAD[:1] * 2
    assert "The above exception was the direct cause of the following exception:" in shown
    assert shown[-2:] == ["LookupError: nothing", "there"]


def test_frames_in_a_row_are_counted_as_python_does(printed: Callable[..., str]) -> None:
    """Its own line that says how often one is repeated belongs to the learner's frames."""
    shown = printed("deep", (20,)).splitlines()
    assert any("Previous line repeated" in line for line in shown)
    assert shown[-1] == RAISED


def test_a_group_keeps_its_shape(printed: Callable[..., str]) -> None:
    """Each of its exceptions is there, without a path of this machine."""
    shown = printed("group", ())
    assert "ExceptionGroup: both (2 sub-exceptions)" in shown
    assert RAISED in shown
    assert "ValueError: other" in shown
    assert __file__ not in shown


def test_other_text_stays_as_it_is() -> None:
    """Lines that look like frames, and have no traceback around them, are the learner's own."""
    text = 'plain\r\n  File "/elsewhere.py", line 3, in x\n    ~~~^^\n\nTraceback (most recent call last):'
    assert folded(text, "/code", {}) == text
    fold = Fold("/code", {})
    assert [fold.line(line) for line in ("Traceback (most recent call last):", "E: x", "    ^^")][1:] == [
        "E: x",
        "    ^^",
    ]
