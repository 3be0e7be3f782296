"""What takes the terminal's place in a pipe, a log or a dumb terminal: lines, and no keys."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence

import click


class Plain:
    """Prints every text once, without colours.

    Args:
        gone: called when nobody reads the lines any more.
    """

    live = False
    lent = False

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Nothing has to be set up or given back."""
        yield

    def draw(self, body: str, bottom: str) -> None:
        """Print a text, and the line that stands below it in a terminal."""
        lines = [*click.unstyle(body).rstrip().splitlines(), *([click.unstyle(bottom)] if bottom else []), ""]
        try:
            sys.stdout.write("\n".join(line.rstrip() for line in lines) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            # Python would complain once more when it flushes what is left.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._gone()

    def status(self, bottom: str) -> None:
        """Say nothing: what is being done can be read from what it comes to."""

    async def lend(self, command: Sequence[str], *, wait_for_key: bool) -> str:
        """Refuse: there is no terminal."""
        return f"{command[0]}: needs a terminal"
