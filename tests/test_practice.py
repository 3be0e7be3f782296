"""`poolkit.practice`: what is due and when, what an answer changes, and what outlasts crashes and strange files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from io import StringIO
from pathlib import Path

import pytest
from quizzing import make_course
from rich.console import Console

from poolkit.errors import UsageFault
from poolkit.practice import bank, missed, session, text
from poolkit.practice.bank import Bank
from poolkit.practice.deck import AGAIN, EASY, GOOD, HARD, KNOWN, MOST_REVIEWS, Deck, Rating, rating_of, reviewed
from poolkit.practice.due import Why, due
from poolkit.practice.stats import Share, stats
from poolkit.practice.store import MAX_BYTES, Store
from poolkit.quiz.result import Outcome, QuestionResult
from poolkit.quiz.screen import Screen
from poolkit.report import Assurance, CheckReport, Report, Status

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
IDS = ("small.single", "small.multi", "small.truth", "small.order", "small.number")
DAY = timedelta(days=1)


@pytest.fixture
def questions(tmp_path: Path) -> Bank:
    """The small quiz's questions; the first and the last are about `off-by-one`."""
    return bank.read(make_course(tmp_path / "course"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Where nothing is kept yet."""
    return Store(tmp_path / "practice")


def answered(*given: tuple[str, Rating, datetime]) -> Deck:
    """Return a deck after answers: question, rating, time."""
    deck = Deck()
    for question, rating, when in given:
        deck = reviewed(deck, question, rating, when)
    return deck


def result(outcome: Outcome, *, hints: int = 0, sure: bool = False) -> QuestionResult:
    """Return what came of a question."""
    confidence = "sure" if sure else None
    return QuestionResult("q", "p", outcome, Fraction(0), 1, (), (), hints=hints, confidence=confidence)


def report(status: Status, misconception: str | None) -> Report:
    """Return a report of one check."""
    check = CheckReport("c", "t", status, 0, 1, misconception=misconception)
    return Report("limit-1", "t", "app.py", 1, (check,), Assurance(), 0.1)


def names(waiting: object) -> list[str]:
    """Return the ids of questions that are due."""
    assert isinstance(waiting, tuple)
    return [each.entry.question.id for each in waiting]


# --- what an answer tells ---


@pytest.mark.parametrize(
    ("given", "rating"),
    [
        (result(Outcome.WRONG), AGAIN),
        (result(Outcome.WRONG, sure=True), AGAIN),
        (result(Outcome.PARTLY), AGAIN),
        (result(Outcome.RIGHT, hints=1), HARD),
        (result(Outcome.RIGHT, hints=1, sure=True), HARD),
        (result(Outcome.RIGHT), GOOD),
        (result(Outcome.RIGHT, sure=True), EASY),
        (result(Outcome.SKIPPED), None),
    ],
)
def test_an_answer_is_rated_as_the_readme_says(given: QuestionResult, rating: int | None) -> None:
    """Nothing that was not remembered counts as remembered."""
    assert rating_of(given) == rating


def test_wrong_comes_again_after_minutes_and_right_after_days() -> None:
    """Each right answer to a question that was due makes the next wait longer, a wrong one makes it minutes again."""
    wrong = answered(("q", AGAIN, NOW)).cards["q"]
    assert wrong.due - NOW == timedelta(minutes=10)
    when, waits = NOW, []
    deck = Deck()
    for _ in range(5):
        deck = reviewed(deck, "q", GOOD, when)
        waits.append(deck.cards["q"].due - when)
        when = deck.cards["q"].due
    assert waits[0] >= DAY
    assert waits == sorted(set(waits))
    assert reviewed(deck, "q", AGAIN, when).cards["q"].due - when == timedelta(minutes=10)


def test_the_log_has_every_answer_and_stays_within_bounds() -> None:
    """The oldest ones go first."""
    deck = answered(("q", AGAIN, NOW), ("r", GOOD, NOW + DAY))
    assert [(each.question, each.rating, each.at) for each in deck.reviews] == [("q", 1, NOW), ("r", 3, NOW + DAY)]
    full = deck.model_copy(update={"reviews": [deck.reviews[0]] * MOST_REVIEWS})
    more = reviewed(full, "r", GOOD, NOW + 2 * DAY)
    assert len(more.reviews) == MOST_REVIEWS
    assert more.reviews[-1].question == "r"


def test_a_clock_that_was_put_back_breaks_nothing() -> None:
    """An answer before the last one is taken."""
    deck = answered(("q", GOOD, NOW), ("q", GOOD, NOW - 40 * DAY))
    assert len(deck.reviews) == 2


# --- what is due ---


def test_new_questions_come_a_few_a_day_in_the_courses_order(questions: Bank) -> None:
    """Those that were begun that day count; the next day brings others."""
    assert names(due(questions, Deck(), {}, NOW, 2)) == ["small.single", "small.multi"]
    deck = answered(("small.single", EASY, NOW))
    later = NOW + timedelta(hours=1)
    assert names(due(questions, deck, {}, later, 2)) == ["small.multi"]
    assert names(due(questions, deck, {}, later, 0)) == []
    assert names(due(questions, deck, {}, NOW + DAY, 2)) == ["small.multi", "small.truth"]


def test_what_is_longest_due_comes_first_and_before_what_is_new(questions: Bank) -> None:
    """And what is not due yet does not come."""
    deck = answered(("small.truth", AGAIN, NOW - timedelta(hours=1)), ("small.multi", AGAIN, NOW - DAY))
    deck = reviewed(deck, "small.order", AGAIN, NOW - timedelta(minutes=9))
    found = due(questions, deck, {}, NOW, 3)
    assert names(found) == ["small.multi", "small.truth", "small.single"]
    assert [each.why for each in found] == [Why.SCHEDULE, Why.SCHEDULE, Why.NEW]


def test_what_is_known_is_due_from_the_beginning_of_its_day(questions: Bank) -> None:
    """Somebody who comes a little earlier in the day than last time finds it."""
    deck = answered(("small.multi", GOOD, NOW))
    card = deck.cards["small.multi"]
    assert card.state == KNOWN
    assert names(due(questions, deck, {}, card.due - timedelta(hours=8), 0)) == ["small.multi"]
    assert names(due(questions, deck, {}, card.due - timedelta(hours=10), 0)) == []


def test_a_failed_check_makes_questions_due_until_they_are_answered(questions: Bank) -> None:
    """Those whose wrong answers show its misconception: first of all, however new, however well known."""
    deck = answered(("small.single", EASY, NOW), ("small.truth", AGAIN, NOW))
    shown = {"off-by-one": NOW + timedelta(hours=1), "another": NOW}
    then = NOW + timedelta(hours=2)
    found = due(questions, deck, shown, then, 0)
    assert names(found) == ["small.single", "small.number", "small.truth"]
    assert [each.why for each in found] == [Why.FAILED_CHECK, Why.FAILED_CHECK, Why.SCHEDULE]
    deck = reviewed(deck, "small.single", GOOD, then)
    assert names(due(questions, deck, shown, then + timedelta(minutes=1), 0)) == ["small.number", "small.truth"]


def test_questions_that_a_check_brings_count_as_new(questions: Bank) -> None:
    """A bad day at the exercises does not double the questions."""
    found = due(questions, Deck(), {"off-by-one": NOW}, NOW, 3)
    assert names(found) == ["small.single", "small.number", "small.multi"]


def test_a_check_in_the_future_makes_nothing_due(questions: Bank) -> None:
    """A clock that was put back would keep its questions due for ever."""
    assert due(questions, Deck(), {"off-by-one": NOW + DAY}, NOW, 0) == ()


def test_cards_of_questions_that_are_gone_are_kept_and_not_asked(questions: Bank) -> None:
    """They may be another course's."""
    deck = answered(("other.question", AGAIN, NOW - DAY))
    assert due(questions, deck, {}, NOW, 0) == ()
    assert stats(questions, deck, {}, NOW).begun == 0


def test_every_type_of_question_tells_its_misconceptions(tmp_path: Path) -> None:
    """Those of choices, of a statement's wrong side and of wrong numbers."""
    course = make_course(tmp_path / "course")
    path = course.root / "quizzes" / "small.yaml"
    written = path.read_text()
    path.write_text(written.replace('feedback: "One is one."}', 'feedback: "No.", misconception: off-by-one}'))
    entries = bank.read(course).entries
    assert [name for name in IDS if entries[name].misconceptions] == ["small.single", "small.truth", "small.number"]


# --- what checks note ---


def test_only_what_a_failed_check_has_shown_is_noted(tmp_path: Path) -> None:
    """At the time of the check; a name that is none, and would lie elsewhere, is left out."""
    missed.note([report(Status.FAIL, "never-returned"), report(Status.PASS, "passed-it")], NOW, tmp_path)
    missed.note([report(Status.FAIL, "../escaped"), report(Status.NOT_REACHED, "later")], NOW, tmp_path)
    missed.note([report(Status.FAIL, None), report(Status.FAIL, "a" * 300)], NOW, tmp_path)
    assert missed.read(tmp_path) == {"never-returned": NOW}
    missed.note([report(Status.FAIL, "never-returned")], NOW + DAY, tmp_path)
    assert missed.read(tmp_path) == {"never-returned": NOW + DAY}


def test_a_home_that_cannot_be_written_does_not_fail_a_check(tmp_path: Path) -> None:
    """Nothing is noted, and nothing is said."""
    (tmp_path / "file").write_text("not a folder")
    missed.note([report(Status.FAIL, "never-returned")], NOW, tmp_path / "file")
    assert missed.read(tmp_path / "file") == {}


# --- what is kept ---


def test_a_deck_comes_back_as_it_was_kept(store: Store) -> None:
    """With its version in its file; reading alone makes no file."""
    assert store.read(NOW).deck == Deck()
    assert not store.folder.exists()
    deck = answered(("small.truth", GOOD, NOW), ("small.order", AGAIN, NOW)).with_hints({"small.multi": 1})
    store.update(lambda _: deck, NOW)
    assert store.read(NOW).deck == deck
    assert json.loads(store.path.read_text())["poolkit_practice"] == 1


def _changed(change: Callable[[dict[str, dict[str, dict[str, object]]]], object]) -> bytes:
    data = json.loads(answered(("small.truth", GOOD, NOW)).model_dump_json())
    change(data)
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b'{"poolkit_practice": 1, "cards": {', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "this poolkit knows version 1"),
        (b'{"poolkit_practice": 2, "cards": []}', "poolkit_practice is 2, and this poolkit knows version 1"),
        (_changed(lambda data: data["cards"]["small.truth"].update(stability=-1)), "`cards.small.truth.stability`"),
        (_changed(lambda data: data["cards"]["small.truth"].update(due="2026-11-22T09:00:00")), "timezone"),
        (_changed(lambda data: data["cards"]["small.truth"].update(step=0)), "a card has a step"),
        (_changed(lambda data: data.update(extra={})), "`extra`"),
        (b" " * (MAX_BYTES + 1), "over 16 MiB"),
    ],
)
def test_a_file_that_is_no_deck_is_kept_aside(store: Store, content: bytes, why: str) -> None:
    """One line says why and where; practice goes on with an empty deck, and says nothing the next time."""
    store.folder.mkdir()
    store.path.write_bytes(content)
    opened = store.read(NOW)
    assert opened.deck == Deck()
    assert why in opened.notice
    assert "\n" not in opened.notice
    [aside] = store.folder.glob("deck-unreadable-*")
    assert aside.name == "deck-unreadable-2026-11-22T09-00-00.json"
    assert aside.name in opened.notice
    assert aside.read_bytes() == content
    assert store.read(NOW).notice == ""


