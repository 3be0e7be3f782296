"""The deck: what a learner has been asked, how it went, and when each question is due again, as FSRS has it.

FSRS (https://github.com/open-spaced-repetition/py-fsrs) models how well something is remembered and asks again when
the chance of knowing it has sunk to 90 %. The deck holds its state for each question, and a log of all answers, from
which that state could be worked out anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AwareDatetime, Field, model_validator

from poolkit.quiz.model import Id, Strict
from poolkit.quiz.result import Outcome, QuestionResult

if TYPE_CHECKING:
    import fsrs

MARK = "poolkit_practice"
MOST_REVIEWS = 20_000
"""Older ones go, so that the file stays small enough to be written at each answer."""

AGAIN: Final = 1
HARD: Final = 2
GOOD: Final = 3
EASY: Final = 4
KNOWN = 2
"""The state of a card that is learned."""

Rating = Literal[1, 2, 3, 4]

_STEPS = (timedelta(minutes=10),)


class Card(Strict):
    """What FSRS knows of one question.

    `state` is 1 while it is learned, 2 when it is known, 3 while it is learned anew; `step` counts within 1 and 3.
    `stability` is in days: after so many, the chance of knowing it is 90 %. `difficulty` is from 1 to 10.
    """

    state: Literal[1, 2, 3]
    step: int | None = Field(ge=0, le=100)
    stability: float = Field(gt=0, le=100_000)
    difficulty: float = Field(ge=1, le=10)
    due: AwareDatetime
    last_review: AwareDatetime

    @model_validator(mode="after")
    def _has_a_step_while_it_is_learned(self) -> Card:
        if (self.step is None) != (self.state == KNOWN):
            raise ValueError("a card has a step while it is learned, and else none")
        return self


class Review(Strict):
    """An answer: when it was given, and how it was rated, from 1 (again) to 4 (easy)."""

    question: Id
    at: AwareDatetime
    rating: Rating


class Deck(Strict):
    """Cards by the ids of their questions; reviews, the oldest first; hints that were read and not answered since."""

    poolkit_practice: Literal[1] = 1
    cards: dict[Id, Card] = Field(default_factory=dict, max_length=100_000)
    reviews: list[Review] = Field(default_factory=list)
    hints: dict[Id, Annotated[int, Field(ge=0, le=99)]] = Field(default_factory=dict, max_length=100_000)

    def with_hints(self, read: Mapping[str, int]) -> Deck:
        """Return the deck with hints noted as read."""
        return self.model_copy(update={"hints": {**self.hints, **read}})


def rating_of(result: QuestionResult) -> Rating | None:
    """Return what an answer tells FSRS of the learner's memory, None when it tells nothing.

    Wrong, or right in part only: again; FSRS counts "hard" as remembered. Right after a hint: hard. Right: good.
    Right, said to be sure, without a hint: easy. Skipped: no answer, so that the question stays due.
    """
    match result.outcome:
        case Outcome.SKIPPED:
            return None
        case Outcome.WRONG | Outcome.PARTLY:
            return AGAIN
        case Outcome.RIGHT if result.hints:
            return HARD
        case Outcome.RIGHT:
            return EASY if result.confidence == "sure" else GOOD


def reviewed(deck: Deck, question: str, rating: Rating, when: datetime) -> Deck:
    """Return the deck after an answer.

    Args:
        when: the time of the answer, aware.
    """
    import fsrs

    # One step, so that what was known comes back after days and what was not after minutes. No chance in it: two
    # learners who answer alike are asked alike.
    scheduler = fsrs.Scheduler(learning_steps=_STEPS, relearning_steps=_STEPS, enable_fuzzing=False)
    at = when.astimezone(UTC)
    before = deck.cards.get(question)
    card, _ = scheduler.review_card(_to_fsrs(before, at), fsrs.Rating(rating), at)
    assert card.stability is not None
    assert card.difficulty is not None
    after = Card(
        state=card.state.value,
        step=card.step,
        stability=card.stability,
        difficulty=card.difficulty,
        due=card.due,
        last_review=at,
    )
    return deck.model_copy(
        update={
            "cards": {**deck.cards, question: after},
            "reviews": [*deck.reviews, Review(question=question, at=at, rating=rating)][-MOST_REVIEWS:],
            "hints": {name: read for name, read in deck.hints.items() if name != question},
        }
    )


def _to_fsrs(card: Card | None, now: datetime) -> fsrs.Card:
    import fsrs

    if card is None:
        # A number, as fsrs would otherwise wait to make one of the time.
        return fsrs.Card(card_id=0, due=now)
    return fsrs.Card(0, fsrs.State(card.state), card.step, card.stability, card.difficulty, card.due, card.last_review)
