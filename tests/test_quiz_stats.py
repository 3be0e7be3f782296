"""`poolkit.quiz.stats`: the numbers of an item analysis are those of hands, of books and of another program."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from statistics import covariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.quiz import stats

# Ten students, ten items: Wuensch, "The Kuder-Richardson 20", https://core.ecu.edu/wuenschk/StatHelp/KR20.txt
WUENSCH = (
    *("1111110110", "1011011101", "1111011001", "0010001000", "0000010010"),
    *("1110111111", "1101110111", "1111111101", "0101111101", "1101101110"),
)

# Section 6 of the Law School Admission Test, a thousand people, five items: how many gave each pattern of right
# answers (Bock and Lieberman 1970, Psychometrika 35, 179-197).
LSAT6 = {
    **{"00000": 3, "00001": 6, "00010": 2, "00011": 11, "00100": 1, "00101": 1, "00110": 3, "00111": 4, "01000": 1},
    **{"01001": 8, "01011": 16, "01101": 3, "01110": 2, "01111": 15, "10000": 10, "10001": 29, "10010": 14},
    **{"10011": 81, "10100": 3, "10101": 28, "10110": 15, "10111": 80, "11000": 16, "11001": 56, "11010": 21},
    **{"11011": 173, "11100": 11, "11101": 61, "11110": 28, "11111": 298},
}

cells = st.fractions(min_value=0, max_value=1, max_denominator=6)


def table(*rows: str) -> list[list[Fraction]]:
    """Return scores of zeros and ones: `table("101", "110")`."""
    return [[Fraction(int(each)) for each in row] for row in rows]


@st.composite
def tables(draw: st.DrawFn) -> list[list[Fraction]]:
    """Scores of one to eight learners in one to five items, partly right ones among them."""
    items = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(cells, min_size=items, max_size=items), min_size=1, max_size=8))


# --- by hand ---

LADDER = table("111", "110", "100", "000")


def test_alpha_by_hand() -> None:
    """Variances 1/4, 1/3 and 1/4 of the items, 5/3 of the totals 3, 2, 1, 0: 3/2 (1 - (5/6) / (5/3)) is 3/4."""
    assert stats.alpha(LADDER) == 0.75
    assert stats.standard_error(LADDER) == pytest.approx(math.sqrt(5 / 3) * 0.5)
    assert stats.spread(stats.totals(LADDER)) == pytest.approx(math.sqrt(5 / 3))


def test_discrimination_by_hand() -> None:
    """The second item is 1, 1, 0, 0 and the others sum up to 2, 1, 1, 0: 1 / sqrt(1 * 2). The first: sqrt(3 / 11)."""
    assert stats.discrimination(LADDER, 1) == pytest.approx(math.sqrt(1 / 2))
    assert stats.discrimination(LADDER, 0) == pytest.approx(math.sqrt(3 / 11))


def test_the_item_is_not_compared_with_itself() -> None:
    """Of two items that have nothing in common the correlation with the other is 0, and with the sum would not be."""
    assert stats.discrimination(table("11", "10", "01", "00"), 0) == 0


def test_thirds_by_hand() -> None:
    """Of 5 4 4 4 1 0, the best two are the 5 and a third of each 4; the last two are 1 and 0."""
    found = stats.thirds([Fraction(value) for value in (5, 4, 4, 4, 1, 0)])
    assert found is not None
    third = Fraction(1, 3)
    assert [list(weights) for weights in found] == [[1, third, third, third, 0, 0], [0, 0, 0, 0, 1, 1]]
    assert stats.share([True, True, False, False, False, False], found[0]) == pytest.approx(2 / 3)


# --- published, and by another program ---


def test_a_published_example() -> None:
    """Wuensch's p, pq and variance of the totals (5.84, with n), which make 10/9 (1 - 2.18 / 5.84)."""
    scores = table(*WUENSCH)
    p = [sum(column) / 10 for column in zip(*scores, strict=True)]
    assert [float(each) for each in p] == [0.7, 0.7, 0.6, 0.7, 0.6, 0.8, 0.7, 0.7, 0.5, 0.6]
    assert stats.totals(scores) == [8, 7, 7, 2, 2, 9, 8, 9, 7, 7]
    assert stats.alpha(scores) == pytest.approx(10 / 9 * (1 - 2.18 / 5.84))


