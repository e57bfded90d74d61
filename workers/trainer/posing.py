"""A split's questions put to a model: captions worded, pictures turned into features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from backend.composition.artefact import ComposedModel
from backend.errors import InvalidInput
from workers.datasets.triplets import TripletSplit
from workers.metrics.captions import CaptionRule, caption_rule
from workers.metrics.protocols import Protocol
from workers.metrics.questions import Questions, questions
from workers.metrics.scores import Scorer, unit
from workers.trainer.composing import (
    Features,
    TextFeatures,
    Wording,
    composed_scorer,
    text_encoder,
)
from workers.trainer.features import FeatureCache
from workers.trainer.split_features import split_features

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and of how much."""


def untold(what: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True, eq=False)
class Posed:
    """What a split asks under a protocol.

    images: (q, dim) un-normalised features of the references; gallery: (n, dim) unit features.
    remarks: sentences on what is missing, unreadable, cut or empty.
    """

    questions: Questions
    captions: CaptionRule
    wordings: Sequence[Wording]
    images: Features
    gallery: Features
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Desk:
    """Who asks: a model, the rules, and where features come from.

    Raises InvalidInput where the rules read pictures in another sentence than the model does.
    """

    model: ComposedModel
    protocol: Protocol
    cache: FeatureCache
    texts: TextFeatures
    progress: Progress = untold

    def __post_init__(self) -> None:
        own, wanted = self.model.composer.prompt, self.protocol.prompt
        if own is not None and wanted not in (None, own.template):
            raise InvalidInput(
                f'The protocol {self.protocol.name} reads pictures in "{wanted}" and the model '
                f'{self.model.card.name} in "{own.template}": load the model with that prompt.'
            )

    def pose(self, split: TripletSplit, *, answered: bool = True) -> Posed:
        """The questions of a split; `answered`, if its answers are to be known.

        Raises InvalidInput where nothing can be asked, NoSpace where the disk is full.
        """

        def counted(done: int, total: int) -> None:
            self.progress(f"Seeing {split.name}", done, total)

        pictures = split_features(self.model.backbone, split, self.cache, counted)
        asked = questions(pictures.split, self.protocol, answered=answered)
        rule = caption_rule(self.protocol.captions, self.model.card.composer.kind, split.name)
        wordings = _wordings(asked, rule)
        return Posed(
            questions=asked,
            captions=rule,
            wordings=wordings,
            images=pictures.of(asked.references),
            gallery=unit(pictures.of(asked.gallery)),
            remarks=(*pictures.remarks, *self._cut_remarks(asked, wordings[0])),
        )

    def _cut_remarks(self, asked: Questions, wording: Wording) -> Iterator[str]:
        """Captions that the model does not read to their end, or that say nothing."""
        prompt, name = self.model.composer.prompt, asked.split.name
        read = wording.sentences if prompt is None else wording.captions
        cut = sum(self.model.backbone.cut(read, prompt))
        empty = sum(not text.strip() for text in read)
        if cut:
            yield f"{name}: {cut:,} of {len(read):,} captions are longer than the model reads."
        if empty:
            yield f"{name}: {empty:,} of {len(read):,} captions are empty."


def composed_of(model: ComposedModel, posed: Posed, texts: TextFeatures) -> Scorer:
    """Scores of the questions by the model's composer."""
    return composed_scorer(model, posed.images, posed.wordings, texts, posed.gallery)


def text_features(
    model: ComposedModel, cache: FeatureCache, frozen: bool, progress: Progress = untold
) -> TextFeatures:
    """The model's text tower; through the cache where it is frozen."""
    if not frozen:
        return text_encoder(model.backbone)

    def counted(done: int, total: int) -> None:
        progress("Reading captions", done, total)

    def cached(texts: Sequence[str]) -> Features:
        return cache.text_features(model.backbone, texts, counted)

    return cached


def _wordings(asked: Questions, rule: CaptionRule) -> list[Wording]:
    told = [rule.texts(one.captions) for one in asked.triplets]
    sentence = asked.protocol.sentence
    return [
        Wording(order, [sentence.replace("{}", text) for text in order])
        for order in zip(*told, strict=True)
    ]
