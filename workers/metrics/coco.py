"""COCO object composition: an instance cut from its background finds its scene, and back.

Saito et al. 2023, "Pic2Word: Mapping Pictures to Words for Zero-shot Composed Image Retrieval",
section 4. N queries and their N images are paired, both directions are ranked. The published rule
for the size of objects is a slip, so `published:pic2word` asks other queries.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workers.metrics.protocols import Asked, Benchmark, Outcome, Protocol, named, percent_hits
from workers.metrics.ranking import Values, counts_of, expected_ranks
from workers.metrics.scores import Rows, Scorer

KS = (1, 5, 10, 50, 100)
MEAN_RANK, MEDIAN_RANK = "mean rank", "median rank"
BACK = "back "
"""Before the names of the metrics of images that look for their composed query."""


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """R@k, mean and median rank from composed query to image, and from image to query."""
    there, ranks = _direction(scorer, asked.targets, protocol)
    pairs = np.arange(len(asked.targets))
    back, _ = _direction(scorer.asked_by(asked.targets), pairs, protocol)
    return Outcome({**there, **{f"{BACK}{name}": value for name, value in back.items()}}, ranks)


def _direction(
    scorer: Scorer, targets: Rows, protocol: Protocol
) -> tuple[dict[str, Values], Values]:
    above, tied = counts_of(scorer, targets)
    ranks = expected_ranks(above, tied)
    values = {**percent_hits(above, tied, protocol.ks), MEAN_RANK: ranks, MEDIAN_RANK: ranks}
    return values, ranks


_DEFAULT = Protocol(
    gallery="paired",
    reference="kept",
    prompt="a photo of $ and {}",
    sentence="a photo of {}",
    ks=KS,
)

BENCHMARK = Benchmark(
    name="coco",
    title="COCO object composition",
    split="val",
    measure=measure,
    protocols=named(
        _DEFAULT,
        replace(_DEFAULT, name="published:pic2word"),
    ),
    of_groups=("R@1", "R@10"),
    medians=frozenset({MEDIAN_RANK, f"{BACK}{MEDIAN_RANK}"}),
)
