"""How much of a question's points an answer earns: exact fractions from 0 to 1.

With c right choices among n, t of them ticked and f wrong ones ticked:

- `net_correct`     max(0, (t - f) / c): ticking everything, or at random, earns nothing
                    (Betts et al., https://doi.org/10.1177/0013164421994636)
- `all_or_nothing`  1 when t = c and f = 0, else 0
- `coverage`        (t / c) (t / (t + f))
- `each_answer`     right decisions / n

An order of n things is measured by d, the pairs that stand the other way round than in the nearest order that is
allowed (Kendall's distance), of p = n (n - 1) / 2 pairs: 1 - d / p, and under `net_correct` max(0, 1 - 2 d / p), since
an order at random has half of its pairs right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction

from poolkit.quiz.model import Credit

ZERO, ONE = Fraction(0), Fraction(1)


def ticks(credit: Credit, right: Collection[str], ticked: Collection[str], n: int) -> Fraction:
    """Return what ticked choices earn.

    Args:
        right: the ids of the right choices, at least one.
        ticked: the ids that were ticked, each once.
        n: how many choices there are.
    """
    c = len(right)
    t = sum(name in right for name in ticked)
    f = len(ticked) - t
    match credit:
        case Credit.NET_CORRECT:
            return max(ZERO, Fraction(t - f, c))
        case Credit.ALL_OR_NOTHING:
            return ONE if t == c and f == 0 else ZERO
        case Credit.COVERAGE:
            return Fraction(t, c) * Fraction(t, t + f) if t else ZERO
        case Credit.EACH_ANSWER:
            return Fraction(t + (n - c - f), n)


def order(credit: Credit, given: Sequence[str], before: Iterable[Sequence[str]]) -> Fraction:
    """Return what an order earns.

    Args:
        given: the ids in the order that was given, two or more.
        before: pairs of which the first comes before the second; no circle.
    """
    n = len(given)
    pairs = n * (n - 1) // 2
    distance = distance_to_allowed(given, before)
    match credit:
        case Credit.NET_CORRECT:
            return max(ZERO, 1 - Fraction(2 * distance, pairs))
        case Credit.ALL_OR_NOTHING:
            return ONE if distance == 0 else ZERO
        case _:
            return 1 - Fraction(distance, pairs)


def distance_to_allowed(given: Sequence[str], before: Iterable[Sequence[str]]) -> int:
    """Return how many pairs of an order must be turned round to reach the nearest one that is allowed.

    Sets of things that can stand first are extended by one thing at a time, with the fewest pairs turned for each
    set: 2^n sets of n things, so that nine things are 512 sets and not 362 880 orders.
    """
    n = len(given)
    place = {name: index for index, name in enumerate(given)}
    needs = [0] * n
    for first, second in before:
        needs[place[second]] |= 1 << place[first]
    fewest: list[int | None] = [None] * (1 << n)
    fewest[0] = 0
    for done, turned in enumerate(fewest):
        if turned is None:
            continue
        for index in range(n):
            if done >> index & 1 or needs[index] & ~done:
                continue
            # What was given before this thing, and comes after it now.
            left_behind = (~done & ((1 << index) - 1)).bit_count()
            reached = done | 1 << index
            best = fewest[reached]
            fewest[reached] = turned + left_behind if best is None else min(best, turned + left_behind)
    found = fewest[-1]
    if found is None:
        raise ValueError("no order is allowed; the pairs go round in a circle")
    return found