def test_two_of_the_same_second_are_both_kept(store: Store) -> None:
    """Also when the first to see it is about to write."""
    store.folder.mkdir()
    store.path.write_text("one")
    assert "kept as" in store.update(lambda deck: deck, NOW).notice
    store.path.write_text("two")
    store.read(NOW)
    assert sorted(path.read_text() for path in store.folder.glob("deck-unreadable-*")) == ["one", "two"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With what to do about it."""
    (tmp_path / "practice").write_text("a file")
    with pytest.raises(UsageFault, match="cannot be .*; mend that and run it again"):
        Store(tmp_path / "practice").update(lambda deck: deck, NOW)


WRITER = """\
import sys
from datetime import UTC, datetime
from pathlib import Path
from poolkit.practice.deck import reviewed
from poolkit.practice.store import Store

store, name, now = Store(Path(sys.argv[1])), sys.argv[2], datetime(2026, 11, 22, tzinfo=UTC)
sys.stdin.readline()
for number in range(25):
    store.update(lambda deck: reviewed(reviewed(deck, name, 3, now), "both", 3, now), now)
"""


def test_two_processes_lose_no_answer(store: Store) -> None:
    """They write at the same time, to cards of their own and to the same one."""
    command = [sys.executable, "-c", WRITER, str(store.folder)]
    writers = [subprocess.Popen([*command, name], stdin=subprocess.PIPE, text=True) for name in ("one", "two")]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    found = [review.question for review in store.read(NOW).deck.reviews]
    assert {name: found.count(name) for name in ("one", "two", "both")} == {"one": 25, "two": 25, "both": 50}


# --- a sitting ---


class Typist:
    """Answers like somebody at a terminal, each line when it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
        self._lines = iter(lines)
        self.written = StringIO()
        self.screen = Screen(Console(file=self.written, width=80, highlight=False))
        monkeypatch.setattr("builtins.input", self._next)

    def _next(self) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            raise EOFError from None


def test_a_sitting_asks_what_is_due_and_keeps_each_answer(
    questions: Bank, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scored as the quiz scores it, told at once; what is skipped stays due."""
    waiting = due(questions, Deck(), {}, NOW, 5)
    typist = Typist(monkeypatch, "s", "s", "f!", "s", "3")
    results = session.practise(questions, waiting, store, typist.screen, lambda: NOW, seed=1)
    assert [(each.id, each.outcome) for each in results] == [
        ("small.truth", Outcome.RIGHT),
        ("small.number", Outcome.WRONG),
    ]
    assert "That is both of them." in typist.written.getvalue()
    assert text.closing(results) == "2 answers: 1 right, 1 not right."
    assert [(each.question, each.rating) for each in store.read(NOW).deck.reviews] == [
        ("small.truth", EASY),
        ("small.number", AGAIN),
    ]
    left = session.due_now(questions, store, NOW + timedelta(minutes=10), 5)
    assert names(left) == ["small.number", "small.single", "small.multi", "small.order"]


def test_a_hint_counts_in_a_later_sitting(questions: Bank, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping after a hint does not make it unread; an answer does."""
    waiting = due(questions, Deck(), {}, NOW, 1)
    session.practise(questions, waiting, store, Typist(monkeypatch, "h", "q").screen, lambda: NOW, seed=1)
    assert store.read(NOW).deck.hints == {"small.single": 1}
    assert store.read(NOW).deck.reviews == []
    typist = Typist(monkeypatch, "h", *"123")
    [found] = session.practise(questions, waiting, store, typist.screen, lambda: NOW, seed=1)
    assert "Hint 2 of 2" in typist.written.getvalue()
    assert found.hints == 2
    assert store.read(NOW).deck.hints == {}


def test_an_answer_is_kept_before_it_is_judged_aloud(
    questions: Bank, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sees a verdict and closes the window has answered."""
    typist = Typist(monkeypatch, "s", "s", "t")
    when_shown: list[int] = []
    lines = typist.screen.lines

    def shown(what: list[str]) -> None:
        when_shown.append(len(store.read(NOW).deck.reviews))
        lines(what)

    monkeypatch.setattr(typist.screen, "lines", shown)
    session.practise(questions, due(questions, Deck(), {}, NOW, 3), store, typist.screen, lambda: NOW, seed=1)
    assert when_shown == [1]


# --- the figures ---


def test_retention_counts_answers_a_day_apart(questions: Bank) -> None:
    """Neither the first answer to a question, nor one soon after another, tells what was retained."""
    deck = answered(
        ("small.truth", GOOD, NOW - 60 * DAY),
        ("small.truth", GOOD, NOW - 60 * DAY + timedelta(hours=2)),
        ("small.truth", AGAIN, NOW - 50 * DAY),
        ("small.truth", HARD, NOW - 3 * DAY),
        ("small.order", AGAIN, NOW - 2 * DAY),
    )
    found = stats(questions, deck, {}, NOW)
    assert found.right == Share(3, 5)
    assert found.retained == Share(1, 2)
    assert found.lately == Share(1, 1)
    assert (found.questions, found.begun) == (5, 2)


def test_what_comes_due_is_counted_by_days(questions: Bank) -> None:
    """What is due already stands apart, with what a failed check made due; new questions are none of it."""
    deck = answered(
        ("small.truth", GOOD, NOW),
        ("small.order", AGAIN, NOW),
        ("small.multi", AGAIN, NOW - DAY),
        ("small.number", EASY, NOW - DAY),
    )
    found = stats(questions, deck, {"off-by-one": NOW}, NOW)
    assert (found.due, found.failed, found.today) == (3, 2, 1)
    wait = (deck.cards["small.truth"].due.date() - NOW.date()).days
    assert 1 <= wait <= 7
    assert [number for _, number in found.coming] == [int(day == wait) for day in range(1, 8)]
    assert found.coming[0][0] == (NOW + DAY).date()


def test_the_figures_say_how_they_were_worked_out(questions: Bank) -> None:
    """In lines of 80 columns; nothing is divided by none."""
    deck = answered(("small.truth", GOOD, NOW - 9 * DAY), ("small.truth", GOOD, NOW))
    lines = list(text.figures(stats(questions, deck, {}, NOW), NOW))
    assert any("1 of 1 (100 %) right; in the last 30 days 1 of 1 (100 %)" in line for line in lines)
    assert "answers given a day or more after the one before" in " ".join(lines)
    empty = list(text.figures(stats(questions, Deck(), {}, NOW), NOW))
    assert any("0 of 0 right" in line for line in empty)


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (timedelta(seconds=30), "in 1 minute"),
        (timedelta(minutes=10), "in 10 minutes"),
        (timedelta(hours=3), "in 3 hours"),
        (timedelta(hours=14), "later today"),
        (timedelta(hours=16), "tomorrow"),
        (3 * DAY, "in 3 days"),
    ],
)
def test_the_next_question_is_announced(questions: Bank, wait: timedelta, said: str) -> None:
    """In words that fit the wait."""
    deck = answered(("small.truth", AGAIN, NOW))
    card = deck.cards["small.truth"].model_copy(update={"due": NOW + wait})
    deck = deck.model_copy(update={"cards": {"small.truth": card}})
    assert text.upcoming(questions, deck, (), NOW).startswith(f"The next question comes {said}. 4 questions you")


def test_what_an_author_wrote_is_listed_as_plain_text(questions: Bank) -> None:
    """A prompt cannot steer the terminal, and a line fits it."""
    entry = questions.entries["small.truth"]
    odd = entry.question.model_copy(update={"prompt": "\x1b[2J\u202e" + "word " * 40})
    [each] = due(questions, answered(("small.truth", AGAIN, NOW - 3 * DAY)), {}, NOW, 0)
    [line] = text.listed([replace(each, entry=replace(entry, question=odd))], NOW)
    assert line.startswith("due 3 days     small.truth  \\u202eword word")
    assert "\x1b" not in line
    assert len(line) <= 78
