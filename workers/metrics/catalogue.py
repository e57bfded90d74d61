"""A catalogue's own triplets: recall and mean reciprocal rank of the target's product, in percent.

A product is found where the best of its pictures stands; its other pictures are no rivals. The
reference is taken out of its own ranking, as a shop takes it out of the results.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workers.metrics.captions import BY_COMPOSER
from workers.metrics.protocols import Asked, Benchmark, Outcome, Protocol, named, percent_hits
from workers.metrics.ranking import block_counts, expected_ranks, hide, reciprocal_ranks
from workers.metrics.scores import Rows, Scorer, Scores, score_blocks


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """R@k and MRR of one product a query."""
    above, tied = np.zeros_like(asked.targets), np.zeros_like(asked.targets)
    excluded = asked.excluded(protocol)
    for part, scores in score_blocks(scorer):
        best = _best_alone(scores, asked.positives[part])
        gone = None if excluded is None else excluded[part]
        above[part], tied[part] = block_counts(scores, best, gone)
    values = {
        **percent_hits(above, tied, protocol.ks),
        "MRR": 100.0 * reciprocal_ranks(above, tied),
    }
    return Outcome(values, expected_ranks(above, tied))


def _best_alone(scores: Scores, positives: Rows) -> Rows:
    """(n,) the best picture of each query's product; the others are hidden in the scores."""
    found = np.take_along_axis(scores, np.maximum(positives, 0), axis=1)
    places = np.where(positives >= 0, found, -np.inf).argmax(axis=1)
    best: Rows = positives[np.arange(len(positives)), places]
    for column in positives.T:
        hide(scores, np.where(column == best, -1, column))
    return best


_DEFAULT = Protocol()

BENCHMARK = Benchmark(
    name="catalogue",
    title="The catalogue's own triplets",
    split="test",
    measure=measure,
    protocols=named(
        _DEFAULT,
        replace(_DEFAULT, name="both-captions", captions=BY_COMPOSER),
        replace(_DEFAULT, name="reference-kept", reference="kept"),
    ),
)
