"""What practice says in a terminal, and without one: lines, which the command prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import click

from poolkit.practice.bank import Bank
from poolkit.practice.deck import Deck
from poolkit.practice.due import Due, Why, is_due
from poolkit.practice.stats import Share, Stats
from poolkit.quiz.result import Outcome, QuestionResult
from poolkit.text import count, plain

WIDTH = 78
_LABEL = 12


def listed(waiting: Sequence[Due], now: datetime) -> Iterator[str]:
    """Give a line for each question that is due: why, its id, and how it begins."""
    width = max((len(each.entry.question.id) for each in waiting), default=0)
    for each in waiting:
        begins = f"{_why(each, now):<15}{each.entry.question.id:<{width}}  "
        room = max(20, WIDTH - len(begins))
        yield begins + textwrap.shorten(plain(each.entry.question.prompt), room, placeholder="…")


def _why(each: Due, now: datetime) -> str:
    if each.why is Why.SCHEDULE and each.since is not None:
        days = (now.date() - each.since.astimezone(now.tzinfo).date()).days
        return f"due {count(days, 'day')}" if days > 0 else "due today"
    return each.why.value


def opening(waiting: Sequence[Due]) -> str:
    """Return what a sitting begins with: how many questions, and why."""
    times = {why: sum(each.why is why for each in waiting) for why in Why}
    words = {Why.FAILED_CHECK: "after a failed check", Why.SCHEDULE: "to refresh", Why.NEW: "new"}
    parts = ", ".join(f"{number} {words[why]}" for why, number in times.items() if number)
    return f"{count(len(waiting), 'question')}: {parts}. Type ? for help, q to stop."


def closing(results: Sequence[QuestionResult]) -> str:
    """Return how a sitting went, "" when nothing was answered."""
    if not results:
        return ""
    words = ((Outcome.RIGHT, "right"), (Outcome.PARTLY, "partly right"), (Outcome.WRONG, "not right"))
    numbers = [(sum(result.outcome is outcome for result in results), word) for outcome, word in words]
    parts = ", ".join(f"{number} {word}" for number, word in numbers if number)
    return f"{count(len(results), 'answer')}: {parts}."


def upcoming(bank: Bank, deck: Deck, waiting: Sequence[Due], now: datetime) -> str:
    """Return how many questions are still due, else when the schedule asks again, or how to begin."""
    if waiting:
        return f"{count(len(waiting), 'question')} still due. Run the same command to go on."
    times = [card.due for name, card in deck.cards.items() if name in bank.entries and not is_due(card, now)]
    left = sum(name not in deck.cards for name in bank.ids)
    new = f" {count(left, 'question')} you have not met yet; --new N asks more of them." if left else ""
    if not times:
        return new.strip() or "There is no question to practise."
    first = min(times)
    return f"The next question comes {_when(first, now)}.{new}"


def _when(then: datetime, now: datetime) -> str:
    days = (then.astimezone(now.tzinfo).date() - now.date()).days
    if days > 1:
        return f"in {count(days, 'day')}"
    if then - now >= timedelta(hours=12) or (days and then - now >= timedelta(hours=1)):
        return "tomorrow" if days else "later today"
    minutes = max(1, -(-int((then - now).total_seconds()) // 60))
    return f"in {count(minutes, 'minute')}" if minutes < 90 else f"in {count(round(minutes / 60), 'hour')}"


def figures(stats: Stats, now: datetime) -> Iterator[str]:
    """Give the figures of `--stats`, each with how it was worked out."""
    unmet = stats.questions - stats.begun
    yield _line("Questions", f"{stats.begun} of {stats.questions} met, {unmet} new")
    after = f", {stats.failed} of them after a failed check" if stats.failed else ""
    yield _line("Due now", f"{stats.due}{after}")
    if stats.today:
        yield _line("", f"{stats.today} more later today")
    most = max((number for _, number in stats.coming), default=0)
    for index, (day, number) in enumerate(stats.coming):
        bar = click.style("█" * (number if most <= 40 else round(number * 40 / most)), fg="cyan") if number else ""
        label = "Next 7 days" if index == 0 else ""
        yield _line(label, f"{day:%a} {day.isoformat()} {number:>4} {bar}".rstrip())
    yield _line("Answers", f"{_share(stats.right)} right")
    yield _line("Retention", f"{_share(stats.retained)} right; in the last 30 days {_share(stats.lately)}")
    note = (
        "Retention counts answers given a day or more after the one before to the same question; right in part is "
        "not right. The schedule aims at 90 %."
    )
    yield ""
    yield from (click.style(line, fg="bright_black") for line in textwrap.wrap(note, WIDTH))


def _line(label: str, text: str) -> str:
    return f"{click.style(f'{label:<{_LABEL}}', fg='cyan')} {text}" if label else f"{'':{_LABEL}} {text}"


def _share(share: Share) -> str:
    if not share.of:
        return "0 of 0"
    return f"{share.part} of {share.of} ({100 * share.part / share.of:.0f} %)"
