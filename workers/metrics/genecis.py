"""GeneCIS: recall at 1, 2 and 3 in a small gallery of each query's own, in four tasks.

Vaze et al. 2023, "GeneCIS: A Benchmark for General Conditional Image Similarity". The evaluation
that LinCIR published asks every object task with the caption "0", and widens the boxes of objects
to the left and above only; `published:lincir` does so too.
"""

from __future__ import annotations

from workers.metrics.captions import ZERO_FOR_OBJECTS
from workers.metrics.protocols import Asked, Benchmark, Outcome, Protocol, named, percent_hits
from workers.metrics.ranking import counts_in_galleries, expected_ranks
from workers.metrics.scores import Scorer

KS = (1, 2, 3)


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """R@k of the target, the first of each query's `subsets`."""
    above, tied = counts_in_galleries(scorer, asked.subsets)
    return Outcome(percent_hits(above, tied, protocol.ks), expected_ranks(above, tied))


BENCHMARK = Benchmark(
    name="genecis",
    title="GeneCIS",
    split="all",
    measure=measure,
    parts=True,
    protocols=named(
        Protocol(gallery="own", ks=KS),
        Protocol(
            "published:lincir",
            gallery="own",
            captions=ZERO_FOR_OBJECTS,
            prompt="a photo of $ that {}",
            ks=KS,
        ),
    ),
)
