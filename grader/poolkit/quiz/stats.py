"""The numbers of an item analysis, in the words of classical test theory.

`scores` has a row for each learner and in it a column for each item: what the answer earned, as an exact fraction.
What is not defined, such as a correlation with something that is the same for everybody, is None.

- discrimination  the correlation of an item with the total of all other items (the corrected item-total correlation;
                  of items that earn 0 or 1 it is the point-biserial one)
- alpha           k / (k - 1) (1 - sum of the items' variances / variance of the total), of k items
                  (Cronbach 1951, https://doi.org/10.1007/BF02310555). Of items that earn 0 or 1 it is KR-20
                  (Kuder and Richardson 1937, https://doi.org/10.1007/BF02288391)
- standard error  of measurement: s sqrt(1 - alpha), s being the standard deviation of the total
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import correlation, variance

Scores = Sequence[Sequence[Fraction]]
Weights = tuple[Fraction, ...]

ZERO, ONE = Fraction(0), Fraction(1)


def totals(scores: Scores) -> list[Fraction]:
    """Return what each learner earned."""
    return [sum(row, ZERO) for row in scores]


def spread(values: Sequence[Fraction]) -> float | None:
    """Return the standard deviation (with n - 1); None of fewer than two."""
    return math.sqrt(variance(values)) if len(values) > 1 else None


def alpha(scores: Scores) -> float | None:
    """Return Cronbach's alpha; None of one learner, of one item, or when all learners earned the same."""
    items = len(scores[0]) if scores else 0
    if items < 2 or len(scores) < 2:
        return None
    whole = variance(totals(scores))
    if not whole:
        return None
    parts = sum((variance(column) for column in zip(*scores, strict=True)), ZERO)
    return float(Fraction(items, items - 1) * (1 - parts / whole))


def standard_error(scores: Scores) -> float | None:
    """Return the standard error of measurement, in points; None where alpha is."""
    found, deviation = alpha(scores), spread(totals(scores))
    return None if found is None or deviation is None else deviation * math.sqrt(1 - found)


def discrimination(scores: Scores, item: int) -> float | None:
    """Return how an item goes with the others; None when it, or their total, is the same for all learners."""
    own = [row[item] for row in scores]
    others = [total - value for total, value in zip(totals(scores), own, strict=True)]
    # Asked of the exact values: a column of thirds is not constant to floating point.
    if len(set(own)) < 2 or len(set(others)) < 2:
        return None
    return correlation([float(value) for value in own], [float(value) for value in others])


def thirds(values: Sequence[Fraction]) -> tuple[Weights, Weights] | None:
    """Return how much each learner belongs to the top and to the bottom third; None of fewer than three.

    Learners who are equal at the border of a third share the places that are left in it, so that it does not matter
    in which order they stand.
    """
    if len(values) < 3:
        return None
    return _best(values), _best([-value for value in values])


def _best(values: Sequence[Fraction]) -> Weights:
    places = len(values) // 3
    border = sorted(values, reverse=True)[places - 1]
    left = places - sum(value > border for value in values)
    equal = Fraction(left, sum(value == border for value in values))
    return tuple(ONE if value > border else equal if value == border else ZERO for value in values)


def share(chosen: Sequence[bool], weights: Sequence[Fraction]) -> float:
    """Return the share of a group that chose something; the group is given by how much each learner belongs to it."""
    inside = sum((weight for picked, weight in zip(chosen, weights, strict=True) if picked), ZERO)
    return float(inside / sum(weights, ZERO))
