"""Bootstrap confidence intervals (Efron 1979, "Bootstrap methods: another look at the jackknife").

Queries are drawn again, with replacement and within their own split, a thousand times; the interval
is between the percentiles of the figures of these draws. It tells how much a figure owes to which
queries were asked; it says nothing of training seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

DRAWS = 1_000
CONFIDENCE = 0.95
CHUNK = 4_000_000  # drawn numbers held at once: 32 MB


def figures(splits: Sequence[Values], medians: Sequence[int] = ()) -> Values:
    """(m,) figures of (q, m) values of each split: means over the splits of means over queries.

    medians: the columns whose figure of a split is the median.
    """
    once = [_statistics(np.ones((1, len(values))), values, medians)[0] for values in splits]
    found: Values = np.mean(once, axis=0)
    return found


def interval(
    splits: Sequence[Values],
    medians: Sequence[int] = (),
    *,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[Values, Values]:
    """The lower and upper ends, (m,) each, around `figures` of the same values."""
    generator = np.random.default_rng(seed)
    totals = np.zeros((draws, splits[0].shape[1]))
    for values in splits:
        for part, weights in _weights(generator, len(values), draws):
            totals[part] += _statistics(weights, values, medians)
    ends = (0.5 - confidence / 2, 0.5 + confidence / 2)
    low, high = np.quantile(totals / len(splits), ends, axis=0)
    return low, high


def _weights(
    generator: np.random.Generator, queries: int, draws: int
) -> Iterator[tuple[slice, Values]]:
    """(part of the draws, (n, queries) how often each query was drawn)."""
    step = max(1, CHUNK // queries)
    for start in range(0, draws, step):
        part = slice(start, min(start + step, draws))
        n = part.stop - start
        drawn = generator.integers(0, queries, (n, queries))
        drawn += np.arange(n)[:, None] * queries
        counted = np.bincount(drawn.ravel(), minlength=n * queries)
        yield part, counted.reshape(n, queries).astype(np.float64)


def _statistics(weights: Values, values: Values, medians: Sequence[int]) -> Values:
    """(n, m) figures of n draws; each row of weights (n, q) sums to q."""
    found: Values = weights @ values / len(values)
    for column in medians:
        found[:, column] = _medians(weights, values[:, column])
    return found


def _medians(weights: Values, values: Values) -> Values:
    """(n,) medians of each draw: the middle value, or the mean of the middle two."""
    order = np.argsort(values)
    reached = weights[:, order].cumsum(axis=1)
    middles = ((len(values) + 1) // 2, len(values) // 2 + 1)
    places = [(reached >= middle).argmax(axis=1) for middle in middles]
    found: Values = values[order][np.stack(places)].mean(axis=0)
    return found
