"""CIRR: recall over all images of the split, and among the reference's five nearest relatives.

Liu et al. 2021, "Image Retrieval on Real-life Images with Pre-trained Vision-and-Language Models".
The reference is taken out of both rankings, so a subset has five candidates and chance is 20 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.metrics.protocols import (
    Asked,
    Benchmark,
    Outcome,
    Protocol,
    named,
    percent_hits,
    recall_outcome,
)
from workers.metrics.ranking import (
    Counts,
    block_counts,
    check_rows,
    counts_among,
    expected_ranks,
)
from workers.metrics.scores import BLOCK, Rows, Scorer, score_blocks

SUBSET_KS = (1, 2, 3)
_PIC2WORD = "published:pic2word"


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """R@k over the gallery, Rs@k among the five, and mean(R@5,Rs@1), which servers rank by."""
    if protocol.name.startswith(_PIC2WORD):
        return recall_outcome(scorer, asked, protocol)
    (above, tied), subset = whole_and_subset_counts(scorer, asked, asked.excluded(protocol))
    values = {
        **percent_hits(above, tied, protocol.ks),
        **percent_hits(*subset, SUBSET_KS, prefix="Rs@"),
    }
    mean = (values["R@5"] + values["Rs@1"]) / 2
    return Outcome({**values, "mean(R@5,Rs@1)": mean}, expected_ranks(above, tied))


def whole_and_subset_counts(
    scorer: Scorer, asked: Asked, excluded: Rows | None, block: int = BLOCK
) -> tuple[tuple[Counts, Counts], tuple[Counts, Counts]]:
    """(above, tied) over the gallery, and the same among the subsets, from one score matrix."""
    check_rows(scorer, asked.targets, excluded)
    whole, subset = (np.zeros((2, len(asked.targets)), dtype=np.int64) for _ in range(2))
    for part, scores in score_blocks(scorer, block):
        targets, members = asked.targets[part], asked.subsets[part]
        scored = np.take_along_axis(scores, members, axis=1)
        threshold = scores[np.arange(len(scores)), targets]
        rivals = subset_rivals(members, targets, asked.references[part])
        subset[:, part] = counts_among(scored, threshold, rivals)
        whole[:, part] = block_counts(scores, targets, None if excluded is None else excluded[part])
    return (whole[0], whole[1]), (subset[0], subset[1])


def subset_rivals(members: Rows, targets: Rows, references: Rows) -> NDArray[np.bool_]:
    """(n, m) which members compete with the target: not itself, not the reference."""
    rivals: NDArray[np.bool_] = (members >= 0) & (members != targets[:, None])
    rivals &= members != references[:, None]
    return rivals


_KS = (1, 5, 10, 50)

BENCHMARK = Benchmark(
    name="cirr",
    title="CIRR",
    split="val",
    measure=measure,
    protocols=named(
        Protocol(ks=_KS),
        Protocol("published:clip4cir", ks=_KS),
        Protocol("published:spn4cir", ks=_KS),
        Protocol("published:lincir", prompt="a photo of $ that {}", ks=_KS),
        Protocol(_PIC2WORD, prompt="a photo of $ , {}", ks=(1, 5, 10, 50, 100)),
    ),
)
