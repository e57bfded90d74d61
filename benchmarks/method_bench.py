"""What the measurements of training share: towers of random weights, pictures and captions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor

from backend.composition.artefact import untrained_model
from backend.encoding.backbone import Backbone, wrap
from backend.encoding.decoding import decode_image
from backend.encoding.spec import BackboneSpec
from workers.datasets.wardrobe.dataset import write_dataset
from workers.recipes.recipe import Parameters, Training
from workers.trainer.features import FeatureCache

TOWERS = "towers of width 384, 12 layers, 224 pixels, features of 256"
SMALL = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 384, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49_408, "width": 384, "heads": 6,
                 "layers": 12},
}  # fmt: skip
RN50X4_TEXT = {
    "embed_dim": 640,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49_408, "width": 640, "heads": 10,
                 "layers": 12},
}  # fmt: skip
WORDS = ("red", "dress", "longer", "with", "a", "blue", "shirt", "and", "more", "stripes")
FAMILY, TRAIN_SHARE = 5, 0.7  # triplets of a family of six; training families of all


@dataclass
class Bench:
    """A small Wardrobe, two equal backbones, and a cache of features that each item finds empty."""

    scratch: Path
    backbone: Backbone
    scale: float
    fresh: Iterator[int] = field(default_factory=count)

    def size(self, full: int) -> int:
        return max(16, int(full * self.scale))

    @cached_property
    def theirs(self) -> Any:
        """The model of the published steps: no weight of its towers is frozen."""
        return copy.deepcopy(self.backbone.model).requires_grad_(True)

    @cached_property
    def wardrobe(self) -> Path:
        """With at least 256 training triplets over some 300 pictures."""
        folder, families = self.scratch / "wardrobe", self.size(256) // FAMILY + 1
        write_dataset(folder, int(families / TRAIN_SHARE + 2) * (FAMILY + 1), processes=2)
        return folder

    @cached_property
    def captions(self) -> Path:
        """A line each, with 14 tokens in the mean and at most 53."""
        file = self.scratch / "captions.txt"
        file.write_text("\n".join(texts(self.size(256))) + "\n")
        return file

    def training(self, data: Path, parameters: Parameters) -> Training:
        number = next(self.fresh)
        cache = FeatureCache(self.scratch / f"features-{number}")
        parent = untrained_model(self.backbone)
        return Training(data, self.scratch / f"run-{number}", parameters, parent, cache)

    def seen(self, path: Path) -> Tensor:
        """(3, size, size) of a picture's file, decoded and preprocessed anew."""
        pixels = self.backbone.preprocessing.pixels(
            decode_image(path.read_bytes(), draft=self.backbone.preprocessing.draft)
        )
        mean, std = (
            torch.tensor(values)[:, None, None]
            for values in (self.backbone.preprocessing.mean, self.backbone.preprocessing.std)
        )
        return (torch.from_numpy(pixels).float() / 255 - mean) / std


def texts(number: int) -> list[str]:
    """Captions of the lengths that FashionIQ's and CIRR's have: tokens are words and two."""
    lengths = np.random.default_rng(4).gamma(6.0, 2.0, number).round().clip(1, 50).astype(int)
    lengths[0] = 51
    return [" ".join(WORDS[(row + i) % len(WORDS)] for i in range(n)) for row, n in
            enumerate(lengths)]  # fmt: skip


def towers(architecture: dict[str, Any]) -> Backbone:
    """A backbone with random weights, frozen."""
    torch.manual_seed(0)
    model = open_clip.CLIP(**architecture).requires_grad_(False)
    return wrap(model, architecture, BackboneSpec("random"))
