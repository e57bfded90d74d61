"""mAP and hits of queries with many answers, against lists that are sorted whole."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings

from tests.workers.metrics.asking import all_scores, ranked_list, scorings
from workers.metrics.average_precision import (
    average_precision,
    average_precision_of_lists,
    expected_hits,
    list_positions,
)
from workers.metrics.questions import padded


def some_positives(rng, queries, items):
    return [
        list(rng.choice(items, rng.integers(0, min(items, 5) + 1), replace=False))
        for _ in range(queries)
    ]


@given(scorings())
@settings(max_examples=150, deadline=None)
def test_places_are_those_of_a_stable_sort(case):
    scorer, rng = case
    positives = some_positives(rng, *scorer.shape)
    found = list_positions(scorer.scores(slice(None)), padded(positives))
    for scores, wanted, places in zip(all_scores(scorer), positives, found, strict=True):
        order = ranked_list(scores)
        assert list(places[: len(wanted)]) == [order.index(item) + 1 for item in wanted]
        assert not places[len(wanted) :].any()


def test_average_precision_by_hand():
    # Hits at 1, 3 and 6: precisions 1/1, 2/3, 3/6. A fourth answer stands at 60.
    positions = np.array([[6, 1, 60, 3]])
    found = average_precision(positions, (2, 3, 5, 10))
    assert found[2] == pytest.approx((1 / 1) / 2)
    assert found[3] == pytest.approx((1 + 2 / 3) / 3)
    assert found[5] == pytest.approx((1 + 2 / 3) / 4)
    assert found[10] == pytest.approx((1 + 2 / 3 + 3 / 6) / 4)


@given(scorings())
@settings(max_examples=100, deadline=None)
def test_average_precision_agrees_with_its_definition(case):
    scorer, rng = case
    positives = some_positives(rng, *scorer.shape)
    positions = list_positions(scorer.scores(slice(None)), padded(positives))
    found = average_precision(positions, (1, 3, 50))
    for row, (scores, wanted) in enumerate(zip(all_scores(scorer), positives, strict=True)):
        relevant = [item in wanted for item in ranked_list(scores)]
        for k in (1, 3, 50):
            total = sum(
                sum(relevant[: r + 1]) / (r + 1)
                for r in range(min(k, len(relevant)))
                if relevant[r]
            )
            assert found[k][row] == pytest.approx(total / max(1, min(len(wanted), k)))


def test_a_list_that_misses_answers_is_measured_against_all_of_them():
    found = average_precision_of_lists(np.array([[1, 0, 0]]), np.array([3]), (1, 5))
    assert (found[1][0], found[5][0]) == (1.0, pytest.approx(1 / 3))


def test_a_query_without_answers_gets_nothing():
    assert average_precision(np.array([[0, 0]]), (5,))[5] == 0


@given(scorings(least_items=2))
@settings(max_examples=60, deadline=None)
def test_hits_are_their_mean_over_every_order_of_the_ties(case):
    scorer, rng = case
    scores = all_scores(scorer)[:1, :5]
    positives = some_positives(rng, 1, scores.shape[1])
    found = expected_hits(scores.astype(np.float32), padded(positives), (1, 2, 4, 9))[0]
    orders = [
        order
        for order in permutations(range(scores.shape[1]))
        if all(scores[0, a] >= scores[0, b] for a, b in pairwise(order))
    ]
    for k, hits in zip((1, 2, 4, 9), found, strict=True):
        counted = [sum(item in positives[0] for item in order[:k]) for order in orders]
        assert hits == pytest.approx(np.mean(counted))


def test_a_constant_scorer_hits_by_chance():
    hits = expected_hits(np.zeros((1, 40), np.float32), padded([[3, 17, 39]]), (1, 10, 40))
    assert hits[0] == pytest.approx([3 / 40, 30 / 40, 3])
