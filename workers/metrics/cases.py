"""The best and the worst queries of an evaluation, to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workers.metrics.questions import Questions
from workers.metrics.ranking import Values
from workers.metrics.scores import Rows, Scorer
from workers.metrics.selection import best_of_one

SHOWN = 8
RESULTS = 6


@dataclass(frozen=True)
class Case:
    """One query, and what was found: names of pictures in the gallery of `questions`.

    texts: what was asked in words, two texts where their queries are averaged. ranks: the expected
    rank of its first right answer in each way of asking.
    """

    questions: Questions
    query: int
    texts: tuple[str, ...]
    ranks: Mapping[str, float]
    results: tuple[str, ...]

    @property
    def answers(self) -> frozenset[str]:
        """The pictures that are right."""
        return frozenset(self.questions.triplets[self.query].answers)


@dataclass(frozen=True, eq=False)
class Look:
    """A split to choose cases from: the words asked, (q,) in each wording, the composed scores, and
    the ranks (q,) of each way."""

    questions: Questions
    wordings: Sequence[Sequence[str]]
    scorer: Scorer
    ranks: Mapping[str, Values]


def best_and_worst(splits: Sequence[Look], way: str, count: int = SHOWN) -> tuple[list[Case], ...]:
    """Two lists of cases, at most one of a reference picture in each.

    Best are queries whose answer comes first and whose controls, the other ways of asking, find it
    late: there composing was what helped. Worst are those whose answer comes last.
    """

    def gain(split: Look, query: int) -> tuple[float, float]:
        others = [ranks[query] for name, ranks in split.ranks.items() if name != way]
        return split.ranks[way][query], -min(others, default=0.0)

    def loss(split: Look, query: int) -> tuple[float, float]:
        rank, control = gain(split, query)
        return -rank, -control

    return tuple(list(_first(splits, way, key, count)) for key in (gain, loss))


def _first(
    splits: Sequence[Look],
    way: str,
    key: Callable[[Look, int], tuple[float, float]],
    count: int,
) -> Iterator[Case]:
    places = [
        (key(split, query), number, query)
        for number, split in enumerate(splits)
        for query in np.flatnonzero(np.isfinite(split.ranks[way])).tolist()
    ]
    seen: set[str] = set()
    for _, number, query in sorted(places):
        reference = splits[number].questions.references[query]
        if len(seen) < count and reference not in seen:
            seen.add(reference)
            yield _case(splits[number], query)


def _case(split: Look, query: int) -> Case:
    results = best_of_one(split.scorer, query, RESULTS, _hidden(split.questions, query))
    return Case(
        questions=split.questions,
        query=query,
        texts=tuple(dict.fromkeys(texts[query] for texts in split.wordings)),
        ranks={name: float(ranks[query]) for name, ranks in split.ranks.items()},
        results=tuple(split.questions.gallery[row] for row in results),
    )


def _hidden(questions: Questions, query: int) -> Rows:
    """(m,) gallery rows that are not ranked for a query."""
    asked = questions.asked
    if questions.protocol.gallery == "own":
        return np.setdiff1d(np.arange(len(questions.gallery)), asked.subsets[query])
    excluded = asked.excluded(questions.protocol)
    gone = np.array([] if excluded is None else [excluded[query]], dtype=np.int64)
    return gone[gone >= 0]
