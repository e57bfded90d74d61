"""`combiner`: CLIP4Cir's second stage, a Combiner over frozen towers.

Baldrati et al. 2022, "Conditioned and composed image retrieval combining and partially fine-tuning
CLIP-based features", section 3.2. Both towers are frozen, so pictures and captions are encoded once
and an epoch is matrix products alone; the published code encodes everything again in every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from backend.composition.artefact import (
    ComposedModel,
    ComposerCard,
    DataCard,
    write_artefact,
)
from backend.composition.networks import Combiner
from backend.composition.trained import CombinerComposer
from workers.recipes.recipe import Recipe, Trained, Training, card_of, fitted
from workers.recipes.triplets import TripletParameters, start_figures, told_beside, triplets_of
from workers.trainer.choosing import choosing_figures
from workers.trainer.losses import in_batch_loss
from workers.trainer.objective import Outcome
from workers.trainer.order import Rows
from workers.trainer.trained_towers import towers_of
from workers.trainer.triplet_data import TripletData

WIDTHS = (4, 8)  # of the projections and of the hidden layer, in times of the features' width


class CombinerParameters(TripletParameters):
    """Published values: batch 4,096, 300 epochs, Adam at 2e-5, scale 100, dropout one half, and
    for features of 640 numbers projections of 2,560 and a hidden layer of 5,120."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small-data": {
            "batch": 512, "epochs": 60, "lr": 1e-3, "schedule": "cosine", "dropout": 0.3,
            "scale": 30.0, "projection": 2, "hidden": 4, "evaluate_every": 5, "patience": 4,
        },
        "few-triplets": {
            "begin": "sum", "batch": 32, "epochs": 100, "lr": 3e-4, "scale": 50.0,
            "projection": 2, "hidden": 4, "patience": 12,
        },
    }  # fmt: skip

    batch: int = Field(4096, ge=2)
    epochs: int = Field(300, ge=1)
    lr: float = Field(2e-5, gt=0)
    projection: int = Field(WIDTHS[0], ge=1, description="Width of the projections, in features.")
    hidden: int = Field(WIDTHS[1], ge=1, description="Width of the hidden layer, in features.")
    dropout: float = Field(0.5, ge=0, lt=1)
    scale: float = Field(100.0, gt=0, description="Inverse temperature of the loss.")
    begin: Literal["random", "sum"] = Field(
        "random",
        description="At random, as published; or as the sum of both features, which few triplets "
        "can only make better.",
    )


@dataclass
class CombinerObjective:
    """A Combiner on features in memory.

    images: (images, dim); texts: (texts, dim), un-normalised. Triplets of a batch that share a
    target are no negatives of one another, but where the published code's way is asked for.
    """

    network: Combiner
    data: TripletData
    images: Tensor
    texts: Tensor
    scale: float
    seed: int
    run: Mapping[str, Any]
    masked: bool = True
    in_batch: bool = field(default=True, init=False)

    @property
    def count(self) -> int:
        return len(self.data.references)

    def trained(self) -> Mapping[str, Tensor]:
        return dict(self.network.named_parameters())

    def train_mode(self) -> None:
        self.network.train()

    def load(self, rows: Rows, epoch: int) -> tuple[Rows, Rows, Rows]:
        told = self.data.told(rows, epoch, self.seed)
        return self.data.references[rows], told, self.data.targets[rows]

    def encode(self, batch: tuple[Rows, Rows, Rows]) -> tuple[Tensor, ...]:
        references, told, targets = (torch.from_numpy(rows) for rows in batch)
        device = self.images.device
        queries = self.network(self.images[references], self.texts[told])
        return queries, functional.normalize(self.images[targets], dim=-1), targets.to(device)

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        queries, targets, groups = features
        return in_batch_loss(queries, targets, self.scale, groups if self.masked else None)

    def facts(self) -> Mapping[str, Any]:
        sizes = {name: list(tensor.shape) for name, tensor in self.network.named_parameters()}
        return {
            **self.run,
            "data": self.data.digest,
            "sizes": sizes,
            "scale": self.scale,
            "masked": self.masked,
        }


