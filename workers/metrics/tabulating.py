"""From what each query got to the rows of a table, with intervals and a row for each category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backend.figures import Asking, Figure, Row, Terms
from workers.metrics.bootstrap import figures, interval
from workers.metrics.protocols import Benchmark, Outcome
from workers.metrics.questions import Group


@dataclass(frozen=True, eq=False)
class Answered:
    """One split asked in one way: what its queries got, under which terms, and their groups."""

    group: str
    outcome: Outcome
    terms: Terms
    groups: Mapping[str, Group]

    def part(self, group: Group, metrics: Sequence[str]) -> tuple[Outcome, Terms]:
        """What the queries of a group got, in the named metrics or all, and their terms."""
        kept = metrics or list(self.outcome.values)
        values = {name: self.outcome.values[name][group.queries] for name in kept}
        counts = {"queries_asked": int(group.queries.sum()), "queries_listed": group.listed}
        ranks = self.outcome.ranks[group.queries]
        return Outcome(values, ranks), self.terms.model_copy(update=counts)


def tabulated(
    benchmark: Benchmark, asking: Asking, splits: Sequence[Answered], seed: int = 0
) -> Iterator[Row]:
    """The row over everything (the mean over the splits where there are several), then one a
    split, then one a category or aspect of each split."""
    if len(splits) > 1:
        outcomes = [one.outcome for one in splits]
        yield row(benchmark, asking, "mean", outcomes, _together([s.terms for s in splits]), seed)
    for one in splits:
        yield row(benchmark, asking, one.group, [one.outcome], one.terms, seed)
    for one in splits if benchmark.grouped else ():
        for name, group in one.groups.items():
            outcome, terms = one.part(group, benchmark.of_groups)
            yield row(benchmark, asking, name, [outcome], terms, seed)


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
