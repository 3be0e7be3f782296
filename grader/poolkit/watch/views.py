"""Words what `poolkit watch` shows. Each function returns a text; none of them asks or decides anything."""

from __future__ import annotations

from collections.abc import Collection

import click

from poolkit import formats
from poolkit.course import Course, Exercise
from poolkit.formats.text import WIDTH
from poolkit.hints import Hint
from poolkit.report import Report
from poolkit.text import plain
from poolkit.trace import Trace
from poolkit.watch.keys import BACKSPACE, KEYS
from poolkit.watch.saves import POLL


def no_keys() -> str:
    """What stands below the first lines where there is no terminal."""
    return "Each save is checked. Ctrl-C ends this."


def checking(exercise: Exercise) -> str:
    """What stands in the footer's place during a check."""
    return click.style(f"Checking {exercise.file_name} as it is now …", fg="yellow")


def tracing() -> str:
    """What stands in the footer's place while a trace is recorded."""
    return click.style("Running your app for the trace …", fg="yellow")


def footer() -> str:
    """The keys, in a line."""
    return "  ".join(f"{click.style(key, fg='cyan', bold=True)} {word}" for key, word in KEYS.items())


def heading(exercise: Exercise, shown: str) -> str:
    """What stands above everything but a report, which has its own."""
    return f"{click.style(exercise.id, bold=True)}  {exercise.title}\n{click.style(plain(shown), fg='bright_black')}\n"


def report(found: Report) -> str:
    """A check's report: the first failure in full, the rest a line each."""
    return formats.render("text", [found])


def after_pass(praise: str, following: Exercise | None, *, live: bool) -> str:
    """What is good, and what to do next."""
    said = "\n".join(_wrapped(praise))
    if following is None:
        return f"{said}\n{click.style('Every exercise has passed. Well done!', fg='green')}"
    go = f"Press {click.style('n', fg='cyan', bold=True)}" if live else f"Run `poolkit watch {following.id}`"
    return f"{said}\n{click.style('Passed.', fg='green')} {go} for {following.id}, {following.title}."


def beginning(readme: str, polled: str) -> str:
    """What to read first, and why saves are looked for, where they are."""
    return f"What to do is in {plain(readme)}." + (f"\n{polling(polled)}" if polled else "")


def polling(why: str) -> str:
    """How saves are found where the system does not tell of them."""
    return f"Saves are looked for {round(1 / POLL)} times a second: {plain(why)}."


def failed(problem: str) -> str:
    """What went wrong, where there is no report that could say it."""
    return click.style(plain(problem), fg="yellow")


def missing(exercise: Exercise, why: str, *, live: bool) -> str:
    """What to show when the learner's file is not there."""
    back = "press r" if live else f"`poolkit watch {exercise.id}` in a terminal, and r,"
    return failed(f"{exercise.file_name} cannot be read ({plain(why.lower())}).") + (
        f"\nIt is checked as soon as it is there again; {back} brings the stub back.\n"
    )


def hint(found: Hint) -> str:
    """One hint of several."""
    about = f", on what the last check found: {found.about}" if found.about else ""
    more = "This is the last one." if found.is_last else "Press h for the next one."
    text = "\n".join(part for line in found.text.splitlines() for part in _wrapped(line))
    return f"Hint {found.number} of {found.of}{about}\n\n{text}\n\n{click.style(more, fg='bright_black')}\n"


def trace(found: Trace) -> str:
    """A recorded run, step by step."""
    from poolkit import view
    from poolkit.timeline import alone

    return view.render("text", alone(found))


def exercises(course: Course, passed: Collection[str], current: str) -> str:
    """The exercises, with numbers to choose one by."""
    width = max(len(name) for name in course.ids)
    lines = []
    for number, entry in enumerate(course.about.exercises, 1):
        sign = click.style("✓", fg="green") if entry.id in passed else "·"
        mark = click.style(">", fg="cyan", bold=True) if entry.id == current else " "
        lines.append(f"{mark} {number:>3}  {sign} {entry.id:<{width}}  {entry.title}")
    return "\n".join(lines) + "\n"


def choosing(number: str) -> str:
    """What stands in the footer's place below the exercises."""
    return f"Type a number and press Enter to go there; Esc goes back.  {number}"


def typed(before: str, key: str, most: int) -> str:
    """Return what is typed of a number up to `most` after one more key."""
    if key == BACKSPACE:
        return before[:-1]
    return before + key if key in "0123456789" and len(before) < len(str(most)) else before


def sure_to_reset(exercise: Exercise) -> str:
    """The question before the stub is put back."""
    return f"Put {exercise.file_name} back as it was at first? Your version is kept.  y yes  n no"


def without_editor() -> str:
    """What to say where no editor is named."""
    return "No editor is named. Set one, such as `export EDITOR=nano`, and start `poolkit watch` again."


def _wrapped(line: str) -> list[str]:
    import textwrap

    inside = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, WIDTH, subsequent_indent=inside, break_on_hyphens=False) or [""]
