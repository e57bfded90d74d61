"""The arithmetic of the score: bounded, monotone, and the same in catalogues of any size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workers.feedback.consistency import consistency, direction, share_above

SHARES = st.floats(0, 1)
FINITE = st.floats(-1, 1, width=32)


def one(value: float) -> np.ndarray:
    return np.array([value])


def score(place: float, words: float, moved: float, *other: float) -> float:
    return float(consistency([one(place), *map(one, other)], one(words), one(moved))[0])


@given(arrays(np.float64, (3, 7), elements=FINITE), arrays(np.float64, 3, elements=FINITE))
def test_a_share_counts_what_is_before_the_target_and_not_its_own(scores, own) -> None:
    left_out = np.zeros((3, 7), bool)
    left_out[:, :2] = True
    found = share_above(scores, own, left_out)
    for row in range(3):
        assert found[row] == sum(scores[row, n] > own[row] for n in range(2, 7)) / 5


def test_without_another_image_nothing_is_before_the_target() -> None:
    assert share_above(np.ones((2, 3)), np.zeros(2), np.ones((2, 3), bool)).tolist() == [0, 0]
    assert share_above(np.ones((2, 0)), np.zeros(2), np.ones((2, 0), bool)).tolist() == [0, 0]


@given(
    arrays(np.float64, (2, 5), elements=FINITE),
    arrays(np.float64, 2, elements=FINITE),
    arrays(np.float64, 2, elements=FINITE),
)
def test_a_direction_turns_with_its_sides(words, target, reference) -> None:
    there = direction(words, target, reference)
    assert np.array_equal(there, -direction(words, reference, target))
    assert np.all((there == 0) | (np.sign(there) == np.sign(target - reference)))


def test_a_direction_where_all_are_alike_is_none() -> None:
    assert direction(np.ones((1, 4)), one(1.0), one(0.0)).tolist() == [0]
    assert direction(np.ones((1, 0)), one(1.0), one(0.0)).tolist() == [0]


@given(SHARES, SHARES, st.floats(-9, 9), st.floats(0, 0.5))
def test_a_score_is_bounded_and_falls_with_every_doubt(place, words, moved, doubt) -> None:
    whole = score(place, words, moved)
    assert 0 < whole < 1
    assert score(min(place + doubt, 1), words, moved) <= whole
    assert score(place, min(words + doubt, 1), moved) <= whole
    assert score(place, words, moved - doubt) <= whole


@given(SHARES, SHARES, SHARES)
def test_two_models_count_alike(first, second, words) -> None:
    assert score(first, words, 0, second) == score(second, words, 0, first)
    assert score(first, words, 0, first) == score(first, words, 0)


def test_what_is_found_at_once_is_surely_right_and_what_is_nowhere_surely_wrong() -> None:
    assert score(0, 0, 1) > 0.95
    assert score(0.5, 0.5, -1) < 0.05
