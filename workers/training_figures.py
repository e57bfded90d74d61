"""What a finished model reaches on held-out triplets, next to the version that answers today.

Both are asked the same questions; the intervals are bootstrapped over them with the same draws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch

from backend.figures import Asking, Row
from backend.whole_files import write_whole
from workers.datasets.opening import open_dataset
from workers.datasets.triplets import TripletSplit
from workers.metrics.benchmarks import benchmark_named
from workers.trainer.benchmarking import Evaluated, evaluate
from workers.trainer.features import FeatureCache
from workers.training_data import with_triplets
from workers.training_reports import Reports
from workers.training_segment import loaded
from workers.training_spec import Ended, EvaluateWork, MeasureWork, ModelSpec

KS = (1, 5, 10, 50)
RECALLS = tuple(f"R@{k}" for k in KS)
_WAYS: Mapping[Asking, str] = {"composed": "composed", "image only": "image", "text only": "text"}


def evaluate_versions(work: EvaluateWork, reports: Reports) -> Ended:
    """Write the figures of the new model and of the active version to `work.figures`.

    Raises what `load_model` and `evaluate` raise, and StopAsked.
    """
    torch.set_num_threads(work.threads)
    splits = asked_splits(work)
    new = measured(work.model, work, splits, reports).evaluation
    active = measured(work.active, work, splits, reports).evaluation
    found = {
        "triplets": new.row().queries,
        "split": work.split,
        "ways": {
            **{name: _figures(new.row(way)) for way, name in _WAYS.items()},
            "active": _figures(active.row()),
        },
    }
    write_whole(work.figures, json.dumps(found).encode())
    return Ended(stopped="done")


def asked_splits(work: MeasureWork) -> list[TripletSplit]:
    """The splits that are asked, each of which has triplets."""
    return with_triplets(open_dataset(work.data), work.split)


def measured(
    spec: ModelSpec, work: MeasureWork, splits: list[TripletSplit], reports: Reports
) -> Evaluated:
    """One version on these splits; the model is gone when this returns."""
    benchmark = benchmark_named(open_dataset(work.data).kind.name)
    model = loaded(spec, work.device, work.threads)
    return evaluate(
        model, benchmark, splits, "default", FeatureCache(work.cache),
        frozen_text=True, progress=reports.preparing,
    )  # fmt: skip


def rounded(value: float, low: float, high: float) -> list[float]:
    """A figure and its interval, in percent, as they are kept."""
    return [round(number, 3) for number in (value, low, high)]


def _figures(row: Row) -> dict[str, Any]:
    wanted = {name: row.figures[name] for name in RECALLS if name in row.figures}
    return {name: rounded(one.value, one.low, one.high) for name, one in wanted.items()}
