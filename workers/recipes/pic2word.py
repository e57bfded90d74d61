"""`pic2word`: an inversion network trained on pictures alone, by a contrastive loss.

Saito et al. 2023, "Pic2Word: mapping pictures to words for zero-shot composed image retrieval",
section 3.1. The word that the network makes of a picture, read in "a photo of", is to be nearest to
that picture of the whole batch. Both towers are frozen, so pictures are looked at once; the
published code crops them at random and looks again in every step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
import torch
from open_clip.transformer import VisionTransformer
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from backend.composition.artefact import DataCard
from backend.composition.networks import Im2Text
from backend.encoding.backbone import Backbone
from backend.encoding.injection import appended_features, check_injectable
from workers.recipes.inversion import InversionParameters, inversion
from workers.recipes.recipe import Recipe, Training
from workers.trainer.corpora import Pictures, SeenPictures, seen_pictures, training_pictures
from workers.trainer.crops import Pixels, random_crops
from workers.trainer.fitting import fit
from workers.trainer.losses import symmetric_loss
from workers.trainer.objective import Outcome
from workers.trainer.order import Order, Rows

PROMPT = "a photo of"
UNDECAYED = ("bn", "ln", "bias", "logit_scale")
WARMUP_SHARE = 10  # a warm-up takes at most this part of a run
LOADERS = 4


class Pic2WordParameters(InversionParameters):
    """Published values: batch 128, 30 epochs of AdamW at 1e-4 with weight decay 0.1, 10,000 steps
    of warm-up, then half a cosine; dropout 0.1 and a middle width of 512."""

    batch: int = Field(128, ge=2)
    epochs: int = Field(30, ge=1)
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.1, ge=0)
    warmup: int = Field(
        10_000, ge=0, description="Steps in which the rate rises, at most a tenth of the run."
    )
    schedule: Literal["constant", "cosine"] = "cosine"
    middle: int = Field(512, ge=1, description="Width of the network's layers.")
    dropout: float = Field(0.1, ge=0, lt=1)
    prompt: str = Field(
        "a photo of $ , {}",
        description="Sentence that pictures are read in, or auto: the best on validation triplets.",
    )


@dataclass(frozen=True)
class Batch:
    """images: (n, dim) features, or (n, 3, size, size) pixels of crops. groups: (n,), the same for
    pictures that are the same."""

    images: np.ndarray[Any, Any]
    groups: Rows


@dataclass(eq=False)
class Pic2WordObjective:
    """A picture against its word. seen: cached features; None where crops are looked at anew."""

    network: Im2Text
    backbone: Backbone
    pictures: Pictures
    seen: SeenPictures | None
    seed: int
    run: Mapping[str, Any]
    data: str
    prompt: Tensor
    in_batch: bool = field(default=True, init=False)

    @property
    def count(self) -> int:
        return len(self.pictures.names) if self.seen is None else len(self.seen.rows)

    def trained(self) -> Mapping[str, Tensor]:
        return dict(self.network.named_parameters())

    def train_mode(self) -> None:
        self.network.train()

    def load(self, rows: Rows, epoch: int) -> Batch:
        if self.seen is not None:
            return Batch(self.seen.take(rows), self.seen.rows[rows])
        taken = [(int(row), self.pictures.take(int(row))) for row in rows]
        return Batch(random_crops(taken, self.backbone.image_size, self.seed, epoch), rows)

    def encode(self, batch: Batch) -> tuple[Tensor, ...]:
        device = self.backbone.device
        features = batch.images if self.seen is not None else self._look(batch.images)
        images = torch.from_numpy(features).to(device)
        words = self.network(images)
        tokens = self.prompt.to(device).expand(len(words), -1)
        texts = appended_features(self.backbone.model, tokens, words)
        groups = torch.from_numpy(batch.groups).to(device)
        return images, texts, groups

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        images, texts, groups = features
        return symmetric_loss(
            functional.normalize(images, dim=-1),
            functional.normalize(texts, dim=-1),
            self.backbone.logit_scale,
            None if self.seen is None else groups,
        )

    def facts(self) -> Mapping[str, Any]:
        sizes = {name: list(tensor.shape) for name, tensor in self.network.named_parameters()}
        return {**self.run, "data": self.data, "sizes": sizes}

    def _look(self, pixels: Pixels) -> np.ndarray[Any, Any]:
        return self.backbone.encode_images(pixels)


def train(training: Training) -> Outcome:
    """Train IM2TEXT on the pictures of a folder, and write it as an artefact.

    Raises InvalidInput for data without pictures and a text tower that takes no pseudo token, and
    what `fit` raises.
    """
    parameters = cast(Pic2WordParameters, training.parameters)
    objective = pic2word_objective(training, parameters)
    made = inversion("im2text", objective.network, training, parameters)
    beta, eps = (0.98, 1e-6) if is_vit(training.parent.backbone) else (0.999, 1e-8)
    outcome = fit(
        objective,
        parameters.fit_options(
            weight_decay=parameters.weight_decay,
            betas=(0.9, beta),
            eps=eps,
            undecayed=UNDECAYED,
            warmup=_warmup(parameters, objective.count),
            select=made.select,
            segment_seconds=training.segment_seconds,
            loaders=0 if objective.seen else LOADERS,
        ),
        training.out,
        evaluate=made.evaluate(),
        cancelled=training.cancelled,
        report=training.report,
        team=training.team,
    )
    if outcome.stopped in ("done", "early") and training.team.leads:
        pictures, seen = objective.pictures, objective.seen
        counts = {"pictures": objective.count, "named": len(pictures.names)}
        data = DataCard(description=pictures.about, hash=objective.data, counts=counts)
        remarks = (*pictures.remarks, *(seen.remarks if seen else ()))
        made.finish(data, outcome, " ".join(remarks))
    return outcome


def pic2word_objective(training: Training, parameters: Pic2WordParameters) -> Pic2WordObjective:
    """The objective, with all features it will need from the cache, but where the published way
    asks for crops; pictures that cannot be read are left out, and named in `remarks`.

    Raises InvalidInput where there is no picture.
    """
    backbone = training.parent.backbone
    check_injectable(backbone.model)
    pictures = training_pictures(training.data)
    published = parameters.protocol == "published"
    seen = None if published else seen_pictures(training.cache, backbone, pictures, training.said)
    training.tell((*pictures.remarks, *(seen.remarks if seen else ())))
    names = hashlib.sha256("\0".join(pictures.names).encode()).hexdigest()
    torch.manual_seed(parameters.seed)
    network = Im2Text(
        backbone.dim, backbone.token_width, parameters.middle, dropout=parameters.dropout
    )
    return Pic2WordObjective(
        network=network.to(backbone.device),
        backbone=backbone,
        pictures=pictures,
        seen=seen,
        seed=parameters.seed,
        run=training.facts,
        data=names if seen is None else seen.digest(),
        prompt=backbone.tokenize([PROMPT]),
    )


def is_vit(backbone: Backbone) -> bool:
    """Whether the image tower is a vision transformer, for which CLIP's Adam has other values."""
    visual = backbone.model.visual
    inner = getattr(visual, "trunk", visual)
    return isinstance(inner, VisionTransformer) or "vision" in type(inner).__name__.lower()


def _warmup(parameters: Pic2WordParameters, count: int) -> int:
    """Steps of the rise: as published, or never so many that a short run only rises."""
    if parameters.protocol == "published":
        return parameters.warmup
    per_epoch = Order(count, parameters.batch, parameters.seed).per_epoch
    return min(parameters.warmup, parameters.epochs * per_epoch // WARMUP_SHARE)


RECIPE = Recipe(
    name="pic2word",
    about="A network that makes a word of a picture, learned from pictures alone (Pic2Word).",
    data="any folder of pictures, a dataset's training pictures, or captioned pictures",
    takes="images",
    parameters=Pic2WordParameters,
    train=train,
)
