"""Points of a gallery drawn by their numbers: vectors as a catalogue's are, and payloads.

The vectors lie in clusters, and few of their dimensions matter.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.gallery.filters import Kind
from backend.gallery.port import Point

Vectors = NDArray[np.float32]

DIM = 512
KINDS: dict[str, Kind] = {
    "colour": "keyword",
    "pattern": "keyword",
    "neckline": "keyword",
    "price": "float",
    "size": "integer",
    "sale": "bool",
}
CATEGORIES = ("dress", "hat", "shirt", "pants", "shoes", "shorts", "skirt", "coat", "scarf", "bag")

_shape = np.random.default_rng(1)
_CENTRES = _shape.normal(size=(300, 32))
_TURN = _shape.normal(size=(32, DIM)) / 32**0.5


def points(numbers: Any) -> Iterator[Point]:
    """The points of these numbers, always the same."""
    for number in numbers:
        vector = drawn(np.random.default_rng(number), 1, 0.7)[0]
        yield Point(str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))), vector, _payload(number))


def _payload(number: int) -> dict[str, Any]:
    attributes = {
        "colour": f"c{number % 17}",
        "pattern": f"p{number % 11}",
        "neckline": f"n{number % 7}",
        "price": number * 7919 % 10_000 / 100,
        "size": number % 40,
        "sale": number % 3 == 0,
    }
    return {
        "product": f"P-{number}",
        "sku": f"SKU-{number}",
        "category": CATEGORIES[number % len(CATEGORIES)],
        "split": ("train", "val", "test")[number % 3],
        "attributes": attributes,
    }


def drawn(rng: np.random.Generator, count: int, spread: float) -> Vectors:
    """(count, DIM) un-normalised vectors; spread: inside a cluster, where it is 1 among centres."""
    inner = _CENTRES[rng.integers(len(_CENTRES), size=count)]
    inner = inner + spread * rng.normal(size=inner.shape)
    vectors: Vectors = (inner @ _TURN + 0.15 * rng.normal(size=(count, DIM))).astype(np.float32)
    return vectors
