"""Ranks by counting agree with brute force, tie rules included."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from tests.workers.metrics.asking import all_scores, whole_numbers
from workers.metrics.questions import padded
from workers.metrics.ranking import (
    counts_in_galleries,
    counts_of,
    expected_ranks,
    hits_at,
    mean_reciprocal_rank,
    rank_counts,
    recall_at,
)
from workers.metrics.scores import Product, Similarities


@st.composite
def rankings(draw):
    """Small whole-number features: every score is exact in float32, and ties are common."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    queries, items, dim = rng.integers(1, 8), rng.integers(2, 30), rng.integers(1, 4)
    q = rng.integers(-2, 3, (queries, dim)).astype(np.float32)
    gallery = rng.integers(-2, 3, (items, dim)).astype(np.float32)
    targets = rng.integers(0, items, queries)
    excluded = (targets + rng.integers(1, items, queries)) % items
    excluded = np.where(rng.random(queries) < 0.3, -1, excluded)
    return q, gallery, targets, excluded


def brute_force(queries, gallery, target, excluded):
    """(above, tied) of one query in float64 by comparing one item after another."""
    scores = [float(np.dot(queries.astype(np.float64), item)) for item in gallery]
    others = [s for i, s in enumerate(scores) if i not in (target, excluded)]
    return sum(s > scores[target] for s in others), sum(s == scores[target] for s in others)


@given(rankings(), st.integers(1, 200))
@settings(max_examples=150, deadline=None)
def test_counts_agree_with_brute_force_at_any_block_size(case, block):
    queries, gallery, targets, excluded = case
    above, tied = rank_counts(queries, gallery, targets, excluded, block=block)
    for i, query in enumerate(queries):
        assert (above[i], tied[i]) == brute_force(query, gallery, targets[i], excluded[i])


@given(rankings(), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_a_hit_is_its_chance_over_all_orders_of_the_ties(case, k):
    queries, gallery, targets, excluded = case
    above, tied = rank_counts(queries, gallery, targets, excluded)
    for g, e, hit in zip(above, tied, hits_at(above, tied, k), strict=True):
        places = range(g + 1, g + e + 2)
        assert hit == pytest.approx(sum(place <= k for place in places) / len(places))


@given(rankings())
@settings(max_examples=100, deadline=None)
def test_reciprocal_rank_is_its_mean_over_all_orders_of_the_ties(case):
    queries, gallery, targets, excluded = case
    above, tied = rank_counts(queries, gallery, targets, excluded)
    expected = [
        np.mean([1 / place for place in range(g + 1, g + e + 2)])
        for g, e in zip(above, tied, strict=True)
    ]
    assert mean_reciprocal_rank(above, tied) == pytest.approx(np.mean(expected))


def test_a_constant_scorer_gets_chance():
    queries, gallery = np.ones((7, 3), np.float32), np.ones((20, 3), np.float32)
    targets = np.arange(7)
    recall = recall_at(queries, gallery, targets, excluded=targets + 10, ks=(1, 5, 19, 50))
    assert recall == pytest.approx({1: 100 / 19, 5: 500 / 19, 19: 100.0, 50: 100.0})


def test_recall_of_a_perfect_and_of_a_reversed_ranking():
    gallery = np.eye(10, dtype=np.float32)
    targets = np.arange(10)
    assert recall_at(gallery, gallery, targets, ks=(1, 10)) == {1: 100.0, 10: 100.0}
    assert recall_at(-gallery, gallery, targets, ks=(9, 10)) == {9: 0.0, 10: 100.0}


@pytest.mark.parametrize(
    ("targets", "excluded", "sentence"),
    [
        ([0, 1], None, "there are 3 queries and 2 targets"),
        ([0, 1, 4], None, "outside the gallery of 4 items"),
        ([0, -1, 2], None, "outside the gallery of 4 items"),
        ([0, 1, 2], [3, 1, 0], "Query 1 excludes its own target"),
    ],
)
def test_rows_that_make_no_sense_are_refused(targets, excluded, sentence):
    features = np.ones((3, 2), np.float32), np.ones((4, 2), np.float32)
    gone = None if excluded is None else np.array(excluded)
    with pytest.raises(InvalidInput, match=sentence):
        rank_counts(*features, np.array(targets), gone)


def test_no_queries_is_refused():
    with pytest.raises(InvalidInput, match="0 queries"):
        recall_at(np.ones((0, 2), np.float32), np.ones((4, 2), np.float32), np.array([], int))


@given(rankings())
@settings(max_examples=60, deadline=None)
def test_an_expected_rank_is_its_mean_over_all_orders_of_the_ties(case):
    queries, gallery, targets, excluded = case
    above, tied = rank_counts(queries, gallery, targets, excluded)
    for g, e, rank in zip(above, tied, expected_ranks(above, tied), strict=True):
        assert rank == pytest.approx(np.mean(range(g + 1, g + e + 2)))


@given(rankings(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_gallery_changes_nothing(case, seed):
    queries, gallery, targets, _ = case
    shuffled = np.random.default_rng(seed).permutation(len(gallery))
    place = np.argsort(shuffled)
    before = rank_counts(queries, gallery, targets)
    after = rank_counts(queries, gallery[shuffled], place[targets])
    assert np.array_equal(before, after)


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_product_of_similarities_is_ranked_by_itself(seed):
    rng = np.random.default_rng(seed)
    image, text = (whole_numbers(rng, 4, 9) for _ in range(2))
    text = Similarities(text.queries, image.gallery)
    targets = rng.integers(0, 9, 4)
    scores = np.maximum(1 + all_scores(image), 0) * np.maximum(1 + all_scores(text), 0)
    above, tied = counts_of(Product(image, text), targets, block=9)
    for row, target in enumerate(targets):
        others = np.delete(scores[row], target)
        assert above[row] == (others > scores[row, target]).sum()
        assert tied[row] == (others == scores[row, target]).sum()


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_gallery_of_ones_own_is_the_whole_one_restricted_to_it(seed, few):
    rng = np.random.default_rng(seed)
    scorer = whole_numbers(rng, 5, 12)
    own = [list(rng.choice(12, rng.integers(1, 8), replace=False)) for _ in range(5)]
    above, tied = counts_in_galleries(scorer, padded(own), block=few * 8 * 1024)
    for row, (scores, mine) in enumerate(zip(all_scores(scorer), own, strict=True)):
        target, *others = (scores[item] for item in mine)
        assert above[row] == sum(score > target for score in others)
        assert tied[row] == sum(score == target for score in others)


def test_both_directions_are_one_table_read_by_rows_and_by_columns():
    rng = np.random.default_rng(3)
    scorer = Product(whole_numbers(rng, 4, 6), whole_numbers(rng, 4, 6))
    items = np.array([5, 0, 2])
    columns = scorer.scores(slice(None))[:, items].T
    assert np.array_equal(scorer.asked_by(items).scores(slice(None)), columns)


def test_memory_is_bounded_by_the_block_and_not_by_the_scores():
    rng = np.random.default_rng(0)
    queries, gallery = (rng.standard_normal((n, 8)).astype(np.float32) for n in (1_500, 4_000))
    targets = rng.integers(0, 4_000, 1_500)
    rank_counts(queries[:2], gallery, targets[:2])  # what is allocated once is not measured
    tracemalloc.start()
    try:
        rank_counts(queries, gallery, targets, block=200_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000  # all scores at once: 24,000,000
