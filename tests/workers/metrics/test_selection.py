"""The best of a gallery are those of a whole, stable sort."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.metrics.asking import all_scores, ranked_list, scorings
from workers.metrics.average_precision import list_positions
from workers.metrics.scores import Similarities
from workers.metrics.selection import best_among, best_items


@given(scorings(), st.integers(1, 30), st.integers(1, 200))
@settings(max_examples=150, deadline=None)
def test_the_best_are_those_of_a_stable_sort(case, k, block):
    scorer, rng = case
    queries, items = scorer.shape
    excluded = rng.integers(-1, items, queries)
    found = best_items(scorer, k, excluded, block)
    assert found.shape[1] == min(k, items - int((excluded >= 0).any()))
    for scores, gone, best in zip(all_scores(scorer), excluded, found, strict=True):
        assert list(best) == ranked_list(scores, gone)[: found.shape[1]]


@given(scorings(), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_lists_and_places_are_two_sides_of_one_order(case, k):
    scorer, _ = case
    found = best_items(scorer, k)
    places = list_positions(scorer.scores(slice(None)), found)
    assert (places == np.arange(1, found.shape[1] + 1)).all()


def test_nothing_is_left_of_a_gallery_of_one_that_is_excluded():
    one = Similarities(np.ones((2, 3), np.float32), np.ones((1, 3), np.float32))
    assert best_items(one, 5, np.array([0, -1])).shape == (2, 0)


def test_the_best_among_few_skip_what_is_not_allowed():
    scores = np.array([[0.9, 0.5, 0.7, 0.7], [0.1, 0.2, 0.3, 0.4]], np.float32)
    allowed = np.array([[False, True, True, True], [True, True, True, False]])
    assert best_among(scores, 2, allowed).tolist() == [[2, 3], [2, 1]]
