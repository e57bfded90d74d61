"""The best of a gallery, in order, by partial selection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.metrics.ranking import hide
from workers.metrics.scores import BLOCK, Rows, Scorer, Scores, score_blocks


def best_items(scorer: Scorer, k: int, excluded: Rows | None = None, block: int = BLOCK) -> Rows:
    """(q, k) gallery rows of each query, best first, ties in gallery order.

    excluded: (q,) row that is not to be listed, -1 for none. Where fewer than k items are left,
    the lists are that much shorter, those of queries that exclude nothing included.
    """
    queries, items = scorer.shape
    hidden = int(excluded is not None and (excluded >= 0).any())
    found = np.empty((queries, max(0, min(k, items - hidden))), dtype=np.int64)
    for part, scores in score_blocks(scorer, block):
        if excluded is not None:
            hide(scores, excluded[part])
        for line, best in zip(scores, found[part], strict=True):
            best[:] = _best_of(line, found.shape[1])
    return found


def best_of_one(scorer: Scorer, query: int, k: int, hidden: Rows) -> Rows:
    """(at most k,) gallery rows of one query, best first, without those in `hidden` (m,)."""
    (line,) = scorer.scores(slice(query, query + 1))
    line[hidden] = -np.inf
    return _best_of(line, min(k, len(line) - len(hidden)))


def best_of_subsets(
    scorer: Scorer, subsets: Rows, k: int, excluded: Rows, block: int = BLOCK
) -> Rows:
    """(q, k) gallery rows of the best of each query's own few, ties in gallery order.

    subsets: (q, m) rows, padded with -1; at least k of each besides the excluded one (q,).
    """
    ordered = np.sort(subsets, axis=1)
    found = np.empty((len(subsets), k), dtype=np.int64)
    for part, scores in score_blocks(scorer, block):
        members = ordered[part]
        allowed = (members >= 0) & (members != excluded[part, None])
        scored = np.take_along_axis(scores, members, axis=1)
        found[part] = np.take_along_axis(members, best_among(scored, k, allowed), axis=1)
    return found


def best_among(scores: Scores, k: int, allowed: NDArray[np.bool_]) -> Rows:
    """(n, k) columns of the best allowed candidates of each row, ties in their order.

    scores and allowed: (n, m), at least k allowed in each row. Small m: rows are sorted whole.
    """
    shown = np.where(allowed, scores, -np.inf)
    return np.argsort(-shown, axis=1, kind="stable")[:, :k]


def _best_of(line: Scores, k: int) -> Rows:
    if k == 0:
        return np.empty(0, dtype=np.int64)
    last = np.partition(line, len(line) - k)[len(line) - k]
    above = np.flatnonzero(line > last)
    tied = np.flatnonzero(line == last)[: k - len(above)]
    chosen = np.concatenate((above, tied))
    return chosen[np.argsort(-line[chosen], kind="stable")]
