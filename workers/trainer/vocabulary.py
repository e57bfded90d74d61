"""The words that the demo backbone's training captions are made of, for its card."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from backend.encoding.vocabulary import words_of
from workers.datasets.wardrobe.attributes import CATEGORIES
from workers.datasets.wardrobe.garments import random_garment
from workers.trainer.batches import caption_of, photo_caption

LOOKS = 2_000
CAPTIONS = 20_000  # the rarest word comes 25 times among them
PHOTO_CAPTIONS = 200  # a category


def training_vocabulary(*, photos: bool) -> list[str]:
    """Every word of the captions, lower case and sorted; the same at each call.

    photos: whether captions of photos were among them.
    """
    return words_of([*_of_drawings(), *(_of_photos() if photos else ())])


def _of_drawings() -> Iterator[str]:
    rng = Random("vocabulary of drawings")
    looks = [random_garment(rng, "train") for _ in range(LOOKS)]
    for _ in range(CAPTIONS):
        yield caption_of(rng.choice(looks), looks, rng)[0]


def _of_photos() -> Iterator[str]:
    rng = Random("vocabulary of photos")
    for category in CATEGORIES:
        for _ in range(PHOTO_CAPTIONS):
            yield photo_caption(category, rng)[0]
