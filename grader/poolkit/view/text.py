"""What a person reads in a terminal: the steps as a table, the variables, the connections as a timeline."""

from __future__ import annotations

import shutil
from io import StringIO
from itertools import zip_longest
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from poolkit.text import plain
from poolkit.timeline import Picture, Timeline
from poolkit.trace import Step, Trace, pool_words
from poolkit.view._lanes import key, lanes

_STYLE: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True}


def render(picture: Picture) -> str:
    """Return the run, or both runs, for a terminal as wide as the one that there is, and at least 80 columns."""
    written = StringIO()
    console = Console(file=written, width=max(80, shutil.get_terminal_size().columns), highlight=False, markup=False)
    mine = picture.mine
    console.print(f"{mine.trace.exercise}  {plain(mine.trace.path)}")
    if picture.names:
        console.print(_both(picture))
    else:
        console.print(steps_table(mine.trace))
        console.print(variables_table(mine.trace))
    drawn = [lanes(run, console.width - 2) for run in picture.runs]
    for place, run in enumerate(picture.runs):
        if picture.names:
            console.print(f"{picture.names[place]}  {plain(run.trace.path)}")
        console.out(f"{drawn[place]}\n")
    console.print(key("".join(drawn), "where the runs part" if picture.names else "the deciding moment"))
    console.print()
    for line in _said(picture):
        console.print(line)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def steps_table(trace: Trace) -> Table:
    """Return the table of what happened, step by step."""
    table = Table("Step", "Event", "Pool state", "Connection action", "Result", **_STYLE)
    for step in trace.steps:
        table.add_row(str(step.number), step.event, pool_words(step.pool), step.action, step.result)
    return table


def variables_table(trace: Trace) -> Table:
    """Return the table of what was free and borrowed after each step."""
    table = Table("Variable", *(str(step.number) for step in trace.steps), **_STYLE)
    table.add_row("free connections", *(str(step.pool.free) for step in trace.steps))
    table.add_row("connection borrowed", *(", ".join(map(str, step.lent)) or "none" for step in trace.steps))
    return table


def _both(picture: Picture) -> Table:
    table = Table("", "Step", "Event", "Yours", "Reference", **_STYLE)
    mine, reference = picture.runs
    part = mine.deciding.step if mine.deciding else None
    for one, other in zip_longest(mine.trace.steps, reference.trace.steps):
        step = one or other
        event = step.event if not (one and other) or one.event == other.event else f"{one.event} / {other.event}"
        table.add_row(">" if step.number == part else "", str(step.number), event, _told(one), _told(other))
    return table


def _told(step: Step | None) -> str:
    return f"{pool_words(step.pool)}; {step.action}; {step.result}" if step else "no such step"


def _said(picture: Picture) -> list[str]:
    mine: Timeline = picture.mine
    found = []
    if mine.trace.borrowed_at:
        found.append(f"Borrowed at {plain(', '.join(map(str, mine.trace.borrowed_at)))}")
    if mine.trace.note:
        found.append(f"The run ended early. {plain(mine.trace.note)}")
    if mine.deciding:
        head = "The runs part at" if picture.names else "The deciding moment is"
        found.append(f"{head} step {mine.deciding.step}: {plain(mine.deciding.text)}.")
    elif picture.names:
        found.append("The two runs go the same way.")
    return found
