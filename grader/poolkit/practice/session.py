"""One sitting of practice: what is due is asked, and each answer is kept before it is judged aloud."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from poolkit.practice import missed
from poolkit.practice.bank import Bank
from poolkit.practice.deck import Deck, rating_of, reviewed
from poolkit.practice.due import Due, due
from poolkit.practice.store import Store
from poolkit.quiz import learner, score
from poolkit.quiz.answers import Answer, Answers
from poolkit.quiz.ask import Asking
from poolkit.quiz.learner import Sheet
from poolkit.quiz.result import QuestionResult
from poolkit.quiz.screen import Screen

SEEDS = 10_000


@dataclass(slots=True)
class _Sitting:
    """Asks, and writes down."""

    bank: Bank
    store: Store
    screen: Screen
    now: Callable[[], datetime]
    read: dict[str, int] = field(default_factory=dict)
    results: list[QuestionResult] = field(default_factory=list)

    def keep(self, answers: Answers) -> None:
        """Note hints at once, so that stopping after one does not make it unread."""
        more = {name: number for name, number in answers.hints.items() if number > self.read.get(name, 0)}
        if more:
            self.read |= more
            self._update(lambda deck: deck.with_hints(more))

    def judge(self, name: str, answer: Answer) -> QuestionResult:
        """Score an answer and keep it."""
        entry = self.bank.entries[name]
        result = score.score_question(entry.quiz, entry.question, answer, self.bank.folder)
        rating, when = rating_of(result), self.now()
        if rating is not None:
            self._update(lambda deck: reviewed(deck, name, rating, when))
        self.results.append(result)
        return result

    def _update(self, change: Callable[[Deck], Deck]) -> None:
        opened = self.store.update(change, self.now())
        if opened.notice:
            self.screen.problem(opened.notice)


def practise(
    bank: Bank,
    waiting: Sequence[Due],
    store: Store,
    screen: Screen,
    now: Callable[[], datetime],
    seed: int | None = None,
) -> tuple[QuestionResult, ...]:
    """Ask what is due; return what came of each question that was answered.

    Args:
        waiting: what to ask, at least one question.
        now: gives the time, aware.
        seed: of the order of choices; chosen when not given.

    Raises:
        UsageFault: the deck cannot be written.
    """
    sheet = _sheet(waiting)
    hints = {name: read for name, read in store.read(now()).deck.hints.items() if sheet.question(name)}
    seed = random.randrange(SEEDS) if seed is None else seed
    sitting = _Sitting(bank, store, screen, now, dict(hints))
    Asking(sheet, Answers(sheet.id, seed=seed, hints=hints), screen, sitting.keep, sitting.judge).run()
    return tuple(sitting.results)


def due_now(bank: Bank, store: Store, now: datetime, new: int) -> tuple[Due, ...]:
    """Return what is due by a store, in the order in which to ask it."""
    return due(bank, store.read(now).deck, missed.read(store.folder), now, new)


def _sheet(waiting: Sequence[Due]) -> Sheet:
    quizzes = {each.entry.quiz.id: learner.sheet(each.entry.quiz) for each in waiting}
    shown = [quizzes[each.entry.quiz.id].question(each.entry.question.id) for each in waiting]
    head = {learner.MARK: 1, "id": "practice", "title": "Practice", "pass": 0.0}
    return Sheet.model_validate({**head, "questions": shown})
