"""Targets drawn from a band of ranks: neither the reference's twins nor what has nothing in common
with it (Feng et al. 2024, "Improving Composed Image Retrieval via Contrastive Learning with
Scaling Positives and Negatives", the step of pair matching)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidInput

Features = NDArray[np.float32]
Rows = NDArray[np.int64]

BLOCK = 32_000_000  # scores held at once: 128 MB
_CHUNK = 4_096  # gallery rows read at once


@dataclass(frozen=True)
class RankBand:
    """The ranks from `first` up to and without `stop`; 0 is the image most similar to the
    reference, which is itself not ranked."""

    first: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.first

    def check(self, gallery: int, count: int) -> None:
        """Raises InvalidInput where a gallery has too few images for `count` targets."""
        others = gallery - 1
        if not 0 <= self.first < self.stop <= others or count > self.size:
            raise InvalidInput(
                f"Of {gallery:,} different images each has {max(others, 0):,} others, too few for "
                f"{count} of the ranks {self.first:,} to {self.stop:,}: add images, or choose a "
                "wider band or fewer targets."
            )


def fraction_band(gallery: int, low: float, high: float) -> RankBand:
    """The band from `low` to `high` (0..1) of the other images of a gallery of that size."""
    others = max(gallery - 1, 0)
    return RankBand(round(low * others), round(high * others))


def draw_targets(
    features: Features,
    gallery: Rows,
    references: Rows,
    band: RankBand,
    count: int,
    seed: int,
    block: int = BLOCK,
) -> Iterator[tuple[Rows, Rows]]:
    """For each reference `count` different images whose rank lies in the band, all equally likely.

    features: (m, dim), un-normalised, may be memory-mapped; gallery: (n,) rows of it, the images
    that are ranked; references: (r,) places in that gallery. Images are ranked by their cosine
    with the reference, the more similar first, and of two that are alike the earlier one first.
    Yields blocks of references (b,) with their targets (b, count), both as places in the gallery,
    the targets in the order in which their ranks were drawn. What is drawn depends on the seed and
    the reference's place alone, not on the blocks. block: the most scores held in memory at once.

    Only the values at the drawn ranks are sought, which takes one partition of a row and no sort.
    Raises InvalidInput for features that are zero or not finite, and where the band does not fit.
    """
    band.check(len(gallery), count)
    norms = _norms(features, gallery)
    step = max(1, block // len(gallery))
    for start in range(0, len(references), step):
        places = references[start : start + step]
        ranks = np.stack([_drawn_ranks(band, count, seed, int(place)) for place in places])
        distances = _distances(features, gallery, norms, places)
        yield places, np.stack([_at(line, own) for line, own in zip(distances, ranks, strict=True)])


def _drawn_ranks(band: RankBand, count: int, seed: int, place: int) -> Rows:
    generator = np.random.default_rng((seed, place))
    ranks: Rows = band.first + generator.choice(band.size, size=count, replace=False)
    return ranks


def _distances(
    features: Features, gallery: Rows, norms: Features, places: Rows
) -> NDArray[np.float32]:
    """(b, n) negative cosines, as far as they order: the reference's own norm changes nothing.
    A reference is infinitely far from itself."""
    queries = -features[gallery[places]]
    found = np.empty((len(places), len(gallery)), dtype=np.float32)
    for start in range(0, len(gallery), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[:, part] = (features[gallery[part]] @ queries.T).T
    found /= norms
    found[np.arange(len(places)), places] = np.inf
    return found


def _at(distances: NDArray[np.float32], ranks: Rows) -> Rows:
    """The places of the images at these ranks, (count,)."""
    values = np.partition(distances, ranks)[ranks]
    return np.array([_place(distances, v, int(r)) for v, r in zip(values, ranks, strict=True)])


def _place(distances: NDArray[np.float32], value: np.float32, rank: int) -> int:
    nearer = int(np.count_nonzero(distances < value))
    return int(np.flatnonzero(distances == value)[rank - nearer])


def _norms(features: Features, gallery: Rows) -> Features:
    """(n,) lengths, read in chunks."""
    chunks = (gallery[start : start + _CHUNK] for start in range(0, len(gallery), _CHUNK))
    norms = np.concatenate([np.linalg.norm(features[rows], axis=1) for rows in chunks])
    bad = gallery[~np.isfinite(norms) | (norms == 0)]
    if len(bad):
        raise InvalidInput(
            f"The features of {len(bad):,} images are zero or not finite, first in row {bad[0]}: "
            "leave those images out, or check the backbone."
        )
    return norms.astype(np.float32)