@pytest.mark.parametrize(
    ("patterns", "alpha", "discriminations"),
    [
        (dict.fromkeys(WUENSCH, 1), 0.696347, [0.705889, 0.705889, 0, 0.473589, 0.583874, 0.286147, -0.027445]),
        (LSAT6, 0.294997, [0.112833, 0.153178, 0.172779, 0.144428, 0.121596]),
    ],
    ids=["wuensch", "lsat6"],
)
def test_pingouin_finds_the_same(patterns: dict[str, int], alpha: float, discriminations: list[float]) -> None:
    """What pingouin 0.7.0 printed of the same: `cronbach_alpha`, and `corr` of an item with the sum of the others."""
    scores = table(*(pattern for pattern, times in patterns.items() for _ in range(times)))
    assert stats.alpha(scores) == pytest.approx(alpha, abs=1e-6)
    found = [stats.discrimination(scores, item) for item in range(len(discriminations))]
    assert found == pytest.approx(discriminations, abs=1e-6)


# --- what always holds ---


@given(st.lists(st.text("01", min_size=4, max_size=4), min_size=2, max_size=12))
def test_of_zeros_and_ones_alpha_is_kr_20(rows: list[str]) -> None:
    """k / (k - 1) (1 - sum of p q / variance of the totals, with n)."""
    n, sums = len(rows), [row.count("1") for row in rows]
    variance = sum(Fraction(each) ** 2 for each in sums) / n - Fraction(sum(sums), n) ** 2
    pq = sum(
        (Fraction(k := column.count("1"), n) * Fraction(n - k, n) for column in zip(*rows, strict=True)), Fraction()
    )
    found = stats.alpha(table(*rows))
    assert found == (float(Fraction(4, 3) * (1 - pq / variance)) if variance else None)


@given(tables())
def test_alpha_is_that_of_the_covariances(scores: list[list[Fraction]]) -> None:
    """The other way to write it, worked out by Python's statistics: k / (k - 1) (1 - trace / sum of the matrix)."""
    found, k = stats.alpha(scores), len(scores[0])
    if found is None:
        assert k < 2 or len({sum(row) for row in scores}) < 2
        return
    columns = [[float(each) for each in column] for column in zip(*scores, strict=True)]
    matrix = [[covariance(one, other) for other in columns] for one in columns]
    trace = sum(matrix[place][place] for place in range(k))
    assert found == pytest.approx(k / (k - 1) * (1 - trace / sum(map(sum, matrix))), rel=1e-6, abs=1e-9)


@given(tables())
def test_every_number_is_one_or_none(scores: list[list[Fraction]]) -> None:
    """No table of scores gives a number that is none, out of bounds, or a crash."""
    found = [stats.alpha(scores), stats.standard_error(scores), stats.spread(stats.totals(scores))]
    assert all(each is None or math.isfinite(each) for each in found)
    assert found[0] is None or found[0] <= 1
    for item in range(len(scores[0])):
        correlation = stats.discrimination(scores, item)
        assert correlation is None or -1.000001 <= correlation <= 1.000001


@given(st.lists(cells, max_size=12), st.randoms(use_true_random=False))
def test_thirds_are_thirds_in_any_order(values: list[Fraction], chance: random.Random) -> None:
    """Each holds a third of the learners, rounded down; equal learners belong to it equally, wherever they stand."""
    found = stats.thirds(values)
    if len(values) < 3:
        assert found is None
        return
    assert found is not None
    assert [sum(weights) for weights in found] == [len(values) // 3] * 2
    order = list(range(len(values)))
    chance.shuffle(order)
    again = stats.thirds([values[place] for place in order])
    assert again == tuple(tuple(weights[place] for place in order) for weights in found)


@pytest.mark.parametrize(
    ("scores", "defined"),
    [
        (table("10"), False),
        (table("1", "0"), False),
        (table("10", "01"), False),
        (table("11", "11"), False),
        (table("11", "00"), True),
    ],
    ids=["one learner", "one item", "equal totals", "all right", "enough"],
)
def test_what_is_not_defined_is_none(scores: list[list[Fraction]], defined: bool) -> None:
    """One learner, one item, or no difference between learners."""
    assert (stats.alpha(scores) is not None) == defined
    assert (stats.standard_error(scores) is not None) == defined


def test_a_column_of_thirds_is_constant() -> None:
    """Although its mean in floating point is not a third, so that a correlation would come out of rounding."""
    third = Fraction(1, 3)
    scores = [[third, Fraction(place % 4, 7)] for place in range(10)]
    assert stats.discrimination(scores, 0) is None
    assert stats.discrimination(scores, 1) is None
