"""The features of a split's pictures, from the cache, and what is said of those that have none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.encoding.backbone import Backbone
from backend.errors import AkinError
from workers.datasets.regions import region_bytes
from workers.datasets.triplets import TripletSplit, shown_names
from workers.trainer.features import FeatureCache

Features = NDArray[np.float32]
Counted = Callable[[int, int], None]

REGIONS = 1_024  # pictures cut out of others that are held in memory at once


@dataclass(frozen=True, eq=False)
class SplitFeatures:
    """A split without the pictures that could not be read, and the features of the others.

    names, array: the pictures that have features, and these, (n, dim), un-normalised.
    remarks: what is missing or unreadable, in sentences.
    """

    split: TripletSplit
    names: tuple[str, ...]
    array: Features
    remarks: tuple[str, ...]

    def of(self, names: Sequence[str]) -> Features:
        """(k, dim) features of these pictures."""
        rows = [self._row_of[name] for name in names]
        return np.asarray(self.array[rows])

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.names)}


def split_features(
    backbone: Backbone, split: TripletSplit, cache: FeatureCache, progress: Counted
) -> SplitFeatures:
    """Features of every picture of a split, computed where the cache lacks them.

    What cannot be read counts as missing from then on. Raises NoSpace where the disk is full.
    """
    whole = {name: path for name, path in split.images.items() if name not in split.regions}
    parts = {name: path for name, path in split.images.items() if name in split.regions}
    found = cache.image_features(backbone, whole, progress)
    names, arrays, unreadable = [*found.names], [found.array], dict(found.unreadable)
    for some in _batches(parts):
        pictures, failed = _cut_out(split, some, backbone.image_size)
        cut = cache.image_features(backbone, pictures, progress)
        names += cut.names
        arrays.append(np.array(cut.array))
        unreadable |= failed | dict(cut.unreadable)
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    left = _without(split, unreadable)
    return SplitFeatures(left, tuple(names), array, tuple(_remarks(left, unreadable)))


def _batches(parts: Mapping[str, Path]) -> Iterator[Mapping[str, Path]]:
    items = list(parts.items())
    for start in range(0, len(items), REGIONS):
        yield dict(items[start : start + REGIONS])


def _cut_out(
    split: TripletSplit, parts: Mapping[str, Path], size: int
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The pictures of regions, and why some cannot be cut out."""
    pictures: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    for name, path in parts.items():
        try:
            pictures[name] = region_bytes(path, split.regions[name], size)
        except AkinError as error:
            failed[name] = error.sentence
    return pictures, failed


def _without(split: TripletSplit, unreadable: Mapping[str, str]) -> TripletSplit:
    if not unreadable:
        return split
    images = {name: path for name, path in split.images.items() if name not in unreadable}
    return replace(split, images=images, missing=(*split.missing, *unreadable))


def _remarks(split: TripletSplit, unreadable: Mapping[str, str]) -> Iterator[str]:
    missing = split.missing_sentence()
    if missing is not None:
        yield missing
    if unreadable:
        first, why = next(iter(unreadable.items()))
        yield (
            f"{split.name}: {len(unreadable):,} of the missing images are there and cannot be read "
            f"({shown_names(list(unreadable))}), {first} because: {why}"
        )
