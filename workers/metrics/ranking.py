"""Ranks by counting, in blocks: no sorts, memory bounded at any gallery size.

A target has `above` items strictly above it and `tied` others at its own score. Over all orders of
the ties its rank is uniform on above + 1 ... above + tied + 1, so that a scorer that gives every
item the same score gets chance, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidInput
from workers.metrics.scores import (
    BLOCK,
    Features,
    Rows,
    Scorer,
    Scores,
    Similarities,
    parts,
    score_blocks,
)

WIDTH = 1_024  # numbers in a feature, more or less

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


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
    return counts_of(Similarities(queries, gallery), targets, excluded, block)


def counts_of(
    scorer: Scorer, targets: Rows, excluded: Rows | None = None, block: int = BLOCK
) -> tuple[Counts, Counts]:
    """`rank_counts` under any scorer."""
    check_rows(scorer, targets, excluded)
    above, tied = np.zeros_like(targets), np.zeros_like(targets)
    for part, scores in score_blocks(scorer, block):
        gone = None if excluded is None else excluded[part]
        above[part], tied[part] = block_counts(scores, targets[part], gone)
    return above, tied


def block_counts(
    scores: Scores, targets: Rows, excluded: Rows | None = None
) -> tuple[Counts, Counts]:
    """`rank_counts` of one block of scores (n, items), which is written to."""
    threshold = scores[np.arange(len(scores)), targets, None]
    for gone in (targets,) if excluded is None else (targets, excluded):
        hide(scores, gone)
    above = np.count_nonzero(scores > threshold, axis=1)
    return above, np.count_nonzero(scores == threshold, axis=1)


def hide(scores: Scores, gone: Rows) -> None:
    """Put one item of each row (n,) of a block last; -1 hides none."""
    rows = np.flatnonzero(gone >= 0)
    scores[rows, gone[rows]] = -np.inf


def counts_among(
    scores: Scores, threshold: Scores, rivals: NDArray[np.bool_]
) -> tuple[Counts, Counts]:
    """Counts among each query's own few rivals: a ranking restricted to a subset.

    scores: (n, m) of the candidates; threshold: (n,) of the targets, from the same product;
    rivals: (n, m), which of the candidates count (not padding, the target or the reference).
    """
    target = threshold[:, None]
    above = np.count_nonzero((scores > target) & rivals, axis=1)
    return above, np.count_nonzero((scores == target) & rivals, axis=1)


def counts_in_galleries(
    scorer: Scorer, galleries: Rows, block: int = BLOCK
) -> tuple[Counts, Counts]:
    """Counts in a gallery of each query's own: (q, m) rows, the target first, padded with -1."""
    above = np.zeros(len(galleries), dtype=np.int64)
    tied = np.zeros_like(above)
    queries, width = galleries.shape
    for part in parts(queries, width * WIDTH, block):  # what is gathered are features
        scores = scorer.scores_of(part, galleries[part])
        rivals = galleries[part, 1:] >= 0
        above[part], tied[part] = counts_among(scores[:, 1:], scores[:, 0], rivals)
    return above, tied


def hits_at(above: Counts, tied: Counts, k: int) -> Values:
    """Expected hit at k, ties in random order: clip((k - above) / (tied + 1), 0, 1), (q,)."""
    return np.clip((k - above) / (tied + 1), 0.0, 1.0)


def expected_ranks(above: Counts, tied: Counts) -> Values:
    """The mean rank of each target over all orders of its ties, (q,); 1 is first."""
    return 1.0 + above + tied / 2


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


def reciprocal_ranks(above: Counts, tied: Counts) -> Values:
    """1 / rank of each target, (q,), in expectation over the order of ties."""
    longest = int((above + tied).max()) + 1
    sums = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, longest + 1))))
    expected: Values = (sums[above + tied + 1] - sums[above]) / (tied + 1)
    return expected


def mean_reciprocal_rank(above: Counts, tied: Counts) -> float:
    """The mean of 1 / rank, in expectation over the order of ties."""
    return float(reciprocal_ranks(above, tied).mean())


def check_rows(scorer: Scorer, targets: Rows, excluded: Rows | None = None) -> None:
    """Raises InvalidInput where the rows cannot be ranked under this scorer."""
    queries, items = scorer.shape
    if queries == 0 or queries != len(targets):
        raise InvalidInput(
            f"Ranking needs one target for each query: there are {queries} queries and "
            f"{len(targets)} targets."
        )
    if targets.min() < 0 or targets.max() >= items:
        raise InvalidInput(
            f"A target lies outside the gallery of {items} items: check that the targets "
            "are its row numbers."
        )
    if excluded is not None and (excluded == targets).any():
        row = int(np.flatnonzero(excluded == targets)[0])
        raise InvalidInput(
            f"Query {row} excludes its own target: the reference and the target must differ."
        )
