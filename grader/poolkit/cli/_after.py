"""What `check` prints after a pass."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from poolkit.afterwards import Afterwards

WIDTH = 78


def lines(found: Afterwards) -> Iterator[str]:
    """Give what is good, how to see the reference, what to read on, and the next exercise."""
    yield ""
    yield from _field("Well done", found.praise)
    yield from _field("Reference", f"poolkit solution {found.exercise}")
    yield from _field("Compare", f"poolkit diff {found.exercise} --solution")
    name = "Read on"
    for library, text in found.read_on:
        yield from _field(name, f"{library:<13}{text}", indent=26)
        name = ""
    step = f"poolkit show {found.next}" if found.next else "poolkit progress: you have passed them all"
    yield from _field("Next", step)


def _field(name: str, text: str, indent: int = 13) -> Iterator[str]:
    first, *rest = textwrap.wrap(
        text, WIDTH - 15, break_on_hyphens=False, subsequent_indent=" " * (indent - 13), drop_whitespace=True
    ) or [""]
    yield f"  {click.style(f'{name:<13}', fg='cyan')}{first}"
    yield from (f"  {'':13}{line}" for line in rest)
