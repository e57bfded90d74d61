"""Two versions on the same held-out triplets: the figures of both, and each triplet's two ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from backend.training.measuring_schemas import MOST_TOLD, Comparison, RankedTriplet
from backend.whole_files import write_whole
from workers.metrics.bootstrap import figures, interval
from workers.metrics.ranking import Values
from workers.metrics.sign_test import duel
from workers.trainer.benchmarking import AnsweredSplit, Evaluated
from workers.training_figures import RECALLS, asked_splits, measured, rounded
from workers.training_reports import Reports
from workers.training_spec import CompareWork, Ended


@dataclass(frozen=True, eq=False)
class _Asked:
    """The triplets of one split that both versions answered. recalls: (q, m) each; ranks: (q,)
    each; told: reference, words and target of each."""

    told: list[tuple[str, str, str]]
    recalls: tuple[Values, Values]
    ranks: tuple[Values, Values]


def compare_versions(work: CompareWork, reports: Reports) -> Ended:
    """Write a `Comparison` of the two to `work.figures`.

    Raises what `load_model` and `evaluate` raise, and StopAsked.
    """
    torch.set_num_threads(work.threads)
    splits = asked_splits(work)
    a = measured(work.a, work, splits, reports)
    b = measured(work.b, work, splits, reports)
    found = compared(a, b, (work.a.name, work.b.name), work.split)
    write_whole(work.figures, found.model_dump_json().encode())
    return Ended(stopped="done")


def compared(a: Evaluated, b: Evaluated, names: tuple[str, str], split: str) -> Comparison:
    """What two evaluations of the same splits say of one another."""
    asked = [_both(*pair) for pair in zip(a.splits, b.splits, strict=True)]
    first, second = (np.concatenate([one.ranks[side] for one in asked]) for side in (0, 1))
    told = [line for one in asked for line in one.told]
    found = duel(first, second)
    return Comparison(
        a=names[0],
        b=names[1],
        split=split,
        triplets=len(told),
        wins=found.wins,
        losses=found.losses,
        ties=found.ties,
        p_value=found.p_value,
        figures_a=_figures([one.recalls[0] for one in asked]),
        figures_b=_figures([one.recalls[1] for one in asked]),
        gains=_largest(told, first, second),
        drops=_largest(told, first, second, down=True),
    )


def _both(a: AnsweredSplit, b: AnsweredSplit) -> _Asked:
    """A picture that one of them could not see leaves its triplets out of both."""
    rows = [
        {one.id: row for row, one in enumerate(split.posed.questions.triplets)} for split in (a, b)
    ]
    shared = [one for one in rows[0] if one in rows[1]]
    picked = [np.array([places[one] for one in shared]) for places in rows]
    outcomes = [split.outcomes["composed"] for split in (a, b)]
    recalls = [one.table(RECALLS)[part] for one, part in zip(outcomes, picked, strict=True)]
    ranks = [one.ranks[part] for one, part in zip(outcomes, picked, strict=True)]
    triplets, words = a.posed.questions.triplets, a.posed.wordings[0].captions
    told = [
        (triplets[row].reference, words[row], triplets[row].target or "")
        for row in picked[0].tolist()
    ]
    return _Asked(told, (recalls[0], recalls[1]), (ranks[0], ranks[1]))


def _figures(splits: Sequence[Values]) -> dict[str, tuple[float, float, float]]:
    values, (low, high) = figures(splits), interval(splits)
    rows = zip(RECALLS, values.tolist(), low.tolist(), high.tolist(), strict=True)
    found = {name: rounded(value, *ends) for name, value, *ends in rows}
    return {name: (value, low, high) for name, (value, low, high) in found.items()}


def _largest(
    told: Sequence[tuple[str, str, str]], first: Values, second: Values, *, down: bool = False
) -> list[RankedTriplet]:
    """Those whose rank changed most, by its ratio: from 30 to 3 is more than from 130 to 103."""
    gain = np.log(first / second) * (-1 if down else 1)
    order = np.argsort(-gain, kind="stable")[:MOST_TOLD]
    return [
        RankedTriplet(
            reference=told[row][0],
            words=told[row][1][:2_000],
            target=told[row][2],
            rank_a=float(first[row]),
            rank_b=float(second[row]),
        )
        for row in order.tolist()
        if gain[row] > 0
    ]
