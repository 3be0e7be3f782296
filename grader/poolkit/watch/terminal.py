"""The learner's terminal while `poolkit watch` has it: single keys, whole screens, and given back at every end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence

import click

from poolkit.watch import keys

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_CLEAR = "\x1b[2J\x1b[H"
_CLEAR_LINE = "\r\x1b[2K"


def usable() -> bool:
    """Tell whether there is a terminal to draw on and to read keys from."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class Terminal:
    """Draws whole screens on stdout and reads single keys from stdin.

    Args:
        pressed: called with each key, see `poolkit.watch.keys`.
        resized: called when the window has another size, and when the command is in the foreground again.
    """

    live = True
    """Whether the learner can press keys."""

    def __init__(self, pressed: Callable[[str], None], resized: Callable[[], None]) -> None:
        self._pressed = pressed
        self._resized = resized
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._before = termios.tcgetattr(self._in)
        self._colours = not os.environ.get("NO_COLOR")
        self._lent = False

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Have the terminal until the block ends, however it ends."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._on_resize)
        loop.add_signal_handler(signal.SIGTSTP, self._on_stop)
        loop.add_signal_handler(signal.SIGCONT, self._on_continue)
        self._take()
        try:
            yield
        finally:
            for number in (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT):
                loop.remove_signal_handler(number)
            self._give_back()

    @property
    def columns(self) -> int:
        """The window's width."""
        return shutil.get_terminal_size().columns

    def draw(self, body: str, bottom: str) -> None:
        """Show a text, and a line below it; of a text longer than the window the end is seen."""
        if not self._lent:
            self._write(f"{_CLEAR}{body.rstrip()}\n\n{self._fitted(bottom)}")

    def status(self, bottom: str) -> None:
        """Replace the line at the bottom."""
        if not self._lent:
            self._write(_CLEAR_LINE + self._fitted(bottom))

    async def lend(self, command: Sequence[str], *, wait_for_key: bool) -> str:
        """Give the terminal to a program until it ends; return why it could not be started, "" when it could.

        Args:
            wait_for_key: let what it printed stand until a key is pressed.
        """
        self._give_back()
        self._lent = True
        self._write(_CLEAR)
        try:
            process = await asyncio.create_subprocess_exec(*command)
        except OSError as error:
            return f"{command[0]}: cannot be started ({error.strerror})"
        else:
            await _ended(process)
            if wait_for_key:
                self._write("\nPress Enter to go back. ")
                await self._a_line()
            return ""
        finally:
            self._lent = False
            self._take()

    @property
    def lent(self) -> bool:
        """Whether a program has the terminal; then Ctrl-C is for that."""
        return self._lent

    async def _a_line(self) -> None:
        loop = asyncio.get_running_loop()
        typed = asyncio.Event()
        loop.add_reader(self._in, typed.set)
        try:
            await typed.wait()
        finally:
            loop.remove_reader(self._in)
        termios.tcflush(self._in, termios.TCIFLUSH)

    def _fitted(self, line: str) -> str:
        """Cut a line, so that it can be replaced: of one that the window has broken only the last part could be."""
        return line if len(click.unstyle(line)) < self.columns else click.unstyle(line)[: self.columns - 1]

    def _take(self) -> None:
        tty.setcbreak(self._in, termios.TCSANOW)
        asyncio.get_running_loop().add_reader(self._in, self._read)
        self._write(_HIDE_CURSOR)

    def _give_back(self) -> None:
        asyncio.get_running_loop().remove_reader(self._in)
        with contextlib.suppress(termios.error, OSError):  # the terminal itself may be gone
            termios.tcsetattr(self._in, termios.TCSADRAIN, self._before)
        self._write(f"{_SHOW_CURSOR}\n")

    def _read(self) -> None:
        try:
            data = os.read(self._in, 1024)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._in)
        for key in keys.decode(data) if data else [keys.END]:
            self._pressed(key)

    def _write(self, text: str) -> None:
        data = (text if self._colours else _without_colours(text)).encode(sys.stdout.encoding or "utf-8", "replace")
        with contextlib.suppress(OSError):  # the terminal is gone, and SIGHUP on its way
            while data:
                data = data[os.write(self._out, data) :]

    def _on_resize(self) -> None:
        self._resized()

    def _on_stop(self) -> None:
        if not self._lent:
            self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _on_continue(self) -> None:
        if not self._lent:
            self._take()
            self._resized()


def _without_colours(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait until a program has ended; end it, when it is waited for no longer."""
    try:
        await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
