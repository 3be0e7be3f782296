"""Writes an item analysis: as tables for a terminal, or as CSV with a line for each kind of answer."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence

import click

from poolkit.quiz.analysis import ENOUGH, Analysis, Item, Picked
from poolkit.text import count, plain

WIDTH = 78
_COLUMNS = ("difficulty", "discrimination", "skipped")
_GROUPS = ("all", "top third", "bottom third")
_LEGEND = (
    "difficulty: the mean share of its points that a question earned; 1 means that everybody was right.",
    "discrimination: the correlation with the points of all other questions; below 0, those who know more are wrong "
    "more often.",
    "alpha: how well the questions go together, 1 at the most; standard error: how far points are from what the same "
    "learner would have on average.",
    "-: not defined, as everybody earned the same there, or there are too few learners or questions.",
)


def text(analyses: Sequence[Analysis]) -> str:
    """Return tables for people, with what the columns mean below them."""
    lines = [line for each in analyses for line in (*_analysis(each), "")]
    legend = [wrapped for each in _LEGEND for wrapped in textwrap.wrap(each, WIDTH, subsequent_indent="  ")]
    return "\n".join([*lines, *(click.style(line, fg="bright_black") for line in legend)]) + "\n"


def warning(analysis: Analysis) -> str | None:
    """Return what is to be known of numbers from so few learners, if they are few."""
    if not analysis.few:
        return None
    learners = count(analysis.learners, "learner")
    return f"{analysis.quiz}: {learners}, fewer than {ENOUGH}; in another class these numbers may differ a lot"


def _analysis(analysis: Analysis) -> Iterator[str]:
    yield f"{click.style(analysis.quiz, bold=True)}  {plain(analysis.title)}"
    of = f"{count(analysis.learners, 'learner')}, {count(len(analysis.items), 'question')}"
    yield f"{of}; {analysis.mean:.2f} of {analysis.max_points} points on average, spread {_number(analysis.spread)}"
    error = "-" if analysis.error is None else f"{analysis.error:.2f} points"
    yield f"alpha {_number(analysis.alpha)}, standard error {error}"
    if said := warning(analysis):
        yield from (click.style(line, fg="yellow") for line in textwrap.wrap(said, WIDTH))
    yield ""
    yield click.style(f"  {'':44}{_COLUMNS[0]:>10}{_COLUMNS[1]:>15}{_COLUMNS[2]:>9}", fg="bright_black")
    for item in analysis.items:
        values = f"{item.difficulty:>10.2f}{_number(item.discrimination):>15}{_percent(item.skipped):>9}"
        yield click.style(f"  {plain(item.id, 43):<44}{values}", fg="yellow" if _odd(item) else None)
    for item in analysis.items:
        yield ""
        yield from _shares(item)


def _odd(item: Item) -> bool:
    return item.discrimination is not None and round(item.discrimination, 2) < 0


def _shares(item: Item) -> Iterator[str]:
    yield click.style(item.id, bold=True)
    yield "  " + textwrap.shorten(plain(item.prompt), WIDTH - 2, placeholder="…")
    if _odd(item):
        yield click.style("  Those who know more are wrong more often here: look at the key.", fg="yellow")
    yield click.style(f"  {'':39}{_GROUPS[0]:>6}  {_GROUPS[1]:>11}  {_GROUPS[2]:>14}", fg="bright_black")
    for each in item.picked:
        yield _picked(each)


def _picked(picked: Picked) -> str:
    sign = click.style("✓", fg="green") if picked.right else " "
    said = textwrap.shorten(plain(picked.text), 37, placeholder="…")
    shares = f"{_percent(picked.share):>6}  {_percent(picked.top):>11}  {_percent(picked.bottom):>14}"
    return f"  {sign} {said:<37}{shares}"


def table(analyses: Sequence[Analysis]) -> str:
    """Return CSV (RFC 4180, line ends of `\\n`): a line for each kind of answer, with its question and its quiz."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _FIELDS, lineterminator="\n")
    writer.writeheader()
    for analysis in analyses:
        for item in analysis.items:
            writer.writerows(_row(analysis, item, picked) for picked in item.picked)
    return file.getvalue()


_FIELDS = (
    *("quiz", "learners", "mean", "max_points", "spread", "alpha", "standard_error"),
    *("question", "type", "points", "difficulty", "discrimination", "skipped"),
    *("choice", "text", "right", "share", "share_top", "share_bottom"),
)


def _row(analysis: Analysis, item: Item, picked: Picked) -> dict[str, object]:
    return {
        "quiz": analysis.quiz,
        "learners": analysis.learners,
        "mean": _cell(analysis.mean),
        "max_points": analysis.max_points,
        "spread": _cell(analysis.spread),
        "alpha": _cell(analysis.alpha),
        "standard_error": _cell(analysis.error),
        "question": item.id,
        "type": item.type,
        "points": item.points,
        "difficulty": _cell(item.difficulty),
        "discrimination": _cell(item.discrimination),
        "skipped": _cell(item.skipped),
        "choice": picked.id,
        "text": _harmless(plain(picked.text)),
        "right": int(picked.right),
        "share": _cell(picked.share),
        "share_top": _cell(picked.top),
        "share_bottom": _cell(picked.bottom),
    }


def _cell(value: float | None) -> str:
    """Return a number with a point; nothing where it is not defined, which programs read as missing."""
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def _harmless(text: str) -> str:
    # A spreadsheet would work it out (https://owasp.org/www-community/attacks/CSV_Injection).
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _number(value: float | None) -> str:
    # + 0, as a correlation of -1e-17 is none, and no negative one.
    return "-" if value is None else f"{round(value, 2) + 0:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.0f} %"
