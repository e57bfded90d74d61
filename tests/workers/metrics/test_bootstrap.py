"""Intervals: repeatable, of the right width, and those of a plain resampling loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.metrics import bootstrap
from workers.metrics.bootstrap import figures, interval


def test_figures_weigh_every_split_the_same():
    dress, shirt = np.array([[0.0], [100.0]]), np.array([[100.0], [100.0], [100.0], [80.0]])
    assert figures([dress, shirt]) == pytest.approx([(50 + 95) / 2])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_a_median_column_is_the_median(ranks):
    values = np.array(ranks, float)[:, None]
    table = np.concatenate((values, values), axis=1)
    assert figures([table], medians=[1]) == pytest.approx([np.mean(ranks), np.median(ranks)])


@given(st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_draws_have_the_means_and_medians_of_resampled_queries(count, seed):
    values = np.random.default_rng(seed).integers(1, 6, (count, 1)).astype(float)
    for _, weights in bootstrap._weights(np.random.default_rng(seed), count, 30):
        assert (weights.sum(axis=1) == count).all()
        found = bootstrap._statistics(weights, np.hstack([values, values]), [1])
        for times, (mean, median) in zip(weights.astype(int), found, strict=True):
            drawn = np.repeat(values[:, 0], times)
            assert (mean, median) == pytest.approx((drawn.mean(), np.median(drawn)))


def test_the_same_seed_gives_the_same_interval_whatever_the_chunk(monkeypatch):
    values = [np.random.default_rng(0).random((40, 3))]
    whole = interval(values, seed=5)
    monkeypatch.setattr(bootstrap, "CHUNK", 100)
    assert np.allclose(whole, interval(values, seed=5), rtol=1e-12)
    assert not np.allclose(whole, interval(values, seed=6), rtol=1e-3)


def test_the_interval_is_as_wide_as_theory_says():
    values = np.where(np.random.default_rng(1).random((2_000, 1)) < 0.3, 100.0, 0.0)
    low, high = interval([values], draws=4_000)
    error = values.std() / np.sqrt(len(values))
    assert (high - low)[0] == pytest.approx(2 * 1.96 * error, rel=0.06)
    assert low[0] < values.mean() < high[0]


def test_two_splits_of_one_size_halve_the_variance():
    values = np.where(np.random.default_rng(1).random((1_000, 1)) < 0.3, 100.0, 0.0)
    (low, high), (low2, high2) = (interval([values] * n, draws=4_000) for n in (1, 2))
    assert (high2 - low2)[0] == pytest.approx((high - low)[0] / np.sqrt(2), rel=0.08)


def test_queries_that_agree_leave_no_doubt():
    low, high = interval([np.full((7, 2), 42.0)], medians=[1])
    assert low == pytest.approx([42, 42])
    assert high == pytest.approx([42, 42])
