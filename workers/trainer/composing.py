"""Queries of a whole split composed at once: who answers them, by which scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.composition.artefact import ComposedModel
from backend.composition.composer import Composer, QueryFeatures
from backend.encoding.backbone import Backbone
from workers.metrics.scores import Product, Scorer, Similarities, unit

Features = NDArray[np.float32]
TextFeatures = Callable[[Sequence[str]], Features]
"""n texts in, (n, dim) un-normalised features out."""

TEXT_BATCH = 256
QUERY_BATCH = 1_024


@dataclass(frozen=True)
class Wording:
    """What is asked of n pictures: `captions` as a prompt reads them, `sentences` as the text
    tower does. A protocol that averages two orders has two wordings."""

    captions: Sequence[str]
    sentences: Sequence[str]


def composed_scorer(
    model: ComposedModel,
    images: Features,
    wordings: Sequence[Wording],
    texts: TextFeatures,
    gallery: Features,
) -> Scorer:
    """Scores by the model's composer; its answers to several wordings are averaged.

    images: (n, dim) un-normalised; gallery: (m, dim) of unit length.
    """
    composer = model.composer
    asked = [_queries(composer, images, wording, texts) for wording in wordings]
    if composer.rescores:
        factors = [[composer.factors(query) for query in queries] for queries in asked]
        image, text = (
            _averaged([np.stack([pair[side] for pair in pairs]) for pairs in factors])
            for side in (0, 1)
        )
        return Product(Similarities(image, gallery), Similarities(text, gallery))
    return Similarities(_averaged([_answers(composer, queries) for queries in asked]), gallery)


def image_scorer(images: Features, gallery: Features) -> Scorer:
    """The control that looks at the picture alone."""
    return Similarities(unit(images), gallery)


def text_scorer(wordings: Sequence[Wording], texts: TextFeatures, gallery: Features) -> Scorer:
    """The control that reads the words alone."""
    return Similarities(_averaged([unit(texts(one.sentences)) for one in wordings]), gallery)


def text_encoder(backbone: Backbone) -> TextFeatures:
    """The text tower as it is now; it reads each text once, beside others of its length."""
    known: dict[str, Features] = {}

    def encode(texts: Sequence[str]) -> Features:
        new = sorted(set(texts) - known.keys(), key=len)
        for start in range(0, len(new), TEXT_BATCH):
            part = new[start : start + TEXT_BATCH]
            known.update(zip(part, backbone.encode_texts(part), strict=True))
        return np.stack([known[text] for text in texts])

    return encode


def _queries(
    composer: Composer, images: Features, wording: Wording, texts: TextFeatures
) -> list[QueryFeatures]:
    if composer.prompt is not None:  # it reads the words itself
        pairs = zip(images, wording.captions, strict=True)
        return [QueryFeatures(image, None, caption) for image, caption in pairs]
    columns = zip(images, texts(wording.sentences), wording.captions, strict=True)
    return [QueryFeatures(*column) for column in columns]


def _answers(composer: Composer, queries: Sequence[QueryFeatures]) -> Features:
    """(n, dim) unit answers."""
    parts = (composer.compose_each(some) for some in _batches(queries))
    return np.stack([answer for part in parts for answer in part])


def _batches(queries: Sequence[QueryFeatures]) -> Iterator[Sequence[QueryFeatures]]:
    for start in range(0, len(queries), QUERY_BATCH):
        yield queries[start : start + QUERY_BATCH]


def _averaged(answers: Sequence[Features]) -> Features:
    """Unit vectors (n, dim) halfway between those of each wording (LinCIR, Gu et al. 2024)."""
    return answers[0] if len(answers) == 1 else unit(np.sum(answers, axis=0))
