"""Wardrobe: recall and mean reciprocal rank, in percent.

The reference is taken out of its own ranking, as a shop takes it out of the results.
"""

from __future__ import annotations

from dataclasses import replace

from workers.metrics.captions import BY_COMPOSER
from workers.metrics.protocols import Asked, Benchmark, Outcome, Protocol, named, percent_hits
from workers.metrics.ranking import counts_of, expected_ranks, reciprocal_ranks
from workers.metrics.scores import Scorer


def measure(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """R@k and MRR of one target a query."""
    above, tied = counts_of(scorer, asked.targets, asked.excluded(protocol))
    values = {
        **percent_hits(above, tied, protocol.ks),
        "MRR": 100.0 * reciprocal_ranks(above, tied),
    }
    return Outcome(values, expected_ranks(above, tied))


_DEFAULT = Protocol()

BENCHMARK = Benchmark(
    name="wardrobe",
    title="Wardrobe",
    split="test",
    measure=measure,
    protocols=named(
        _DEFAULT,
        replace(_DEFAULT, name="second-caption", captions="second as written"),
        replace(_DEFAULT, name="both-captions", captions=BY_COMPOSER),
        replace(_DEFAULT, name="reference-kept", reference="kept"),
    ),
)
