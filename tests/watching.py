"""A learner at `poolkit watch`: a real terminal whose screen can be read, and keys that can be pressed."""

from __future__ import annotations

import os
import re
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

COLUMNS, ROWS = 80, 60
FOOTER = "n next  h hint"


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a learner's shell."""
    unwanted = ("PYTEST", "PYTHONDONTWRITEBYTECODE", "WATCHFILES", "NO_COLOR", "EDITOR", "VISUAL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | extra


def folder_of(practice: Path, number: int = 1) -> Path:
    """Return the folder of an exercise."""
    return practice / "exercises" / f"exercise-{number}"


class Session:
    """`poolkit watch` in a terminal of its own.

    Args:
        practice: the workspace.
        arguments: of the command.
        extra: more of the environment.
    """

    def __init__(self, practice: Path, *arguments: str, rows: int = ROWS, **extra: str) -> None:
        self.screen = pyte.Screen(COLUMNS, rows)
        self.raw = ""
        """Everything that was written so far."""
        self._stream = pyte.Stream(self.screen)
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "poolkit", "watch", *arguments],
            cwd=str(practice),
            env=environment(**extra),
            dimensions=(rows, COLUMNS),
            encoding="utf-8",
            timeout=60,
        )
        self.process.delaybeforesend = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def until(self, *wanted: str, without: str | None = None, within: float = 60.0) -> str:
        """Wait until the screen shows all that is wanted; return what it shows."""
        return self.until_that(
            lambda text: all(each in text for each in wanted) and (without is None or without not in text),
            f"{wanted} without {without!r}",
            within,
        )

    def until_that(self, condition: Callable[[str], bool], what: str, within: float = 60.0) -> str:
        """Wait until the screen meets a condition; return what it shows."""
        end = time.monotonic() + within
        while not condition(self.text):
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {within:g} s; the screen shows:\n{self.text}")
            self._read()
        return self.text

    def verdict(self, *wanted: str) -> str:
        """Wait until no check runs and the screen shows all that is wanted."""
        return self.until(*wanted, FOOTER)

    def _read(self) -> None:
        try:
            data = self.process.read_nonblocking(65536, timeout=0.2)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF:
            raise AssertionError(f"it ended; the screen showed:\n{self.text}") from None
        self.raw += data
        self._stream.feed(data)

    def press(self, keys: str) -> None:
        """Press keys."""
        self.process.send(keys)

    def resize(self, rows: int, columns: int) -> None:
        """Make the window another size."""
        self.screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def waits_for_lines(self) -> bool:
        """Tell whether the terminal is as a shell wants it: lines, echoed."""
        modes = termios.tcgetattr(self.process.child_fd)[3]
        return bool(modes & termios.ICANON and modes & termios.ECHO)

    def ended(self) -> int:
        """Wait until it has ended, and return its exit code, that of a shell for a signal."""
        while True:
            try:
                self.raw += self.process.read_nonblocking(65536, timeout=60)
            except pexpect.EOF:
                break
        self.process.wait()
        return self.process.exitstatus if self.process.exitstatus is not None else -(self.process.signalstatus or 0)

    def children(self) -> list[int]:
        """Return the ids of the processes that it has started and that still run."""
        return children(self.pid)

    def close(self) -> None:
        """End it, if it has not ended."""
        self.process.close(force=True)


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


def state(pid: int) -> str:
    """Return the letter for a process's state, as `ps` shows it: `T` for stopped; an empty text when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def runs(pid: int) -> bool:
    """Tell whether a process runs. One that has ended may stand in the list for seconds, until its parent asks."""
    return state(pid) not in ("", "Z", "X")


def colours(raw: str) -> list[str]:
    """Return the sequences that set a colour or another look."""
    return re.findall(r"\x1b\[[0-9;]*m", raw)
