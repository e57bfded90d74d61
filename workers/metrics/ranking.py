"""Ranks by counting, in blocks: no sorts, memory bounded at any gallery size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidInput

Features = NDArray[np.float32]
Rows = NDArray[np.int64]
Counts = NDArray[np.int64]

BLOCK = 8_000_000  # scores held at once: 32 MB


def rank_counts(
    queries: Features,
    gallery: Features,
    targets: Rows,
    excluded: Rows | None = None,
    block: int = BLOCK,
) -> tuple[Counts, Counts]:
    """How many gallery items stand above each query's target, and how many tie with it.

    queries: (q, dim); gallery: (n, dim); targets: (q,) row of each query's one target;
    excluded: (q,) row left out of each query's ranking (its reference), -1 for none.
    block: the most scores held in memory at once. Returns two (q,) integer arrays.

    The target's score is read from the same score matrix as all others, because the same product
    computed apart differs in its last bits, and the target is left out by index.
    Raises InvalidInput where rows lie outside the gallery or a query excludes its own target.
    """
    _check(queries, gallery, targets, excluded)
    above = np.zeros(len(queries), dtype=np.int64)
    tied = np.zeros(len(queries), dtype=np.int64)
    for part, scores in _score_blocks(queries, gallery, block):
        rows = np.arange(len(scores))
        threshold = scores[rows, targets[part], None].copy()
        for gone in (targets, excluded) if excluded is not None else (targets,):
            hidden = gone[part]
            scores[rows[hidden >= 0], hidden[hidden >= 0]] = -np.inf
        above[part] = np.count_nonzero(scores > threshold, axis=1)
        tied[part] = np.count_nonzero(scores == threshold, axis=1)
    return above, tied


def hits_at(above: Counts, tied: Counts, k: int) -> NDArray[np.float64]:
    """Expected hit at k, ties in random order: clip((k - above) / (tied + 1), 0, 1), (q,)."""
    return np.clip((k - above) / (tied + 1), 0.0, 1.0)


def recall_at(
    queries: Features,
    gallery: Features,
    targets: Rows,
    excluded: Rows | None = None,
    ks: Sequence[int] = (1, 5, 10, 50),
    block: int = BLOCK,
) -> dict[int, float]:
    """Recall at each k, in percent; arguments as in `rank_counts`."""
    above, tied = rank_counts(queries, gallery, targets, excluded, block)
    return {k: 100.0 * float(hits_at(above, tied, k).mean()) for k in ks}


def mean_reciprocal_rank(above: Counts, tied: Counts) -> float:
    """The mean of 1 / rank, in expectation over the order of ties."""
    longest = int((above + tied).max()) + 1
    sums = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, longest + 1))))
    expected = (sums[above + tied + 1] - sums[above]) / (tied + 1)
    return float(expected.mean())


def _score_blocks(
    queries: Features, gallery: Features, block: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    step = max(1, block // max(1, len(gallery)))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        yield part, queries[part] @ gallery.T


def _check(queries: Features, gallery: Features, targets: Rows, excluded: Rows | None) -> None:
    if len(queries) == 0 or len(queries) != len(targets):
        raise InvalidInput(
            f"Ranking needs one target for each query: there are {len(queries)} queries and "
            f"{len(targets)} targets."
        )
    if targets.min() < 0 or targets.max() >= len(gallery):
        raise InvalidInput(
            f"A target lies outside the gallery of {len(gallery)} items: check that the targets "
            "are its row numbers."
        )
    if excluded is not None and (excluded == targets).any():
        row = int(np.flatnonzero(excluded == targets)[0])
        raise InvalidInput(
            f"Query {row} excludes its own target: the reference and the target must differ."
        )
