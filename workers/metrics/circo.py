"""CIRCO: mean average precision over several right answers a query, by aspect of the change too.

Baldrati et al. 2023, "Zero-Shot Composed Image Retrieval with Textual Inversion", section 4. The
reference stays in the ranking, as the official evaluation has it.
"""

from __future__ import annotations

import numpy as np

from workers.metrics.average_precision import average_precision, list_positions
from workers.metrics.protocols import Asked, Benchmark, Outcome, Protocol, named
from workers.metrics.ranking import Counts, block_counts, check_rows, hide, hits_at
from workers.metrics.scores import BLOCK, Rows, Scorer, score_blocks

KS = (5, 10, 25, 50)


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """mAP@k over all right answers, and R@k of the target."""
    positions, (above, tied) = positions_and_counts(scorer, asked, asked.excluded(protocol))
    precisions = average_precision(positions, protocol.ks)
    first = np.where(positions > 0, positions, scorer.shape[1] + 1).min(axis=1)
    values = {
        **{f"mAP@{k}": 100.0 * precisions[k] for k in protocol.ks},
        **{f"R@{k}": 100.0 * hits_at(above, tied, k) for k in protocol.ks},
    }
    return Outcome(values, first.astype(np.float64))


def positions_and_counts(
    scorer: Scorer, asked: Asked, excluded: Rows | None, block: int = BLOCK
) -> tuple[Counts, tuple[Counts, Counts]]:
    """The list places of the positives (q, m), and the counts of the targets, in one pass."""
    check_rows(scorer, asked.targets, excluded)
    places = np.zeros(asked.positives.shape, dtype=np.int64)
    above, tied = np.zeros_like(asked.targets), np.zeros_like(asked.targets)
    for part, scores in score_blocks(scorer, block):
        if excluded is not None:
            hide(scores, excluded[part])
        places[part] = list_positions(scores, asked.positives[part])
        above[part], tied[part] = block_counts(scores, asked.targets[part])
    return places, (above, tied)


BENCHMARK = Benchmark(
    name="circo",
    title="CIRCO",
    split="val",
    measure=measure,
    protocols=named(
        Protocol(reference="kept", ks=KS),
        Protocol("reference-removed", reference="removed", ks=KS),
        Protocol("published:lincir", reference="kept", prompt="a photo of $ that {}", ks=KS),
    ),
    of_groups=("mAP@10",),
)
