"""From what each query got to the rows of a table, with intervals and a row for each category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.figures import Asking, Figure, Row, Terms
from workers.metrics.bootstrap import figures, interval
from workers.metrics.protocols import Benchmark, Outcome
from workers.metrics.questions import Questions


@dataclass(frozen=True, eq=False)
class Answered:
    """One split asked in one way."""

    group: str
    questions: Questions
    outcome: Outcome
    captions: str

    def terms(self, group: str | None = None) -> Terms:
        """Those of its row, or of the row of one of its categories or aspects."""
        return self.questions.terms(self.captions, group)

    def of(self, queries: NDArray[np.bool_], metrics: Sequence[str]) -> Outcome:
        """What those queries got, in the named metrics or all."""
        kept = metrics or list(self.outcome.values)
        values = {name: self.outcome.values[name][queries] for name in kept}
        return Outcome(values, self.outcome.ranks[queries])


def tabulated(
    benchmark: Benchmark, asking: Asking, splits: Sequence[Answered], seed: int = 0
) -> Iterator[Row]:
    """The row over everything (the mean over the splits where there are several), then one a
    split, then one a category or aspect of each split."""
    if len(splits) > 1:
        outcomes = [one.outcome for one in splits]
        yield row(benchmark, asking, "mean", outcomes, _together([s.terms() for s in splits]), seed)
    for one in splits:
        yield row(benchmark, asking, one.group, [one.outcome], one.terms(), seed)
    for one in splits if benchmark.grouped else ():
        for name, queries in one.questions.groups.items():
            part = one.of(queries, benchmark.of_groups)
            yield row(benchmark, asking, name, [part], one.terms(name), seed)


def row(
    benchmark: Benchmark,
    asking: Asking,
    group: str,
    outcomes: Sequence[Outcome],
    terms: Terms,
    seed: int = 0,
) -> Row:
    """Figures and intervals of the outcomes, each weighing the same."""
    names = list(outcomes[0].values)
    tables = [outcome.table(names) for outcome in outcomes]
    medians = [i for i, name in enumerate(names) if name in benchmark.medians]
    values, (low, high) = figures(tables, medians), interval(tables, medians, seed=seed)
    found = {
        name: Figure(value=float(values[i]), low=float(low[i]), high=float(high[i]))
        for i, name in enumerate(names)
    }
    queries = sum(map(len, tables))
    return Row(asking=asking, group=group, queries=queries, figures=found, terms=terms)


def _together(terms: Sequence[Terms]) -> Terms:
    """The terms of a row over several splits: their counts added up."""
    counts = ("images_found", "images_listed", "queries_asked", "queries_listed")
    sums = {name: sum(getattr(one, name) for one in terms) for name in counts}
    return terms[0].model_copy(update=sums)
