"""Text to read in a terminal: Markdown and tables, by rich, and a page at a time where there is more than fits."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from io import StringIO

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.table import Table

from poolkit.text import plain
from poolkit.trace import Trace

_WIDTH = 80
_LONGEST = 20_000


def drawn(*shown: RenderableType) -> str:
    """Return things as text without colour, as wide as the terminal, and no narrower than 80 columns."""
    return _printed(*shown, width=max(_WIDTH, shutil.get_terminal_size().columns), styled=False)


def variables_down(trace: Trace) -> Table:
    """Return the table of what was free and borrowed after each step, a row for each step."""
    table = Table("Step", "free connections", "connection borrowed", box=SIMPLE_HEAD, pad_edge=False)
    for step in trace.steps:
        table.add_row(str(step.number), str(step.pool.free), ", ".join(map(str, step.lent)) or "none")
    return table


def set_out(text: str) -> str:
    """Return Markdown as it looks in a terminal, or, where there is none, as plain text of 80 columns."""
    safe = "\n".join(plain(line, _LONGEST) for line in text.splitlines())
    styled = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    width = min(_WIDTH, shutil.get_terminal_size().columns) if styled else _WIDTH
    # A theme of the terminal's own colours: what it has for a background, nobody knows.
    return _printed(Markdown(safe, code_theme="ansi_dark", justify="left"), width=width, styled=styled)


def turn_pages(text: str) -> None:
    """Print a text, through the pager where it is longer than the terminal."""
    if not (sys.stdout.isatty() and text.count("\n") >= shutil.get_terminal_size().lines):
        click.echo(text, nl=False)
        return
    # Ctrl-C is the pager's while it has the terminal: ended without it, we would leave that as the pager made it.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        click.echo_via_pager(text)
    finally:
        signal.signal(signal.SIGINT, before)


def _printed(*shown: RenderableType, width: int, styled: bool) -> str:
    written = StringIO()
    console = Console(
        file=written,
        width=width,
        force_terminal=styled,
        no_color=not styled,
        color_system="auto" if styled else None,
        highlight=False,
        markup=False,
    )
    for each in shown:
        console.print(each)
    text = written.getvalue()
    return text if styled else "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
