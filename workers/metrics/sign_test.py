"""Two models on the same queries: which of them ranks more targets better, and may that be chance.

The sign test (Arbuthnot 1710; Conover, "Practical Nonparametric Statistics", section 3.4): if both
were alike, each query that they do not rank alike would be won by either with probability one half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workers.metrics.ranking import Values


@dataclass(frozen=True)
class Duel:
    """What the second model wins and loses against the first, in queries. p_value: of the sign
    test, two-sided."""

    wins: int
    losses: int
    ties: int
    p_value: float


def duel(first: Values, second: Values) -> Duel:
    """The second model's targets against the first's, by their ranks (q,) each, 1 is best."""
    wins = int(np.count_nonzero(second < first))
    losses = int(np.count_nonzero(second > first))
    return Duel(wins, losses, len(first) - wins - losses, sign_test(wins, losses))


def sign_test(wins: int, losses: int) -> float:
    """How often a fair coin is at least as uneven, either way: exact, 1 where nothing differs.

    Twice the lower tail of the binomial distribution. Its terms are added as logarithms, for
    2^-n is below what a float holds from a thousand tosses on.
    """
    tosses, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    terms = [
        math.lgamma(tosses + 1) - math.lgamma(k + 1) - math.lgamma(tosses - k + 1)
        for k in range(fewer + 1)
    ]
    largest = terms[-1]  # they grow up to the middle
    total = math.fsum(math.exp(term - largest) for term in terms)
    return min(2 * math.exp(largest - tosses * math.log(2) + math.log(total)), 1.0)
