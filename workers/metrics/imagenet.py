"""ImageNet-R domain conversion: a photo finds its class as cartoon, origami, toy or sculpture.

Saito et al. 2023 (Pic2Word), section 4. A query whose class has no picture in the domain finds
nothing and stays in the mean: 94 of the 200 classes have no origami.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workers.metrics.average_precision import expected_hits
from workers.metrics.protocols import Asked, Benchmark, Outcome, Protocol, named
from workers.metrics.ranking import Values
from workers.metrics.scores import Rows, Scorer, Scores, score_blocks

KS = (1, 5, 10, 50, 100, 200)
_EPSILON = 1e-5  # what the published code adds to the number of right answers


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """R@k, the share of the right answers among the first k, and P@k, the share of the k that are
    right."""
    hits = np.zeros((len(asked.positives), len(protocol.ks)))
    ranks = np.full(len(hits), np.nan)
    for part, scores in score_blocks(scorer):
        hits[part] = expected_hits(scores, asked.positives[part], protocol.ks)
        ranks[part] = _first_ranks(scores, asked.positives[part])
    answers = np.count_nonzero(asked.positives >= 0, axis=1)
    totals = answers + _EPSILON if protocol.published else np.maximum(answers, 1)
    recall, precision = hits / totals[:, None], hits / np.array(protocol.ks)
    values = {f"R@{k}": 100.0 * recall[:, i] for i, k in enumerate(protocol.ks)}
    values |= {f"P@{k}": 100.0 * precision[:, i] for i, k in enumerate(protocol.ks)}
    return Outcome(values, ranks)


def _first_ranks(scores: Scores, positives: Rows) -> Values:
    """(n,) the rank of the best right answer; NaN where there is none."""
    found = np.take_along_axis(scores, np.maximum(positives, 0), axis=1)
    best = np.where(positives >= 0, found, -np.inf).max(axis=1, initial=-np.inf)
    ranks = 1.0 + np.count_nonzero(scores > best[:, None], axis=1)
    return np.where(np.isfinite(best), ranks, np.nan)


_DEFAULT = Protocol(reference="kept", prompt="a {} of $", sentence="a {} of", ks=KS)

BENCHMARK = Benchmark(
    name="imagenet",
    title="ImageNet-R domain conversion",
    split="all",
    grouped=False,
    measure=measure,
    parts=True,
    protocols=named(
        _DEFAULT,
        replace(_DEFAULT, name="published:pic2word"),
    ),
)
