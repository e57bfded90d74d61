"""What a finished model reaches on held-out triplets, next to the version that answers today.

Both are asked the same questions; the intervals are bootstrapped over them with the same draws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch

from backend.composition.artefact import ComposedModel, load_model
from backend.figures import Asking, Evaluation, Row
from workers.datasets.opening import open_dataset
from workers.datasets.triplets import TripletSplit
from workers.metrics.benchmarks import benchmark_named
from workers.trainer.benchmarking import evaluate
from workers.trainer.features import FeatureCache
from workers.training_data import with_triplets
from workers.training_files import write_aside
from workers.training_reports import Reports
from workers.training_segment import loaded
from workers.training_spec import Ended, EvaluateWork

KS = (1, 5, 10, 50)
_WAYS: Mapping[Asking, str] = {"composed": "composed", "image only": "image", "text only": "text"}


def evaluate_versions(work: EvaluateWork, reports: Reports) -> Ended:
    """Write the figures of the new model and of the active version to `work.figures`.

    Raises what `load_model` and `evaluate` raise, and StopAsked.
    """
    torch.set_num_threads(work.threads)
    splits = with_triplets(open_dataset(work.data), work.split)
    new = _measured(load_model(work.model, work.device, work.threads), work, splits, reports)
    active = _measured(loaded(work.active, work.device, work.threads), work, splits, reports)
    found = {
        "triplets": new.row().queries,
        "split": work.split,
        "ways": {
            **{name: _figures(new.row(way)) for way, name in _WAYS.items()},
            "active": _figures(active.row()),
        },
    }
    write_aside(work.figures, json.dumps(found).encode())
    return Ended(stopped="done")


def _measured(
    model: ComposedModel, work: EvaluateWork, splits: list[TripletSplit], reports: Reports
) -> Evaluation:
    benchmark = benchmark_named(open_dataset(work.data).kind.name)
    found = evaluate(
        model, benchmark, splits, "default", FeatureCache(work.cache),
        frozen_text=True, progress=reports.preparing,
    )  # fmt: skip
    return found.evaluation


def _figures(row: Row) -> dict[str, Any]:
    """Value, lower and upper end of the interval of each recall, in percent."""
    wanted = {name: row.figures[name] for name in (f"R@{k}" for k in KS) if name in row.figures}
    return {
        name: [round(number, 3) for number in (one.value, one.low, one.high)]
        for name, one in wanted.items()
    }
