"""A backbone with a composer: what queries become, and how they score a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backend.composition.card import ModelCard
from backend.composition.composer import Composer, QueryFeatures
from backend.composition.query import compose_queries
from backend.composition.sphere import Vectors
from backend.errors import InvalidInput

if TYPE_CHECKING:
    from backend.encoding.backbone import Backbone

BATCH = 256


@dataclass(frozen=True, eq=False)
class ComposedModel:
    """A backbone, a composer over its features, and the card that says where both are from."""

    backbone: Backbone
    composer: Composer
    card: ModelCard

    @property
    def image_mean(self) -> Vectors | None:
        """(dim,) mean of the unit image features: the card's, else the backbone's."""
        own = self.card.image_mean
        return self.backbone.image_mean if own is None else float_vector(own)

    @property
    def text_mean(self) -> Vectors | None:
        """(dim,) mean of the unit text features: the card's, else the backbone's."""
        own = self.card.text_mean
        return self.backbone.text_mean if own is None else float_vector(own)

    def query_vectors(self, image_features: Vectors | None, texts: Sequence[str] | None) -> Vectors:
        """The composer's answers to n queries, (n, dim) unit vectors.

        image_features: (n, dim), un-normalised; texts: n captions. One of the two may be None. A
        composer that re-scores finds its candidates by these; its ranking is `scores`.
        Raises InvalidInput for neither, or for different numbers of both.
        """
        answers = [
            vector
            for queries in self._batches(image_features, texts)
            for vector in self.composer.compose_each(queries)
        ]
        return np.stack(answers) if answers else np.empty((0, self.backbone.dim), np.float32)

    def scores(
        self, image_features: Vectors | None, texts: Sequence[str] | None, gallery: Vectors
    ) -> Vectors:
        """(n, m) final scores of (m, dim) unit gallery features, a re-scorer's included."""
        rows = [
            query.score(gallery)
            for queries in self._batches(image_features, texts)
            for query in compose_queries(self.composer, queries)
        ]
        return np.stack(rows) if rows else np.empty((0, len(gallery)), np.float32)

    def _batches(
        self, image_features: Vectors | None, texts: Sequence[str] | None
    ) -> Iterator[list[QueryFeatures]]:
        counts = {len(part) for part in (image_features, texts) if part is not None}
        if len(counts) != 1:
            raise InvalidInput(
                "The queries have as many pictures as texts, or one of the two alone: give "
                f"{'one of them' if not counts else 'equally many of both'}."
            )
        for start in range(0, counts.pop(), BATCH):
            part = slice(start, start + BATCH)
            images = None if image_features is None else image_features[part]
            yield self._queries(images, None if texts is None else texts[part])

    def _queries(self, images: Vectors | None, texts: Sequence[str] | None) -> list[QueryFeatures]:
        if texts is None:
            return [QueryFeatures(image, None) for image in ([] if images is None else images)]
        if images is not None and self.composer.prompt is not None:  # it reads the words itself
            pairs = zip(images, texts, strict=True)
            return [QueryFeatures(image, None, text) for image, text in pairs]
        features = self.backbone.encode_texts(texts)
        seen = [None] * len(texts) if images is None else images
        return [QueryFeatures(*part) for part in zip(seen, features, texts, strict=True)]


def float_vector(values: Sequence[float] | None) -> Vectors:
    """(dim,) numbers of a card."""
    return np.asarray(values, dtype=np.float32)