def train(training: Training) -> Outcome:
    """Train a Combiner on the triplets of a folder, and write it as an artefact.

    Raises InvalidInput for data that cannot be trained on, and what `fit` raises.
    """
    parameters = cast(CombinerParameters, training.parameters)
    data = triplets_of(training, parameters)
    objective = combiner_objective(training, parameters, data)
    parent = training.parent
    measure = choosing_figures(
        data.dataset, parent, training.cache, frozen_text=True, mean=parameters.mean,
        progress=training.said,
    )  # fmt: skip

    start = start_figures(training, measure, data)

    def answering() -> ComposedModel:
        return ComposedModel(
            parent.backbone, CombinerComposer(objective.network.eval()), parent.card
        )

    outcome = fitted(
        training,
        objective,
        None if measure is None else lambda: measure(answering()),
        optimiser="adam",
        weight_decay=0.0,
        start_counts=parameters.begin == "sum",
    )
    if outcome.stopped in ("done", "early") and training.team.leads:
        _write(training, objective, data, outcome, told_beside(start, outcome, training))
    return outcome


def combiner_objective(
    training: Training, parameters: CombinerParameters, data: TripletData
) -> CombinerObjective:
    """The objective with all features it will ever need, from the cache."""
    backbone, cache = training.parent.backbone, training.cache

    def seen(done: int, total: int) -> None:
        training.said("Seeing pictures", done, total)

    def read(done: int, total: int) -> None:
        training.said("Reading captions", done, total)

    images = cache.image_features(backbone, {name: data.images[name] for name in data.names}, seen)
    texts = cache.text_features(backbone, data.texts, read)
    device, dim = backbone.device, backbone.dim
    torch.manual_seed(parameters.seed)
    network = Combiner(
        dim, parameters.projection * dim, parameters.hidden * dim, parameters.dropout
    ).to(device)
    if parameters.begin == "sum":
        begin_as_sum(network)
    rows = images.require_all().rows_of(data.names)
    return CombinerObjective(
        network=network,
        data=data,
        images=torch.from_numpy(images.take(rows).copy()).to(device),
        texts=torch.from_numpy(texts.copy()).to(device),
        scale=parameters.scale,
        seed=parameters.seed,
        run=training.facts,
        masked=parameters.protocol == "default",
    )


def begin_as_sum(network: Combiner) -> None:
    """Let an untrained Combiner answer with the sum of both features, each by a half.

    Nothing is mixed in, since the output layer is zero, and the gate stands at one half. Both
    layers learn from there, for what is below them is random as ever.
    """
    gate = network.dynamic_scalar[3]
    for layer in (network.output_layer, gate):
        for parameter in layer.parameters():
            torch.nn.init.zeros_(parameter)


def _write(
    training: Training,
    objective: CombinerObjective,
    data: TripletData,
    outcome: Outcome,
    beside: Mapping[str, Any],
) -> None:
    trained = Trained(
        ComposerCard(kind="combiner"),
        DataCard(description=data.dataset.kind.label, hash=data.digest, counts=data.counts),
        {"choosing": dict(outcome.figures), "seconds": round(outcome.seconds, 1),
         "best_step": outcome.best_step, **beside},
        " ".join(data.remarks),
    )  # fmt: skip
    card = card_of(training, RECIPE.name, training.parent, trained)
    towers = towers_of(training.parent)
    write_artefact(training.artefact, card, objective.network.state_dict(), towers)


RECIPE = Recipe(
    name="combiner",
    about="A small network that learns from triplets how words change a picture (CLIP4Cir).",
    data="triplets: FashionIQ, CIRR, Wardrobe or an exported catalogue",
    takes="triplets",
    parameters=CombinerParameters,
    train=train,
)
