"""What a benchmark is: named protocols, and a measure from scores to what each query got."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.errors import InvalidInput
from workers.metrics.ranking import Counts, Values, counts_of, expected_ranks, hits_at
from workers.metrics.scores import Rows, Scorer

Scope = Literal["original", "val", "paired", "own"]
DEFAULT = "default"


@dataclass(frozen=True)
class Protocol:
    """The named rules that a figure is taken under.

    Attributes:
        gallery: `original`, every image of the split's list; `val`, the references and targets of
            its triplets; `paired`, the targets alone; `own`, each query has a gallery of its own.
        reference: whether the reference image may be among the results.
        captions: the name of a rule of `captions`, or `by composer`.
        prompt: the template of pseudo-token composers (`$` the picture, `{}` the text); without
            one, the model's own.
        sentence: what the text tower reads otherwise, and for the text-only control.
        ks: where recall is taken.
    """

    name: str = DEFAULT
    gallery: Scope = "original"
    reference: Literal["kept", "removed"] = "removed"
    captions: str = "as written"
    prompt: str | None = None
    sentence: str = "{}"
    ks: tuple[int, ...] = (1, 5, 10, 50)

    @property
    def published(self) -> bool:
        """Whether it reproduces a published code, its odd rules included."""
        return self.name.startswith("published:")


@dataclass(frozen=True, eq=False)
class Asked:
    """The queries of a split as row numbers of its gallery, -1 for none.

    targets, references: (q,). positives: (q, m), every right answer, the target first. subsets:
    (q, n), the few images a query is also ranked among.
    """

    targets: Rows
    references: Rows
    positives: Rows
    subsets: Rows

    def excluded(self, protocol: Protocol) -> Rows | None:
        """(q,) the rows to leave out of each ranking."""
        return self.references if protocol.reference == "removed" else None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What each query got: metric -> (q,), in percent, ranks from 1. `ranks` (q,) is the expected
    rank of the first right answer, by which the best and worst queries are found."""

    values: Mapping[str, Values]
    ranks: Values

    def table(self, metrics: Sequence[str]) -> Values:
        """(q, m) values of the named metrics."""
        return np.stack([self.values[name] for name in metrics], axis=1)


Measure = Callable[[Scorer, Asked, Protocol], Outcome]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of the field.

    Attributes:
        split: the one that is asked by default.
        medians: metrics whose figure is the median of the queries' values and not their mean.
        parts: whether its splits are parts whose mean is the figure: categories, tasks or domains.
        grouped: whether there is a row for each category or aspect.
        of_groups: the metrics of rows of one category or aspect; empty for all of them.
    """

    name: str
    title: str
    split: str
    measure: Measure
    protocols: Mapping[str, Protocol]
    medians: frozenset[str] = frozenset()
    parts: bool = False
    grouped: bool = True
    of_groups: tuple[str, ...] = ()

    def protocol(self, name: str) -> Protocol:
        """The protocol of that name; InvalidInput lists those there are."""
        if name not in self.protocols:
            raise InvalidInput(
                f'{self.title} has no protocol "{name}": choose one of {", ".join(self.protocols)}.'
            )
        return self.protocols[name]


def named(*protocols: Protocol) -> dict[str, Protocol]:
    """Protocols by their names."""
    return {protocol.name: protocol for protocol in protocols}


def percent_hits(
    above: Counts, tied: Counts, ks: Sequence[int], prefix: str = "R@"
) -> dict[str, Values]:
    """`R@k` of each query, in percent, for each k."""
    return {f"{prefix}{k}": 100.0 * hits_at(above, tied, k) for k in ks}


def recall_outcome(scorer: Scorer, asked: Asked, protocol: Protocol) -> Outcome:
    """Recall at the protocol's ks of one target a query."""
    above, tied = counts_of(scorer, asked.targets, asked.excluded(protocol))
    return Outcome(percent_hits(above, tied, protocol.ks), expected_ranks(above, tied))
