"""What the models say of triplets: the active version's composer, and the zero-shot sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.composition.composer import COMPOSERS, Composer, QueryFeatures
from backend.composition.query import compose_queries
from backend.composition.sphere import Vectors, normalise
from workers.feedback.consistency import Numbers, consistency, direction, share_above

if TYPE_CHECKING:
    from backend.encoding.backbone import Backbone

ZERO_SHOT = "sum"


@dataclass(frozen=True, eq=False)
class Sample:
    """Gallery images that targets are compared with: unit vectors, (m, dim), and their products."""

    vectors: Vectors
    products: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Question:
    """A triplet with its un-normalised features, (dim,); `products` are those of both sides."""

    caption: str
    reference: Vectors
    target: Vectors
    products: frozenset[str]


@dataclass(frozen=True)
class Found:
    """What was found of one triplet: shares of the gallery before the target, and the score."""

    score: float
    active: float
    zero_shot: float
    words: float
    direction: float

    @property
    def parts(self) -> dict[str, float]:
        """As they are kept with the triplet."""
        names = ("active", "zero_shot", "words", "direction")
        return {name: round(getattr(self, name), 4) for name in names}


def examine(
    questions: Sequence[Question], sample: Sample, backbone: Backbone, composer: Composer
) -> list[Found]:
    """What the composer and the zero-shot sum say of each; texts are encoded together."""
    if not questions:
        return []
    texts = backbone.encode_texts([one.caption for one in questions])
    queries = [
        QueryFeatures(one.reference, text, one.caption)
        for one, text in zip(questions, texts, strict=True)
    ]
    products = np.array(sample.products, dtype=object)
    left_out = np.stack([np.isin(products, list(one.products)) for one in questions])
    places = [
        _place(queries, questions, sample, left_out, one)
        for one in (composer, COMPOSERS[ZERO_SHOT])
    ]
    reference, target = (
        normalise(np.stack([getattr(one, side) for one in questions]))
        for side in ("reference", "target")
    )
    units = normalise(np.asarray(texts, np.float32))
    words = np.asarray(units @ sample.vectors.T, np.float64)
    fits, before = _rows(units, target), _rows(units, reference)
    by_words, moved = share_above(words, fits, left_out), direction(words, fits, before)
    scores = consistency(places, by_words, moved)
    rows = zip(scores, *places, by_words, moved, strict=True)
    return [Found(*map(float, row)) for row in rows]


def _place(
    queries: Sequence[QueryFeatures],
    questions: Sequence[Question],
    sample: Sample,
    left_out: NDArray[np.bool_],
    composer: Composer,
) -> Numbers:
    """The share of the sample that a composer's queries put before the targets, (n,)."""
    composed = compose_queries(composer, list(queries))
    scores = np.stack([query.score(sample.vectors) for query in composed])
    own = [
        query.score(normalise(one.target)[None])[0]
        for query, one in zip(composed, questions, strict=True)
    ]
    return share_above(scores.astype(np.float64), np.array(own, np.float64), left_out)


def _rows(left: Vectors, right: Vectors) -> Numbers:
    """(n,) dot products, row by row."""
    return np.asarray((left * right).sum(axis=1), np.float64)
