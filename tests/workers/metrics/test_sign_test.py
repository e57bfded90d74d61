"""The sign test: wins and losses counted, and the chance of them exact."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.metrics.sign_test import Duel, duel, sign_test

counts = st.integers(0, 400)


def exactly(wins: int, losses: int) -> Fraction:
    """Twice the tail, in whole numbers, and never above 1."""
    tosses = wins + losses
    tail = sum(math.comb(tosses, k) for k in range(min(wins, losses) + 1))
    return min(Fraction(2 * tail, 2**tosses), Fraction(1))


@given(counts, counts)
def test_the_chance_is_that_of_the_binomial_sum(wins, losses):
    assert sign_test(wins, losses) == pytest.approx(float(exactly(wins, losses)), rel=1e-9)


@given(counts, counts)
def test_either_side_may_be_the_winner(wins, losses):
    assert sign_test(wins, losses) == sign_test(losses, wins)


@given(st.integers(0, 200), st.integers(0, 200))
def test_one_more_for_the_winner_is_less_likely_by_chance(losses, ahead):
    wins = losses + ahead
    assert sign_test(wins + 1, losses) <= sign_test(wins, losses)


def test_figures_of_a_printed_table():
    """Binomial, one half: P(X <= 1) of 10 is 0.0107, P(X <= 2) of 12 is 0.0193."""
    assert sign_test(9, 1) == pytest.approx(2 * 0.0107, abs=1e-4)
    assert sign_test(2, 10) == pytest.approx(2 * 0.0193, abs=1e-4)
    assert (sign_test(0, 0), sign_test(5, 5), sign_test(1, 0)) == (1.0, 1.0, 1.0)


def test_many_queries_are_no_trouble():
    assert sign_test(50_000, 50_500) == pytest.approx(0.1154, abs=1e-3)
    assert 0 <= sign_test(100_000, 0) < 1e-300


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=60))
def test_a_query_is_won_by_the_model_that_ranks_its_target_better(pairs):
    first, second = np.array(pairs, dtype=np.float64).T
    found = duel(first, second)
    assert found.wins == sum(b < a for a, b in pairs)
    assert found.losses == sum(b > a for a, b in pairs)
    assert found.wins + found.losses + found.ties == len(pairs)
    mirrored = duel(second, first)
    assert mirrored == Duel(found.losses, found.wins, found.ties, found.p_value)
