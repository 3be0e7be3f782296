"""`poolkit.quiz.score`: worked by hand, and what must hold whatever is answered."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quizzing import RIGHT, small

from poolkit.quiz import answers, credit, learner
from poolkit.quiz.answers import Answer, Answers
from poolkit.quiz.model import Credit, Quiz
from poolkit.quiz.result import Outcome, number
from poolkit.quiz.rules import near
from poolkit.quiz.score import score

NET, ALL, COVERAGE, EACH = Credit


@pytest.fixture
def quiz(tmp_path: Path) -> Quiz:
    """The small quiz."""
    return small(tmp_path / "course")[1]


# --- worked by hand: c = 2 right choices (a, b) among n = 5 ---


@pytest.mark.parametrize(
    ("ticked", "net", "nothing_or_all", "coverage", "each"),
    [
        ("ab", 1, 1, 1, 1),
        ("a", "1/2", 0, "1/2", "4/5"),  # t 1, f 0: 1/2; 1/2 x 1; 1 + 3 of 5
        ("abc", "1/2", 0, "2/3", "4/5"),  # t 2, f 1: 1/2; 1 x 2/3; 2 + 2 of 5
        ("ac", 0, 0, "1/4", "3/5"),  # t 1, f 1: 0; 1/2 x 1/2; 1 + 2 of 5
        ("abcd", 0, 0, "1/2", "3/5"),  # t 2, f 2: 0; 1 x 2/4; 2 + 1 of 5
        ("abcde", 0, 0, "2/5", "2/5"),  # t 2, f 3: -1/2, at least 0; 1 x 2/5; 2 + 0 of 5
        ("c", 0, 0, 0, "2/5"),  # t 0, f 1: 0; 0; 0 + 2 of 5
        ("cde", 0, 0, 0, 0),
        ("", 0, 0, 0, "3/5"),
    ],
)
def test_ticks(ticked: str, net: object, nothing_or_all: int, coverage: object, each: object) -> None:
    """Each policy's formula."""
    found = [credit.ticks(policy, ("a", "b"), tuple(ticked), 5) for policy in (NET, ALL, COVERAGE, EACH)]
    assert found == [Fraction(str(value)) for value in (net, nothing_or_all, coverage, each)]


CHAIN = [("a", "b"), ("b", "c"), ("c", "d")]


@pytest.mark.parametrize(
    ("given", "before", "distance", "net", "other"),
    [
        ("abcd", CHAIN, 0, 1, 1),
        ("bacd", CHAIN, 1, "2/3", "5/6"),  # one pair of six: 1 - 2/6; 1 - 1/6
        ("bcda", CHAIN, 3, 0, "1/2"),
        ("dcba", CHAIN, 6, 0, 0),
        ("bacd", [("a", "c"), ("b", "c"), ("c", "d")], 0, 1, 1),  # a and b may come in either order
        ("bcad", [("a", "c"), ("b", "c"), ("c", "d")], 1, "2/3", "5/6"),  # the nearest is b a c d, not a b c d
        ("cba", [("a", "c")], 2, 0, "1/3"),  # a must pass c: nearest is b a c or a c b, two pairs each
        ("cab", [("a", "c")], 1, "1/3", "2/3"),
        ("ba", [("a", "b")], 1, 0, 0),
    ],
)
def test_orders(given: str, before: list[tuple[str, str]], distance: int, net: object, other: object) -> None:
    """The distance is to the nearest order that is allowed."""
    assert credit.distance_to_allowed(given, before) == distance
    assert credit.order(NET, given, before) == Fraction(str(net))
    assert credit.order(EACH, given, before) == credit.order(COVERAGE, given, before) == Fraction(str(other))
    assert credit.order(ALL, given, before) == (distance == 0)


@pytest.mark.parametrize(
    ("given", "answer", "tolerance", "right"),
    [(0.4, 0.3, 0.1, True), (0.2, 0.3, 0.1, True), (0.41, 0.3, 0.1, False), (9, 9, 0, True), (9.0001, 9, 0, False)],
)
def test_numbers_are_compared_in_decimal(given: float, answer: float, tolerance: float, right: bool) -> None:
    """0.4 is within 0.1 of 0.3, although the floats' difference is a little more."""
    assert near(given, answer, tolerance) is right


