"""What the recipes that train on triplets share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import Field

from backend.composition.artefact import ComposedModel
from workers.recipes.recipe import Parameters, Training
from workers.trainer.choosing import SELECTED
from workers.trainer.objective import Figures, Outcome
from workers.trainer.triplet_data import TripletData, choosing_splits, training_triplets

START = "start.json"


class TripletParameters(Parameters):
    """Which triplets, and how weights are chosen on those of validation."""

    added: str | None = Field(
        None,
        pattern=r"^[\w-]+(,[\w-]+)*$",
        description="Added triplets to train on too, by name: captions/cap.extend_NAME.train.json.",
    )
    mean: str = Field(
        "arithmetic",
        pattern="^(arithmetic|harmonic|geometric)$",
        description="Of CIRR's seven figures, which weights are chosen by.",
    )


def start_figures(
    training: Training, measure: Callable[[ComposedModel], Figures] | None, data: TripletData
) -> Figures | None:
    """The figures of the model that a run starts from, measured once and kept with the run: each
    of its segments asks for them."""
    if measure is None:
        return None
    path, of = training.out / START, {**training.facts, "data": data.digest}
    kept = json.loads(path.read_text()) if path.is_file() else {}
    if kept.get("of") == of:
        figures: Figures = kept["figures"]
        return figures
    found = dict(measure(training.parent))
    if training.team.leads:
        training.out.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".partial")
        aside.write_text(json.dumps({"of": of, "figures": found}))
        aside.replace(path)
    return found


def told_beside(start: Figures | None, outcome: Outcome, training: Training) -> dict[str, Any]:
    """The figures of the model that a run starts from, for its card; where they are higher than the
    run's own, that is remarked."""
    if start is None or not outcome.figures:
        return {}
    before, after = start[SELECTED], outcome.figures[SELECTED]
    if before > after:
        training.tell([
            f"The model that it starts from answers the validation triplets better ({before:.1f}, "
            f"and this one {after:.1f}): keep that one, or train with a lower learning rate, "
            "fewer epochs or more data."
        ])  # fmt: skip
    return {"start": dict(start)}


def triplets_of(training: Training, parameters: TripletParameters) -> TripletData:
    """The triplets to train on; what is missing or cut is remarked.

    Raises InvalidInput as `training_triplets` does.
    """
    added = parameters.added.split(",") if parameters.added else []
    data = training_triplets(training.data, added)
    chosen = (split.missing_sentence() for split in choosing_splits(data.dataset))
    training.tell((*data.remarks, *filter(None, chosen)))
    cut = sum(training.parent.backbone.cut(data.texts))
    if cut:
        training.tell([f"{cut:,} of {len(data.texts):,} texts are cut: the model reads no more."])
    return data
