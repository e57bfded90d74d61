"""What `clip-finetune` trains: the towers of one backbone, for the sum of their features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from backend.encoding.backbone import Backbone
from backend.encoding.decoding import decode_image
from workers.trainer.losses import in_batch_loss
from workers.trainer.order import Rows
from workers.trainer.text_training import TextTraining
from workers.trainer.trained_towers import of_image, sum_of_features
from workers.trainer.triplet_data import TripletData

Pixels = NDArray[np.uint8]
Encoder = Literal["both", "text", "image"]


@dataclass(frozen=True)
class Seen:
    """Rows of a batch, and (n, 3, size, size) pixels of references and targets, or none of them
    where their features are frozen."""

    references: Rows
    targets: Rows
    told: Rows
    pixels: tuple[Pixels, ...] = ()


@dataclass
class TowersObjective:
    """Towers of one backbone.

    words: of its model, on the texts of `data`. features: (images, dim), of the image tower before
    training. encoder: what is trained. scale: the loss's inverse temperature.
    """

    backbone: Backbone
    words: TextTraining
    data: TripletData
    features: Tensor
    encoder: Encoder
    scale: float
    seed: int
    run: Mapping[str, Any]
    protocol: Literal["default", "published"]
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
        image = {name: one for name, one in named if of_image(name) and one.requires_grad}
        return {**image, **self.words.trained()}

    def train_mode(self) -> None:
        self.backbone.model.eval()

    def load(self, rows: Rows, epoch: int) -> Seen:
        references, targets = self.data.references[rows], self.data.targets[rows]
        told = self.data.told(rows, epoch, self.seed)
        if self.encoder == "text":
            return Seen(references, targets, told)
        return Seen(references, targets, told, (self._pixels(references), self._pixels(targets)))

    def encode(self, batch: Seen) -> tuple[Tensor, ...]:
        references, targets = self._images(batch)
        queries = sum_of_features(references, self.words.features(torch.from_numpy(batch.told)))
        groups = torch.from_numpy(batch.targets).to(self.backbone.device)
        return queries, functional.normalize(targets, dim=-1), groups

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        queries, targets, groups = features
        masked = self.protocol == "default"
        return in_batch_loss(queries, targets, self.scale, groups if masked else None)

    def facts(self) -> Mapping[str, Any]:
        return {**self.run,
                "data": self.data.digest, "encoder": self.encoder,
                "scale": self.scale, "protocol": self.protocol}  # fmt: skip

    def _images(self, batch: Seen) -> Iterator[Tensor]:
        """Features of references and of targets."""
        if batch.pixels:
            yield from map(self._encoded, batch.pixels)
        else:
            yield from (
                self.features[torch.from_numpy(rows)] for rows in (batch.references, batch.targets)
            )

    def _encoded(self, pixels: Pixels) -> Tensor:
        images = torch.from_numpy(pixels).to(self.backbone.device).float()
        images = ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.backbone.model.encode_image(images, normalize=False)
        return features

    def _pixels(self, rows: Rows) -> Pixels:
        see = self.backbone.preprocessing
        paths = [self.data.images[self.data.names[row]] for row in rows]
        return np.stack(
            [see.pixels(decode_image(path.read_bytes(), draft=see.draft)) for path in paths]
        )
