"""`clip-finetune`: CLIP4Cir's first stage, towers trained for the sum of their features.

Baldrati et al. 2022, "Conditioned and composed image retrieval combining and partially fine-tuning
CLIP-based features", section 3.1. Queries are the un-normalised sum of both features, towers stay
in evaluation mode (normalisation runs on stored statistics), and the loss goes from query to
target. With `encoder=text` the image tower is frozen, and its features are computed once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
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
from backend.encoding.backbone import Backbone, load_backbone
from backend.encoding.decoding import decode_image
from backend.encoding.towers import text_features
from workers.recipes.recipe import Recipe, Trained, Training, card_of, fitted
from workers.recipes.triplets import TripletParameters, triplets_of
from workers.trainer.choosing import choosing_figures
from workers.trainer.features import FeatureCache
from workers.trainer.losses import in_batch_loss
from workers.trainer.objective import Outcome
from workers.trainer.order import Rows
from workers.trainer.trained_towers import changed_towers, of_image, of_text, sum_of_features
from workers.trainer.triplet_data import CHOOSE, TripletData

Pixels = NDArray[np.uint8]
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
    encoder: Literal["both", "text", "image"] = Field("both", description="The towers to train.")
    scale: float = Field(100.0, gt=0, description="Inverse temperature of the loss.")
    chunk: int | None = Field(None, ge=1, description="Triplets that go through at a time.")
    loaders: int = Field(2, ge=0, description="Threads that decode pictures ahead.")


@dataclass(frozen=True)
class _Batch:
    """Rows of a batch, and (n, 3, size, size) pixels of references and targets, or none of them
    where their features are frozen."""

    references: Rows
    targets: Rows
    told: Rows
    seen: tuple[Pixels, ...] = ()


@dataclass
class ClipFinetuneObjective:
    """Towers of one backbone; features: (images, dim), of the image tower before training."""

    backbone: Backbone
    data: TripletData
    tokens: Tensor
    features: Tensor
    parameters: ClipFinetuneParameters
    network: Combiner
    in_batch: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        see = self.backbone.preprocessing
        as_channels = (
            torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (see.mean, see.std)
        )
        self._mean, self._std = (part.to(self.backbone.device) for part in as_channels)

    @property
    def count(self) -> int:
        return len(self.data.references)

    def trained(self) -> Mapping[str, Tensor]:
        named = self.backbone.model.named_parameters()
        return {name: tensor for name, tensor in named if tensor.requires_grad}

    def train_mode(self) -> None:
        self.backbone.model.eval()

    def load(self, rows: Rows, epoch: int) -> _Batch:
        references, targets = self.data.references[rows], self.data.targets[rows]
        told = self.data.told(rows, epoch, self.parameters.seed)
        if self.parameters.encoder == "text":
            return _Batch(references, targets, told)
        return _Batch(references, targets, told, (self._pixels(references), self._pixels(targets)))

    def encode(self, batch: _Batch) -> tuple[Tensor, ...]:
        references, targets = self._images(batch)
        words = text_features(self.backbone.model, self.tokens[torch.from_numpy(batch.told)])
        queries = self.network(references, words)
        groups = torch.from_numpy(batch.targets).to(self.backbone.device)
        return queries, functional.normalize(targets, dim=-1), groups

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        queries, targets, groups = features
        masked = self.parameters.protocol == "default"
        return in_batch_loss(queries, targets, self.parameters.scale, groups if masked else None)

    def facts(self) -> Mapping[str, Any]:
        return {"data": self.data.digest, "encoder": self.parameters.encoder,
                "scale": self.parameters.scale, "protocol": self.parameters.protocol}  # fmt: skip

    def _images(self, batch: _Batch) -> Iterator[Tensor]:
        """Features of references and of targets."""
        if batch.seen:
            yield from map(self._encoded, batch.seen)
        else:
            yield from (
                self.features[torch.from_numpy(rows)] for rows in (batch.references, batch.targets)
            )

    def _encoded(self, pixels: Pixels) -> Tensor:
        images = torch.from_numpy(pixels).to(self.backbone.device).float()
        images = ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.backbone.model.encode_image(images)
        return features

    def _pixels(self, rows: Rows) -> Pixels:
        see = self.backbone.preprocessing
        paths = [self.data.images[self.data.names[row]] for row in rows]
        return np.stack(
            [see.pixels(decode_image(path.read_bytes(), draft=see.draft)) for path in paths]
        )


def train(training: Training) -> Outcome:
    """Train towers for the sum of their features, and write the model as an artefact.

    Raises InvalidInput for data that cannot be trained on, and what `fit` raises.
    """
    parameters = cast(ClipFinetuneParameters, training.parameters)
    data = triplets_of(training, parameters)
    objective = finetune_objective(training, parameters, data)
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
        _write(training, objective, outcome)
    return outcome


def finetune_objective(
    training: Training, parameters: ClipFinetuneParameters, data: TripletData
) -> ClipFinetuneObjective:
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
    return ClipFinetuneObjective(
        backbone=backbone,
        data=data,
        tokens=backbone.tokenize(data.texts).to(backbone.device),
        features=frozen.to(backbone.device),
        parameters=parameters,
        network=sum_of_features(backbone.dim).requires_grad_(False).eval().to(backbone.device),
    )


def _measuring(
    training: Training, objective: ClipFinetuneObjective, scratch: Path
) -> Callable[[], Mapping[str, float]] | None:
    """Figures of the towers as they are. A changed image tower is another backbone, whose features
    are computed anew each time, into a folder of their own."""
    dataset, parameters = objective.data.dataset, objective.parameters
    composer, card = CombinerComposer(objective.network), training.parent.card
    if CHOOSE not in dataset.splits:
        return None

    def of(model: ComposedModel, cache: FeatureCache, *, frozen_text: bool) -> Measure:
        found = choosing_figures(
            dataset, model, cache, frozen_text=frozen_text, mean=parameters.mean
        )
        return found or (lambda model: {})

    if parameters.encoder == "text":
        now = ComposedModel(objective.backbone, composer, card)
        figures = of(now, training.cache, frozen_text=False)
        return lambda: figures(now)

    def measured() -> Mapping[str, float]:
        changed = ComposedModel(_as_loaded(training, objective), composer, card)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            return of(changed, FeatureCache(Path(folder)), frozen_text=True)(changed)

    return measured


def _as_loaded(training: Training, objective: ClipFinetuneObjective) -> Backbone:
    """The towers as anyone will load them, with fingerprints of their own."""
    spec = training.parent.card.backbone.spec
    towers = changed_towers(objective.backbone.model, load_backbone(spec, "cpu").model)
    return load_backbone(spec, str(objective.backbone.device), overlay=towers)


def _write(training: Training, objective: ClipFinetuneObjective, outcome: Outcome) -> None:
    data, spec = objective.data, training.parent.card.backbone.spec
    towers = changed_towers(objective.backbone.model, load_backbone(spec, "cpu").model)
    trained = Trained(
        ComposerCard(kind="combiner"),
        DataCard(description=data.dataset.kind.label, hash=data.digest, counts=data.counts),
        {"choosing": dict(outcome.figures), "seconds": round(outcome.seconds, 1),
         "best_step": outcome.best_step},
        " ".join(data.remarks),
    )  # fmt: skip
    composer = CombinerComposer(objective.network)
    model = ComposedModel(
        load_backbone(spec, "cpu", overlay=towers), composer, training.parent.card
    )
    card = card_of(training, RECIPE.name, model, trained)
    write_artefact(training.artefact, card, objective.network.state_dict(), towers)


RECIPE = Recipe(
    name="clip-finetune",
    about="A first stage: towers are trained so that the sum of their features finds (CLIP4Cir).",
    data="triplets: FashionIQ, CIRR or Wardrobe",
    parameters=ClipFinetuneParameters,
    train=train,
)
