"""Triplets added to a dataset, made of its own pictures as SPN4CIR does (Feng et al. 2024).

They lie beside the dataset's captions, `cap.extend_{name}.train.json` in FashionIQ's format,
`cap.rc2.train.extend_{name}.json` in CIRR's, and are no part of a split unless they are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets import cirr, fashioniq
from workers.datasets.opening import Dataset
from workers.datasets.triplets import TripletSplit

SPLIT = "train"
Load = Callable[[Path, str, str], tuple[TripletSplit, ...]]


def _of_fashioniq(folder: Path, kind: str, name: str) -> tuple[TripletSplit, ...]:
    return fashioniq.load(folder, SPLIT, [f"{fashioniq.EXTENDED}_{name}"], dataset=kind)


def _of_cirr(folder: Path, kind: str, name: str) -> tuple[TripletSplit, ...]:
    return cirr.load(folder, SPLIT, f"{fashioniq.EXTENDED}_{name}")


_LOADED: Mapping[str, Load] = {
    "fashioniq": _of_fashioniq,
    "wardrobe": _of_fashioniq,
    "cirr": _of_cirr,
}


def load_added(dataset: Dataset, name: str) -> tuple[TripletSplit, ...]:
    """The triplets added to a FashionIQ, CIRR or Wardrobe under this name.

    Raises InvalidInput for another dataset, and where their file is not there, damaged or holds
    something else.
    """
    if dataset.kind.name not in _LOADED:
        raise InvalidInput(
            f"{dataset.folder} is {dataset.kind.label}, and added triplets lie beside the captions "
            "of FashionIQ, CIRR or Wardrobe: write these into its triplets.jsonl instead."
        )
    return _LOADED[dataset.kind.name](dataset.folder, dataset.kind.name, name)


def added_names(dataset: Dataset) -> list[str]:
    """The names of the triplets that lie in a dataset in FashionIQ's format."""
    if dataset.kind.name not in ("fashioniq", "wardrobe"):
        return []
    found = fashioniq.found_categories(fashioniq.find_root(dataset.folder, SPLIT), SPLIT)
    begin = f"{fashioniq.EXTENDED}_"
    return [one.removeprefix(begin) for one in found if one.startswith(begin)]
