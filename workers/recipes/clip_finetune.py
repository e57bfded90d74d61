"""`clip-finetune`: CLIP4Cir's first stage, towers trained for the sum of their features.

Baldrati et al. 2022, "Conditioned and composed image retrieval combining and partially fine-tuning
CLIP-based features", section 3.1. Queries are the un-normalised sum of both features, towers stay
in evaluation mode (normalisation runs on stored statistics), and the loss goes from query to
target. With `encoder=text` the image tower is frozen, and its features are computed once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.composition.artefact import (
    ComposedModel,
    ComposerCard,
    DataCard,
    write_artefact,
)
from backend.composition.composer import FeatureSum
from backend.encoding.backbone import Backbone, load_backbone
from workers.recipes.recipe import Recipe, Trained, Training, card_of, fitted
from workers.recipes.towers_objective import Encoder, TowersObjective
from workers.recipes.triplets import TripletParameters, start_figures, told_beside, triplets_of
from workers.trainer.choosing import choosing_figures
from workers.trainer.features import FeatureCache
from workers.trainer.objective import Outcome
from workers.trainer.text_training import TextTraining
from workers.trainer.trained_towers import changed_towers, of_image, of_text
from workers.trainer.triplet_data import TripletData, choosing_splits

Measure = Callable[[ComposedModel], Mapping[str, float]]


class ClipFinetuneParameters(TripletParameters):
    """Published values: batch 128, 100 epochs, AdamW at 2e-6 with eps 1e-7, scale 100, both
    towers. Presets cut a batch into chunks that fit a GPU's memory at RN50x4's size; loss and
    gradients stay those of the whole batch."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "8gb": {"chunk": 8},
        "16gb": {"chunk": 24},
        "24gb": {"chunk": 48},
        "text-only": {"encoder": "text", "batch": 256},
    }

    batch: int = Field(128, ge=2)
    epochs: int = Field(100, ge=1)
    lr: float = Field(2e-6, gt=0)
    encoder: Encoder = Field("both", description="The towers to train.")
    scale: float = Field(100.0, gt=0, description="Inverse temperature of the loss.")
    chunk: int | None = Field(None, ge=1, description="Triplets that go through at a time.")
    loaders: int = Field(2, ge=0, description="Threads that decode pictures ahead.")


def train(training: Training) -> Outcome:
    """Train towers for the sum of their features, and write the model as an artefact.

    Raises InvalidInput for data that cannot be trained on, and what `fit` raises.
    """
    parameters = cast(ClipFinetuneParameters, training.parameters)
    data = triplets_of(training, parameters)
    objective = finetune_objective(training, parameters, data)
    parent = training.parent
    measure = choosing_figures(
        data.dataset, parent, training.cache, frozen_text=True, mean=parameters.mean
    )
    start = start_figures(training, measure, data)
    with tempfile.TemporaryDirectory() as scratch:
        outcome = fitted(
            training,
            objective,
            _measuring(training, objective, Path(scratch)),
            eps=1e-7,
            chunk=parameters.chunk,
            loaders=parameters.loaders,
        )
    if outcome.stopped in ("done", "early") and training.team.leads:
        _write(training, objective, outcome, told_beside(start, outcome, training))
    return outcome


def finetune_objective(
    training: Training, parameters: ClipFinetuneParameters, data: TripletData
) -> TowersObjective:
    """The objective; the parent's towers are trained in place. Every picture is looked at once
    beforehand, so that one that cannot be read is told before anything is trained."""
    backbone = training.parent.backbone

    def seen(done: int, total: int) -> None:
        training.said("Seeing pictures", done, total)

    images = {name: data.images[name] for name in data.names}
    found = training.cache.image_features(backbone, images, seen).require_all()
    wanted = {"both": (of_text, of_image), "text": (of_text,), "image": (of_image,)}
    for name, parameter in backbone.model.named_parameters():
        parameter.requires_grad_(any(whose(name) for whose in wanted[parameters.encoder]))
    frozen = torch.from_numpy(np.array(found.take(found.rows_of(data.names))))
    return TowersObjective(
        backbone=backbone,
        words=TextTraining(backbone.model, backbone.tokenize(data.texts).to(backbone.device)),
        data=data,
        features=frozen.to(backbone.device),
        encoder=parameters.encoder,
        scale=parameters.scale,
        seed=parameters.seed,
        run=training.facts,
        protocol=parameters.protocol,
    )


def _measuring(
    training: Training, objective: TowersObjective, scratch: Path
) -> Callable[[], Mapping[str, float]] | None:
    """Figures of the towers as they are. A changed image tower is another backbone, whose features
    are computed anew each time, into a folder of their own."""
    dataset, mean = objective.data.dataset, cast(ClipFinetuneParameters, training.parameters).mean
    composer, card = FeatureSum(), training.parent.card
    if not choosing_splits(dataset):
        return None

    def of(model: ComposedModel, cache: FeatureCache, *, frozen_text: bool) -> Measure:
        found = choosing_figures(dataset, model, cache, frozen_text=frozen_text, mean=mean)
        return found or (lambda model: {})

    if objective.encoder == "text":
        now = ComposedModel(objective.backbone, composer, card)
        figures = of(now, training.cache, frozen_text=False)

        def as_it_is() -> Mapping[str, float]:
            objective.words.put_back()
            return figures(now)

        return as_it_is

    def measured() -> Mapping[str, float]:
        changed = ComposedModel(_as_loaded(training, objective), composer, card)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            return of(changed, FeatureCache(Path(folder)), frozen_text=True)(changed)

    return measured


def _as_loaded(training: Training, objective: TowersObjective) -> Backbone:
    """The towers as anyone will load them, with fingerprints of their own."""
    device = str(objective.backbone.device)
    return load_backbone(training.parent.card.backbone.spec, device, overlay=_changed(objective))


def _changed(objective: TowersObjective) -> dict[str, Tensor]:
    """The tensors in which the towers differ from those that the backbone comes with."""
    objective.words.put_back()
    spec = objective.backbone.spec
    return changed_towers(objective.backbone.model, load_backbone(spec, "cpu").model)


def _write(
    training: Training, objective: TowersObjective, outcome: Outcome, beside: Mapping[str, Any]
) -> None:
    data, spec = objective.data, training.parent.card.backbone.spec
    towers = _changed(objective)
    trained = Trained(
        ComposerCard(kind="feature-sum"),
        DataCard(description=data.dataset.kind.label, hash=data.digest, counts=data.counts),
        {"choosing": dict(outcome.figures), "seconds": round(outcome.seconds, 1),
         "best_step": outcome.best_step, **beside},
        " ".join(data.remarks),
    )  # fmt: skip
    loaded = load_backbone(spec, "cpu", overlay=towers)
    model = ComposedModel(loaded, FeatureSum(), training.parent.card)
    card = card_of(training, RECIPE.name, model, trained)
    write_artefact(training.artefact, card, towers=towers)


RECIPE = Recipe(
    name="clip-finetune",
    about="A first stage: towers are trained so that the sum of their features finds (CLIP4Cir).",
    data="triplets: FashionIQ, CIRR, Wardrobe or an exported catalogue",
    takes="triplets",
    parameters=ClipFinetuneParameters,
    train=train,
)
