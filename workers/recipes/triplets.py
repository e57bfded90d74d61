"""What the recipes that train on triplets share."""

from __future__ import annotations

from pydantic import Field

from workers.recipes.recipe import Parameters, Training
from workers.trainer.triplet_data import TripletData, choosing_splits, training_triplets


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


def triplets_of(training: Training, parameters: TripletParameters) -> TripletData:
    """The triplets to train on; what is missing is remarked.

    Raises InvalidInput as `training_triplets` does.
    """
    added = parameters.added.split(",") if parameters.added else []
    data = training_triplets(training.data, added)
    chosen = (split.missing_sentence() for split in choosing_splits(data.dataset))
    training.tell((*data.remarks, *filter(None, chosen)))
    return data
