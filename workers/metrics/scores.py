"""Scores of queries against a gallery, a block at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
"""(n, dim), of unit length where a similarity is meant."""
Rows = NDArray[np.int64]
"""Row numbers; -1 is none."""
Scores = NDArray[np.float32]

BLOCK = 8_000_000  # scores held at once: 32 MB


class Scorer(Protocol):
    """How well every gallery item answers every query; higher is better."""

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and how many gallery items."""
        ...

    def scores(self, part: slice) -> Scores:
        """(n, items) scores of the queries in `part`, a new array that may be written to."""
        ...

    def scores_of(self, part: slice, items: Rows) -> Scores:
        """(n, m) scores of each query's own `items` (n, m); those of -1 mean nothing."""
        ...

    def asked_by(self, items: Rows) -> Scorer:
        """The same scores the other way round: these gallery items (n,) asking for the queries."""
        ...


@dataclass(frozen=True, eq=False)
class Similarities:
    """Inner products: queries (q, dim), gallery (n, dim)."""

    queries: Features
    gallery: Features

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.queries), len(self.gallery)

    def scores(self, part: slice) -> Scores:
        found: Scores = self.queries[part] @ self.gallery.T
        return found

    def scores_of(self, part: slice, items: Rows) -> Scores:
        # einsum sums every product in the same order, so equal items score equally.
        found: Scores = np.einsum("qd,qmd->qm", self.queries[part], self.gallery[items])
        return found

    def asked_by(self, items: Rows) -> Similarities:
        return Similarities(self.gallery[items], self.queries)


@dataclass(frozen=True, eq=False)
class Product:
    """Late fusion, (1 + s_image)(1 + s_text): both have to hold (Psomas et al. 2025,
    "Instance-level composed image retrieval")."""

    image: Scorer
    text: Scorer

    @property
    def shape(self) -> tuple[int, int]:
        return self.image.shape

    def scores(self, part: slice) -> Scores:
        return _fused(self.image.scores(part), self.text.scores(part))

    def scores_of(self, part: slice, items: Rows) -> Scores:
        return _fused(self.image.scores_of(part, items), self.text.scores_of(part, items))

    def asked_by(self, items: Rows) -> Product:
        return Product(self.image.asked_by(items), self.text.asked_by(items))


def _fused(image: Scores, text: Scores) -> Scores:
    # Rounding can put a cosine below -1, and two negative factors would make a good score.
    np.maximum(image + 1, 0, out=image)
    image *= np.maximum(text + 1, 0)
    return image


def unit(features: Features) -> Features:
    """Each row (n, dim) divided by its norm."""
    norms: Features = np.linalg.norm(features, axis=1, keepdims=True)
    return features / norms


def score_blocks(scorer: Scorer, block: int = BLOCK) -> Iterator[tuple[slice, Scores]]:
    """(part, scores) for part after part of the queries, at most `block` scores at a time."""
    for part in parts(scorer.shape[0], scorer.shape[1], block):
        yield part, scorer.scores(part)


def parts(queries: int, width: int, block: int = BLOCK) -> Iterator[slice]:
    """Slices of the queries, each of at most `block` numbers where a query takes `width`."""
    step = max(1, block // max(1, width))
    for start in range(0, queries, step):
        yield slice(start, min(start + step, queries))
