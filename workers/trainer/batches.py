"""One training batch, a pure function of (seed, step): whole families, single looks and photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workers.datasets.wardrobe import words
from workers.datasets.wardrobe.captions import describe_attributes, phrase_for
from workers.datasets.wardrobe.garments import Garment
from workers.trainer.claims import Codes, Mask, caption_codes, judge
from workers.trainer.pictures import DrawnPictures, Photos

Claims = frozenset[tuple[str, str]]
Caption = tuple[str, Claims]

NOT = ("{a}, not {b}", "{a} rather than {b}", "{a} instead of {b}", "not {b} but {a}")
JOINTS = (" and ", ", ", ". ", ", but ")
PHOTO = ("a photo of {n}", "{n}", "a picture of {n}", "{n} on a hanger", "a photo of my {n}",
         "this is {n}", "product photo of {n}", "someone's {n}")  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """images (n, 3, size, size) uint8; texts of t captions; true and unsure (t, n)."""

    images: Tensor
    texts: list[str]
    true: Mask
    unsure: Mask


@dataclass(frozen=True)
class Mixture:
    """What a batch is made of."""

    size: int = 256
    captions: int = 288
    family_share: float = 0.5


@dataclass(frozen=True)
class Stage:
    """What changes in the course of a run: pixels a side, and the share of photos in a batch."""

    size: int
    photo_share: float


class Batches:
    """Draws batches; `batch(step)` is the same for the same seed, so a resumed run repeats."""

    def __init__(
        self,
        drawn: DrawnPictures,
        photos: Photos | None,
        mixture: Mixture,
        stage: Callable[[int], Stage],
        seed: int,
    ) -> None:
        """stage: the stage that each step belongs to."""
        self.drawn, self.photos = drawn, photos
        self.mixture, self.stage, self.seed = mixture, stage, seed

    def batch(self, step: int) -> Batch:
        rng = Random(f"{self.seed} batch {step}")
        numbers = np.random.default_rng([self.seed, step])
        stage = self.stage(step)
        members, snaps = self._choose(stage.photo_share, numbers)
        garments = [self.drawn.garments[f][m] for f, m in members]
        captions = self._captions(garments, snaps, rng)
        codes = np.stack([caption_codes(claims) for _, claims in captions])
        true, unsure = judge(codes, self._codes(members, snaps))
        images = self._images(members, snaps, stage.size, numbers)
        return Batch(images, [text for text, _ in captions], true, unsure)

    def _choose(
        self, photo_share: float, numbers: np.random.Generator
    ) -> tuple[list[tuple[int, int]], list[int]]:
        count, members = self.drawn.pixels.shape[:2]
        photos = int(self.mixture.size * photo_share) if self.photos else 0
        drawn = self.mixture.size - photos
        whole = int(drawn * self.mixture.family_share) // members
        singles = drawn - whole * members
        chosen = numbers.choice(count, whole + singles, replace=whole + singles > count)
        rows = [(int(f), m) for f in chosen[:whole] for m in range(members)]
        rows += [(int(f), int(numbers.integers(members))) for f in chosen[whole:]]
        pool = len(self.photos.codes) if self.photos else 1
        return rows, [int(i) for i in numbers.choice(pool, photos, replace=photos > pool)]

    def _codes(self, members: Sequence[tuple[int, int]], snaps: Sequence[int]) -> Codes:
        codes = [self.drawn.codes[f, m] for f, m in members]
        if self.photos is not None:
            codes += [self.photos.codes[i] for i in snaps]
        return np.stack(codes)

    def _captions(
        self, garments: Sequence[Garment], snaps: Sequence[int], rng: Random
    ) -> list[Caption]:
        """Captions of the drawn pictures, and one of each photo's category."""
        order = rng.sample(range(len(garments)), len(garments))
        wanted = self.mixture.captions - len(snaps)
        looks = [garments[order[i % len(order)]] for i in range(wanted)]
        found = [caption_of(look, garments, rng) for look in looks]
        if self.photos is not None:
            found += [photo_caption(self.photos.categories[i], rng) for i in snaps]
        return found

    def _images(
        self,
        members: Sequence[tuple[int, int]],
        snaps: Sequence[int],
        size: int,
        numbers: np.random.Generator,
    ) -> Tensor:
        drawn = np.stack([self.drawn.pixels[f, m] for f, m in members])
        parts = [look_again(torch.from_numpy(drawn), size, numbers, zoom=(0.86, 1.04))]
        if self.photos is not None and snaps:
            photos = torch.from_numpy(self.photos.pixels[snaps])
            parts.append(tint(look_again(photos, size, numbers, zoom=(0.6, 1.05)), numbers))
        return torch.cat(parts)


def caption_of(garment: Garment, others: Sequence[Garment], rng: Random) -> Caption:
    """A caption that is true of the garment: a description, two of them, or a contrast."""
    draw = rng.random()
    if draw < 0.15:
        return contrast(garment, rng.choice(others), rng)
    text, claims = describe_attributes(garment, rng, "train")
    if draw < 0.25 and len(claims) < 3:
        more, further = describe_attributes(garment, rng, "train")
        text, claims = (
            f"{text}{rng.choice((' and ', ', ', '. ', ', but '))}{more}",
            claims | further,
        )
    return text, claims


def contrast(garment: Garment, other: Garment, rng: Random) -> Caption:
    """What it is and what it is not: "red, not blue". True whatever else the picture shows."""
    here, there = garment.visible(), other.visible()
    differing = [n for n in here if n in there and here[n] != there[n]]
    if not differing:
        return describe_attributes(garment, rng, "train")
    name = rng.choice(differing)
    is_so, is_not = phrase_for(garment, name, rng), phrase_for(other, name, rng)
    return rng.choice(NOT).format(a=is_so.text, b=is_not.text), is_so.claims


def photo_caption(category: str, rng: Random) -> Caption:
    noun = rng.choice(words.NOUN[category])
    article = "" if noun in words.PLURAL or rng.random() < 0.3 else "a "
    return rng.choice(PHOTO).format(n=article + noun), frozenset({("category", category)})


def look_again(
    pixels: Tensor, out: int, numbers: np.random.Generator, zoom: tuple[float, float]
) -> Tensor:
    """A random crop and flip of each picture. pixels (n, 3, s, s) uint8 -> (n, 3, out, out)."""
    count = len(pixels)
    scale = numbers.uniform(*zoom, count)
    flip = numbers.choice((-1.0, 1.0), count)
    room = np.maximum(1.0 - scale, 0.02)
    theta = np.zeros((count, 2, 3), dtype=np.float32)
    theta[:, 0, 0], theta[:, 1, 1] = scale * flip, scale
    theta[:, :, 2] = numbers.uniform(-1, 1, (count, 2)) * room[:, None]
    grid = functional.affine_grid(torch.from_numpy(theta), [count, 3, out, out], False)
    seen = functional.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False)
    return seen.round().to(torch.uint8)


def tint(pixels: Tensor, numbers: np.random.Generator) -> Tensor:
    """Another light on each photo: gain of every channel and an offset, (n, 3, s, s) uint8."""
    count = len(pixels)
    gain = torch.from_numpy(numbers.uniform(0.8, 1.2, (count, 3, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(numbers.uniform(-25, 25, (count, 1, 1, 1)).astype(np.float32))
    return (pixels.float() * gain + offset).clamp(0, 255).to(torch.uint8)
