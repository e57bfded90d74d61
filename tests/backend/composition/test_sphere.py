"""The sphere: unit vectors, and the even path between two of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from backend.composition.sphere import direction, normalise, slerp
from backend.errors import InvalidInput
from tests.backend.composition.strategies import dims, fractions, seeds, units


def angle(a: np.ndarray, b: np.ndarray) -> float:
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    return float(2 * np.arctan2(np.linalg.norm(a64 - b64), np.linalg.norm(a64 + b64)))


def test_normalise_keeps_direction_and_gives_length_one():
    assert normalise(np.array([3.0, 4.0])) == pytest.approx([0.6, 0.8])
    assert normalise(np.array([[0.0, -2.0], [5.0, 0.0]])).tolist() == [[0, -1], [1, 0]]


@pytest.mark.parametrize("bad", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_vector_without_direction_is_refused(bad):
    with pytest.raises(InvalidInput, match="zero or not a number"):
        normalise(np.array(bad))


def test_cancelling_vectors_are_refused_with_the_callers_sentence():
    with pytest.raises(InvalidInput, match="they cancel"):
        direction(np.array([1e-8, 0.0]), "they cancel")


@given(seeds, dims)
def test_slerp_ends_are_the_very_vectors(seed, dim):
    a, b = units(seed, 2, dim)
    assert np.array_equal(slerp(a, b, 0.0), a)
    assert np.array_equal(slerp(a, b, 1.0), b)


@given(seeds, dims, fractions)
def test_slerp_stays_on_the_sphere_and_its_angle_grows_evenly(seed, dim, fraction):
    a, b = units(seed, 2, dim)
    point = slerp(a, b, fraction)
    assert point.dtype == np.float32
    assert np.linalg.norm(point) == pytest.approx(1, abs=1e-6)
    assert angle(a, point) == pytest.approx(fraction * angle(a, b), abs=2e-6)
    assert angle(point, b) == pytest.approx((1 - fraction) * angle(a, b), abs=2e-6)


@given(seeds, dims, fractions)
def test_slerp_of_identical_vectors_is_that_vector(seed, dim, fraction):
    (a,) = units(seed, 1, dim)
    assert np.array_equal(slerp(a, a.copy(), fraction), a)


@given(seeds, dims, fractions)
def test_slerp_between_antipodes_takes_one_even_half_circle(seed, dim, fraction):
    (a,) = units(seed, 1, dim)
    point = slerp(a, -a, fraction)
    assert np.linalg.norm(point) == pytest.approx(1, abs=1e-6)
    assert angle(a, point) == pytest.approx(fraction * np.pi, abs=2e-6)
    assert np.array_equal(point, slerp(a, -a, fraction))
