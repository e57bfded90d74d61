"""What a backbone can do, on families it has never seen and on real photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.encoding.backbone import Backbone
from workers.datasets.wardrobe.attributes import CATEGORIES
from workers.datasets.wardrobe.drawing import draw
from workers.datasets.wardrobe.families import families, triplets
from workers.datasets.wardrobe.garments import Role
from workers.datasets.wardrobe.templates import DESCRIBE
from workers.datasets.wardrobe.words import PLURAL
from workers.metrics.ranking import recall_at
from workers.trainer.pictures import DRAWN_AT, load_photos

Features = NDArray[np.float32]
KS = (1, 5, 10, 50)
BATCH = 128
PHOTO_FRAME = DESCRIBE["heldout"][0]
"""What the photos are asked with: training has photos by other frames (`batches.PHOTO`)."""


@dataclass(frozen=True)
class Questions:
    """A gallery of pictures and questions about it: row of the reference, words, target's row."""

    pixels: NDArray[np.uint8]
    references: NDArray[np.int64]
    captions: list[str]
    targets: NDArray[np.int64]


def questions(backbone: Backbone, role: Role, count: int, seed: int = 0) -> Questions:
    """`count` families drawn afresh, every base asking for each of its variants."""
    found = families(role, count, seed)
    items = [item for family in found for item in family.items]
    row = {item.sku: i for i, item in enumerate(items)}
    asked = triplets(found, role, seed)
    see = backbone.preprocessing.pixels
    return Questions(
        pixels=np.stack([see(draw(item.garment, item.seed, DRAWN_AT)) for item in items]),
        references=np.array([row[t.reference.sku] for t in asked]),
        captions=[t.caption for t in asked],
        targets=np.array([row[t.target.sku] for t in asked]),
    )


def composed_recall(backbone: Backbone, asked: Questions) -> dict[str, dict[int, float]]:
    """R@1, 5, 10, 50 in percent of the normalised sum, the image alone and the text alone.

    The whole gallery is ranked, the reference left out.
    """
    gallery = unit(encode_in_batches(backbone, asked.pixels))
    words = unit(backbone.encode_texts(asked.captions))
    reference = gallery[asked.references]
    queries = {"sum": reference + words, "image": reference, "text": words}
    return {
        name: recall_at(query, gallery, asked.targets, asked.references, KS)
        for name, query in queries.items()
    }


def photo_accuracy(backbone: Backbone, folder: Path) -> float | None:
    """Zero-shot top-1 in percent over the categories of `folder`/<category>/*.jpg; None without.

    The categories are asked for in a frame that no caption of the training has.
    """
    if not any(folder.glob("*/*.jpg")):
        return None
    photos = load_photos(folder, backbone.preprocessing)
    names = unit(backbone.encode_texts([PHOTO_FRAME.format(x=_a(name)) for name in CATEGORIES]))
    scores = unit(encode_in_batches(backbone, photos.pixels)) @ names.T
    right = np.array([CATEGORIES.index(category) for category in photos.categories])
    return 100.0 * float((scores.argmax(axis=1) == right).mean())


def encode_in_batches(backbone: Backbone, pixels: NDArray[np.uint8]) -> Features:
    parts = [backbone.encode_images(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)]
    return np.concatenate(parts)


def unit(features: Features) -> Features:
    """Each row divided by its norm."""
    norms: Features = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / norms


def _a(noun: str) -> str:
    article = "an" if noun[0] in "aeio" else "a"
    return noun if noun in PLURAL else f"{article} {noun}"
