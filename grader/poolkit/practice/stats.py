"""How practice goes: what was asked, how much of it was retained, and what comes due."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from poolkit.practice.bank import Bank
from poolkit.practice.deck import AGAIN, Deck, Review
from poolkit.practice.due import Why, due

DAYS = 7


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    part: int
    of: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of a deck.

    `questions` are those of the quizzes, `begun` those of them that were answered before, `due` and `failed` those due
    now, new ones left out, and how many of these a failed check made due. `coming` are the days after today and how
    many come due on each by the schedule. `right` counts the answers that were right, with or without hints;
    `retained` and `lately` only those of them given a day or more after the one before to the same question: all of
    them, and those of the last 30 days.
    """

    questions: int
    begun: int
    due: int
    failed: int
    today: int
    coming: tuple[tuple[date, int], ...]
    right: Share
    retained: Share
    lately: Share


def stats(bank: Bank, deck: Deck, missed: Mapping[str, datetime], now: datetime) -> Stats:
    """Work out the figures; days are those of the time zone of `now`."""
    waiting = due(bank, deck, missed, now, 0)
    names = {each.entry.question.id for each in waiting}
    days = [
        card.due.astimezone(now.tzinfo).date()
        for name, card in deck.cards.items()
        if name in bank.entries and name not in names
    ]
    later = [now.date() + timedelta(days=number) for number in range(1, DAYS + 1)]
    spaced = list(_spaced(deck))
    return Stats(
        questions=len(bank.ids),
        begun=sum(name in deck.cards for name in bank.ids),
        due=len(waiting),
        failed=sum(each.why is Why.FAILED_CHECK for each in waiting),
        today=days.count(now.date()),
        coming=tuple((day, days.count(day)) for day in later),
        right=_share(deck.reviews),
        retained=_share(spaced),
        lately=_share([review for review in spaced if review.at > now - timedelta(days=30)]),
    )


def _spaced(deck: Deck) -> Iterator[Review]:
    """Give the answers that tell of memory: neither the first to a question, nor one within a day of another."""
    last: dict[str, datetime] = {}
    for review in sorted(deck.reviews, key=lambda review: review.at):
        before = last.get(review.question)
        if before is not None and review.at - before >= timedelta(days=1):
            yield review
        last[review.question] = review.at


def _share(reviews: list[Review]) -> Share:
    return Share(sum(review.rating != AGAIN for review in reviews), len(reviews))