def answered(**given: Answer) -> Answers:
    """Return answers to the small quiz, by the last part of the questions' ids."""
    return Answers("small", {f"small.{name}": answer for name, answer in given.items()})


def test_a_quiz_is_scored_by_hand(quiz: Quiz) -> None:
    """Five questions, six points: 1 + 2 x 1/2 + 0 + 1/3 + 1, of 6."""
    found = score(
        quiz,
        answered(
            single=Answer(("rightmost",)),
            multi=Answer(("aa",)),
            truth=Answer(True),
            order=Answer(("b", "a", "c")),
            number=Answer(1.4),
        ),
    )
    assert [question.points for question in found.questions] == [1, 1, 0, Fraction(1, 3), 1]
    assert (found.points, found.max_points) == (Fraction(10, 3), 6)
    assert found.score == Fraction(5, 9)
    assert (found.passed, found.exit_code) == (False, 1)
    outcomes = [question.outcome for question in found.questions]
    assert outcomes == [Outcome.RIGHT, Outcome.PARTLY, Outcome.WRONG, Outcome.PARTLY, Outcome.RIGHT]


def test_the_pass_mark_itself_passes(quiz: Quiz) -> None:
    """7 of 10 points are at 0.7, which no float may spoil; a little less is below."""
    points = [1, 1, 1, 4, 3]
    questions = [
        question.model_copy(update={"points": each}) for question, each in zip(quiz.questions, points, strict=True)
    ]
    ten = quiz.model_copy(update={"questions": questions})
    order, number_ = Answer(("a", "b", "c")), Answer(1.5)
    assert score(ten, answered(order=order, number=number_)).passed
    assert not score(ten, answered(order=order, single=Answer(("rightmost",)), truth=Answer(False))).passed


def test_skipped_is_not_wrong(quiz: Quiz) -> None:
    """What is skipped and what is not there earn nothing, and nobody is told that they erred."""
    found = score(quiz, answered(single=Answer(None), truth=Answer(True)))
    assert [question.outcome for question in found.questions].count(Outcome.SKIPPED) == 4
    assert found.count(Outcome.WRONG) == 1
    assert found.questions[0].feedback == ()
    assert found.max_points == 6


def test_feedback_is_that_of_what_was_chosen(quiz: Quiz, tmp_path: Path) -> None:
    """Of a wrong choice, of a wrong number that people give, of choices left out; with misconceptions and the run."""
    found = score(
        quiz,
        answered(single=Answer(("greedy",)), multi=Answer(("aa", "bb")), truth=Answer(True), number=Answer(3)),
        tmp_path / "course" / "quizzes",
    )
    single, multi, truth, _, numeric = found.questions
    assert [(each.text, each.misconception) for each in single.feedback] == [("The total stays at one.", "off-by-one")]
    assert single.misconceptions == ("off-by-one",)
    assert single.explanation == "The total never exceeds the size."
    assert single.step == "step 2: Startup; 4 of 4 free; opened 1 to 4; pool ready"
    assert (single.given, single.key) == (("Gets a brand new one",), ("Waits, then fails",))
    said = [(each.about, each.text) for each in multi.feedback]
    assert said == [("two", "Half is one."), ("three", "It is odd."), ("four", "This is right, too.")]
    assert [each.text for each in truth.feedback] == ["One is one."]
    assert [each.text for each in numeric.feedback] == ["That is both of them."]
    assert (numeric.given, numeric.key) == (("3 s",), ("1.5 s",))
    [other] = score(quiz, answered(number=Answer(99))).questions[4].feedback
    assert other.text == "Look at the clock."


def test_an_own_policy_goes_before_the_quiz_s(quiz: Quiz) -> None:
    """And a question with one right choice is right or wrong under all of them."""
    multi = quiz.questions[1].model_copy(update={"credit": Credit.COVERAGE})
    own = quiz.model_copy(update={"questions": [quiz.questions[0], multi]})
    found = score(own, answered(single=Answer(("greedy",)), multi=Answer(("aa", "bb"))))
    assert [question.fraction for question in found.questions] == [0, Fraction(1, 4)]
    defaults = quiz.defaults.model_copy(update={"credit": Credit.EACH_ANSWER})
    found = score(quiz.model_copy(update={"defaults": defaults}), answered(single=Answer(("greedy",))))
    assert found.questions[0].fraction == 0


