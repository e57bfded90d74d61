"""Places in ranked lists: mean average precision, and hits of queries with many right answers.

A list has one order, so here ties stand in gallery order. Places are counted, not sorted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.metrics.ranking import Counts, Values
from workers.metrics.scores import Rows, Scores


def list_positions(scores: Scores, positives: Rows) -> Counts:
    """The place of each positive in its query's ranked list, from 1; 0 for padding.

    scores: (n, items); positives: (n, m) row numbers, padded with -1. Returns (n, m). Of equally
    scored items the one that stands first in the gallery is first in the list.
    """
    found = np.zeros(positives.shape, dtype=np.int64)
    # Row by row: a row of scores stays in the cache while its few positives are placed.
    for line, wanted, places in zip(scores, positives, found, strict=True):
        for column in np.flatnonzero(wanted >= 0):
            item = wanted[column]
            above = np.count_nonzero(line > line[item])
            places[column] = above + np.count_nonzero(line[:item] == line[item]) + 1
    return found


def average_precision(positions: Counts, ks: Sequence[int]) -> Mapping[int, Values]:
    """AP@K of each query: the sum of the precisions at its hits, over min(positives, K).

    positions: (q, m) places of the positives from 1, 0 for padding or for "not in the list" where
    lists are short; `totals` of such lists are in `average_precision_of_lists`.
    Baldrati et al. 2023, "Zero-Shot Composed Image Retrieval with Textual Inversion", section 4.
    """
    return average_precision_of_lists(positions, np.count_nonzero(positions, axis=1), ks)


def average_precision_of_lists(
    positions: Counts, totals: Counts, ks: Sequence[int]
) -> Mapping[int, Values]:
    """AP@K where lists may miss some of their `totals` (q,) positives; 0 without positives."""
    never = np.iinfo(np.int64).max
    places = np.sort(np.where(positions > 0, positions, never), axis=1)
    precisions = np.arange(1, places.shape[1] + 1) / places
    return {
        k: np.where(places <= k, precisions, 0.0).sum(axis=1) / np.clip(totals, 1, k) for k in ks
    }


def expected_hits(scores: Scores, positives: Rows, ks: Sequence[int]) -> NDArray[np.float64]:
    """How many positives stand among the first k, ties in random order: (n, len(ks)).

    scores: (n, items); positives: (n, m) row numbers, padded with -1. A k beyond the gallery
    counts every positive.
    """
    most = min(max(ks), scores.shape[1])
    found = np.empty((len(scores), len(ks)))
    for line, wanted, hits in zip(scores, positives, found, strict=True):
        best = np.partition(line, len(line) - most)[len(line) - most :]
        best[::-1].sort()
        hits[:] = [_hits_in(line, line[wanted[wanted >= 0]], best, min(k, most)) for k in ks]
    return found


def _hits_in(line: Scores, right: Scores, best: Scores, k: int) -> float:
    """best: the highest scores of the line, highest first."""
    last = best[k - 1]
    above = np.count_nonzero(best > last)
    tied = np.count_nonzero(line == last)
    chance = (k - above) / tied
    return float(np.count_nonzero(right > last) + chance * np.count_nonzero(right == last))
