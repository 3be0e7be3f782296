"""A run as a timeline of letters for a terminal: a row for each connection, a column for each step."""

from __future__ import annotations

from collections.abc import Iterator

from poolkit.timeline import Bar, Lane, Timeline
from poolkit.trace import Step

_LABEL = 14


def lanes(run: Timeline, width: int = 78) -> str:
    """Return the timeline of a run, in as many blocks one below the other as the width asks for."""
    cell = max(4, 2 + max((len(str(bar.request or "")) for lane in run.lanes for bar in lane.bars), default=0))
    at_once = max(1, (width - _LABEL) // cell)
    blocks = [
        "\n".join(_block(run, range(begin, min(begin + at_once, len(run.steps))), cell))
        for begin in range(0, len(run.steps), at_once)
    ]
    if run.left_out:
        blocks.append(f"There is no room for {run.left_out}.")
    return "\n\n".join(blocks)


def _block(run: Timeline, places: range, cell: int) -> Iterator[str]:
    steps = [(run.steps[place], run.steps[place - 1].last if place else 0) for place in places]
    yield _line("Timeline", (f"{step.number}".center(cell - 1) for step, _ in steps))
    for lane in run.lanes:
        cells = (_cell(lane, before, step, cell - 1) for step, before in steps)
        if shown := "".join(f"{each} " for each in cells).rstrip():
            yield f"{f'connection {lane.connection}':<{_LABEL}}{shown}"
    if any(_waiting(run, step, before) for step, before in steps):
        yield _line("waiting", (str(_waiting(run, step, before) or "").center(cell - 1) for step, before in steps))
    if run.outside:
        marks = (any(before < mark.row <= step.last for mark in run.outside) for step, before in steps)
        yield _line("refused", (("!" if mark else "").center(cell - 1) for mark in marks))
    if run.deciding and run.deciding.step in [step.number for step, _ in steps]:
        yield _line("", (("▲" if run.deciding.step == step.number else "").center(cell - 1) for step, _ in steps))


def _line(label: str, cells: Iterator[str]) -> str:
    return f"{label:<{_LABEL}}{' '.join(cells)}".rstrip()


def _cell(lane: Lane, before: int, step: Step, width: int) -> str:
    """Show a connection in the rows after `before` that make a step: at its end, or what it was used for meanwhile."""
    rows = range(before + 1, step.last + 1)
    wrong = any(mark.row in rows and mark.kind in ("error", "refused", "lost") for mark in lane.marks)
    if lane.opened > step.last or (lane.closed is not None and lane.closed <= before):
        return " " * width
    closed = lane.closed is not None and lane.closed <= step.last
    # A bar that began before lasts into the step only if it did not end with its first row.
    during = [bar for bar in lane.bars if bar.first <= step.last and bar.last > before]
    held = next((bar for bar in during if _lasts(bar, step, run_closed=closed)), None)
    if held is not None:
        return _bar(held.request, wrong, width, "█")
    if wrong:
        return "!".center(width)
    passed = next((bar for bar in during if bar.first > before), None)
    if passed is not None:
        return _bar(passed.request, wrong, width, "▒")
    return "×".center(width) if closed else "─" * width


def _lasts(bar: Bar, step: Step, *, run_closed: bool) -> bool:
    return not run_closed and (bar.last > step.last or not bar.given_back)


def _bar(request: int | None, wrong: bool, width: int, fill: str) -> str:
    inside = "!" if wrong else str(request or "")
    return inside.center(width, fill) if inside else fill * width


def _waiting(run: Timeline, step: Step, before: int) -> int:
    """Return how many waited at most in the rows after `before` that make a step."""
    rows = [row for row in run.rows if before < row.seq <= step.last]
    if not rows:
        return 0
    begin = next((row.at for row in reversed(run.rows) if row.seq <= before), rows[0].at)
    return max((wait.tasks for wait in run.waits if wait.begins < rows[-1].at and wait.ends > begin), default=0)


def key(shown: str, moment: str) -> str:
    """Return what the signs in timelines mean, those that are there.

    Args:
        shown: the timelines.
        moment: what the step is that is marked.
    """
    meanings = (
        ("─", "free"),
        ("█", "borrowed, by the request in it"),
        ("▒", "borrowed and returned within the step"),
        ("×", "closed"),
        ("!", "error, refused or lost"),
        ("▲", moment),
    )
    return "   ".join(f"{sign} {meaning}" for sign, meaning in meanings if sign in shown)
