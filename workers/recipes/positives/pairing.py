"""Pairs of a reference and a target with the sentences between them, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.recipes.positives.rank_bands import BLOCK, Features, RankBand, Rows, draw_targets
from workers.recipes.positives.schema import PositivesParams
from workers.recipes.positives.templates import Cut, relative_captions


@dataclass(frozen=True)
class Pair:
    """A new triplet, and the two captions that its sentences were made of."""

    reference: str
    target: str
    captions: tuple[str, ...]
    reference_caption: str
    target_caption: str


@dataclass(frozen=True)
class Gallery:
    """The images that are paired: their names, their rows of the features, their captions."""

    names: Sequence[str]
    rows: Rows
    features: Features
    captions: Mapping[str, str]


@dataclass
class Dropped:
    """Pairs that were drawn and are no triplets."""

    same_caption: int = 0


def draw_pairs(
    gallery: Gallery,
    references: Rows,
    band: RankBand,
    params: PositivesParams,
    cut: Cut,
    dropped: Dropped,
    block: int = BLOCK,
) -> Iterator[list[Pair]]:
    """The pairs of each block of references, which are places in the gallery.

    Where reference and target have the same caption there is nothing to change: the pair is
    counted in `dropped`, and kept under a published protocol.
    """
    wanted = sampled(len(references) * params.targets, params.most, params.seed)
    wanted = wanted.reshape(-1, params.targets)
    drawn = draw_targets(
        gallery.features, gallery.rows, references, band, params.targets, params.seed, block
    )
    seen = 0
    for places, targets in drawn:
        chosen = wanted[seen : seen + len(places)]
        seen += len(places)
        named = [
            (gallery.names[place], gallery.names[target])
            for place, own, kept in zip(places, targets, chosen, strict=True)
            for target in own[kept]
        ]
        yield _told(_differing(named, gallery, params, dropped), gallery, params, cut)


def sampled(total: int, most: int | None, seed: int) -> NDArray[np.bool]:
    """(total,) which of so many are kept: all, or `most` of them at random."""
    if most is None or most >= total:
        return np.ones(total, dtype=np.bool)
    kept = np.zeros(total, dtype=np.bool)
    kept[np.random.default_rng(seed).choice(total, most, replace=False)] = True
    return kept


def _differing(
    named: list[tuple[str, str]], gallery: Gallery, params: PositivesParams, dropped: Dropped
) -> list[tuple[str, str]]:
    if params.is_published:
        return named
    said = gallery.captions
    differing = [
        (reference, target)
        for reference, target in named
        if said[reference].casefold() != said[target].casefold()
    ]
    dropped.same_caption += len(named) - len(differing)
    return differing


def _told(
    named: list[tuple[str, str]], gallery: Gallery, params: PositivesParams, cut: Cut
) -> list[Pair]:
    said = [(gallery.captions[one], gallery.captions[other]) for one, other in named]
    told = relative_captions(said, params.templates, cut) if said else []
    return [
        Pair(reference, target, captions, *own)
        for (reference, target), captions, own in zip(named, told, said, strict=True)
    ]