def test_answers_from_a_file_earn_all(quiz: Quiz, tmp_path: Path) -> None:
    """The file of right answers is right."""
    path = tmp_path / "answers.yaml"
    path.write_text(RIGHT)
    found = score(quiz, answers.load(path, learner.sheet(quiz)))
    assert found.score == 1
    assert (found.passed, found.seed) == (True, 42)


def test_points_are_written_as_people_do() -> None:
    """No more than two decimals, and none that say nothing."""
    assert [number(Fraction(value)) for value in ("1", "1/2", "1/3", "0", "10")] == ["1", "0.5", "0.33", "0", "10"]


# --- whatever is answered ---

ids = st.lists(st.sampled_from("abcdefghi"), unique=True, min_size=2, max_size=9)


@st.composite
def ticking(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """Choices, the right ones (not all), and the ticked ones."""
    choices = draw(ids)
    right = draw(st.lists(st.sampled_from(choices), unique=True, min_size=1, max_size=len(choices) - 1))
    return choices, right, draw(st.lists(st.sampled_from(choices), unique=True))


@given(ticking(), st.sampled_from(Credit))
def test_a_fraction_is_one(ticked: tuple[list[str], list[str], list[str]], policy: Credit) -> None:
    """From 0 to 1; 1 for the right ticks, and for nothing else."""
    choices, right, chosen = ticked
    found = credit.ticks(policy, right, chosen, len(choices))
    assert 0 <= found <= 1
    assert (found == 1) == (set(chosen) == set(right))


@given(ticking(), st.randoms(), st.sampled_from(Credit))
def test_the_order_of_choices_changes_nothing(
    ticked: tuple[list[str], list[str], list[str]], random: object, policy: Credit
) -> None:
    """Neither that of the ticks nor that of the key."""
    choices, right, chosen = ticked
    before = credit.ticks(policy, right, chosen, len(choices))
    for each in (right, chosen):
        random.shuffle(each)  # type: ignore[attr-defined]  # a random.Random
    assert credit.ticks(policy, right, chosen, len(choices)) == before


@given(ticking())
def test_ticking_everything_earns_nothing(ticked: tuple[list[str], list[str], list[str]]) -> None:
    """With at least as many wrong choices as right ones, under net_correct; with fewer, less than the right share."""
    choices, right, _ = ticked
    found = credit.ticks(NET, right, choices, len(choices))
    wrong = len(choices) - len(right)
    assert found == max(Fraction(0), Fraction(len(right) - wrong, len(right)))
    assert found < 1
    if wrong >= len(right):
        assert found == 0


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    """Up to six things in some order, and pairs without a circle."""
    names = list("abcdef")[: draw(st.integers(2, 6))]
    pairs = [(first, second) for index, first in enumerate(names) for second in names[index + 1 :]]
    return draw(st.permutations(names)), draw(st.lists(st.sampled_from(pairs), unique=True))


@given(orders())
def test_the_nearest_order_is_found(order: tuple[list[str], list[tuple[str, str]]]) -> None:
    """The same distance as by trying all orders."""
    found, before = order

    def distance(other: tuple[str, ...]) -> int:
        at = {name: index for index, name in enumerate(other)}
        places = [at[name] for name in found]
        return sum(first > second for index, first in enumerate(places) for second in places[index + 1 :])

    allowed = (
        other for other in permutations(found) if all(other.index(first) < other.index(last) for first, last in before)
    )
    assert credit.distance_to_allowed(found, before) == min(map(distance, allowed))
    for policy in Credit:
        assert 0 <= credit.order(policy, found, before) <= 1


def test_nine_things_are_ordered_at_once() -> None:
    """The most that a question may have, with nothing and with everything said of their order."""
    names = "abcdefghi"
    assert credit.distance_to_allowed(names[::-1], []) == 0
    assert credit.distance_to_allowed(names[::-1], list(zip(names, names[1:], strict=False))) == 36
