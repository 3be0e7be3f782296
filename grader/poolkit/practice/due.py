"""What is due: questions about what a check has failed on, then those about to be forgotten, then a few new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from poolkit.practice.bank import Bank, Entry
from poolkit.practice.deck import KNOWN, Card, Deck


class Why(StrEnum):
    """Why a question is due."""

    FAILED_CHECK = "failed check"
    SCHEDULE = "schedule"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Due:
    """A question that is due; `since` when, None for a new one."""

    entry: Entry
    why: Why
    since: datetime | None = None


def due(bank: Bank, deck: Deck, missed: Mapping[str, datetime], now: datetime, new: int) -> tuple[Due, ...]:
    """Return what is due, in the order in which to ask it.

    Args:
        missed: when a failed check last showed each misconception.
        now: aware; days begin at its zone's midnight.
        new: how many questions to begin with on one day. Those that a failed check brings count, and come anyway.
    """
    failed: list[Due] = []
    scheduled: list[Due] = []
    fresh: list[Due] = []
    for name in bank.ids:
        entry, card = bank.entries[name], deck.cards.get(name)
        shown = _shown(entry, card, missed, now)
        if shown is not None:
            failed.append(Due(entry, Why.FAILED_CHECK, shown))
        elif card is None:
            fresh.append(Due(entry, Why.NEW))
        elif is_due(card, now):
            scheduled.append(Due(entry, Why.SCHEDULE, card.due))
    # Sorting keeps the course's order among equals.
    failed.sort(key=lambda each: each.since or now, reverse=True)
    scheduled.sort(key=lambda each: each.since or now)
    brought = sum(each.entry.question.id not in deck.cards for each in failed)
    left = max(0, new - begun_on(deck, now.date(), now) - brought)
    return (*failed, *scheduled, *fresh[:left])


def is_due(card: Card, now: datetime) -> bool:
    """Whether the schedule asks for a card: one that is known from the beginning of its day, others to the minute.

    Somebody who practises at nine on one day and shortly before on a later one finds what is due that day.
    """
    return card.due <= now or (card.state == KNOWN and card.due.astimezone(now.tzinfo).date() <= now.date())


def begun_on(deck: Deck, day: date, now: datetime) -> int:
    """Return how many questions were answered for the first time on a day of the time zone of `now`."""
    first: dict[str, datetime] = {}
    for review in deck.reviews:
        first[review.question] = min(review.at, first.get(review.question, review.at))
    return sum(at.astimezone(now.tzinfo).date() == day for at in first.values())


def _shown(entry: Entry, card: Card | None, missed: Mapping[str, datetime], now: datetime) -> datetime | None:
    """Return when a check last showed what a question is about, None when it was answered since."""
    # A time to come is a clock that was put back: it must not keep a question due for ever.
    times = [missed[name] for name in entry.misconceptions if name in missed and missed[name] <= now]
    last = max(times, default=None)
    return None if last is None or (card is not None and card.last_review >= last) else last
