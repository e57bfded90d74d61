"""A folder is opened by what lies in it: which dataset it is, and its splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets import (
    catalogue,
    circo,
    cirr,
    coco,
    fashioniq,
    genecis,
    image_folder,
    imagenet_r,
    wardrobe_folder,
)
from workers.datasets.triplets import TripletSplit

_LOOKED_INTO = 100  # sub-folders, to name one that is a dataset


@dataclass(frozen=True)
class Kind:
    """A kind of dataset. splits: all it has; splits_in: those in a folder; load: the splits of
    a name, one or several; expected: what its folder holds, in words; published: triplets and
    images of each split as published."""

    name: str
    label: str
    splits: tuple[str, ...]
    splits_in: Callable[[Path], tuple[str, ...]]
    load: Callable[[Path, str], tuple[TripletSplit, ...]]
    expected: str
    published: Mapping[str, tuple[int, int | None]]


_ALL = (
    # A Wardrobe is in FashionIQ's format too, and an export holds pictures: the narrower first.
    Kind(
        "wardrobe",
        "Wardrobe",
        wardrobe_folder.SPLITS,
        wardrobe_folder.splits_in,
        wardrobe_folder.load,
        "products.csv and captions/cap.wardrobe.val.json",
        {},
    ),
    Kind(
        "fashioniq",
        "FashionIQ",
        fashioniq.SPLITS,
        fashioniq.splits_in,
        fashioniq.load,
        "captions/cap.dress.val.json",
        fashioniq.PUBLISHED,
    ),
    Kind(
        "cirr",
        "CIRR",
        cirr.SPLITS,
        cirr.splits_in,
        cirr.load,
        "cirr/captions/cap.rc2.val.json",
        cirr.PUBLISHED,
    ),
    Kind(
        "genecis",
        "GeneCIS",
        genecis.TASKS,
        genecis.splits_in,
        genecis.load,
        "genecis/change_attribute.json",
        genecis.PUBLISHED,
    ),
    Kind(
        "coco",
        "COCO composition",
        ("val",),
        coco.splits_in,
        coco.load,
        "annotations/instances_val2017.json",
        {},
    ),
    Kind(
        "circo",
        "CIRCO",
        circo.SPLITS,
        circo.splits_in,
        circo.load,
        "annotations/val.json",
        circo.PUBLISHED,
    ),
    Kind(
        "imagenet_r",
        "ImageNet-R",
        imagenet_r.DOMAINS,
        imagenet_r.splits_in,
        imagenet_r.load,
        imagenet_r.QUERIES,
        imagenet_r.PUBLISHED,
    ),
    Kind(
        "catalogue",
        "an exported catalogue",
        (catalogue.ALL, *catalogue.SPLITS),
        catalogue.splits_in,
        catalogue.load,
        catalogue.PRODUCTS,
        {},
    ),
    Kind(
        "images",
        "a folder of pictures",
        ("all",),
        image_folder.splits_in,
        image_folder.load,
        "any pictures",
        {},
    ),
)
_IMAGES = _ALL[-1]
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}


@dataclass(frozen=True)
class Dataset:
    """A folder, and the kind of dataset that it is."""

    folder: Path
    kind: Kind

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are in the folder."""
        return self.kind.splits_in(self.folder)

    def load(self, split: str) -> tuple[TripletSplit, ...]:
        """Raises InvalidInput where a file is not there, damaged or holds something else."""
        return self.kind.load(self.folder, split)


def open_dataset(folder: Path, kind: str | None = None) -> Dataset:
    """The dataset in the folder: of the kind named, or else of the first that is recognised.

    Raises InvalidInput where it is no folder or nothing is recognised, saying what was expected.
    """
    if not folder.is_dir():
        remedy = "unpack it, and give the folder" if folder.is_file() else "give one that is there"
        raise InvalidInput(f"{folder} is not a folder: {remedy}.")
    if kind is not None:
        return Dataset(folder, kind_named(kind))
    return Dataset(folder, _recognised(folder))


def kind_named(name: str) -> Kind:
    """The kind of that name; InvalidInput lists those there are."""
    if name not in KINDS:
        raise InvalidInput(f"No dataset is called {name}: choose one of {', '.join(KINDS)}.")
    return KINDS[name]


def _recognised(folder: Path) -> Kind:
    kind = _narrower(folder)
    if kind is not None:
        return kind
    inner = sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] != ".")
    for place in islice(inner, _LOOKED_INTO):
        kind = _narrower(place)
        if kind is not None:  # a dataset's pictures are no folder of pictures
            raise InvalidInput(f"{folder} is no dataset, but {place} is {kind.label}: give that.")
    if _IMAGES.splits_in(folder):
        return _IMAGES
    expected = "; ".join(f"{kind.label} has {kind.expected}" for kind in _ALL)
    raise InvalidInput(
        f"No dataset was recognised in {folder}: {expected}. Give the folder that holds one."
    )


def _narrower(folder: Path) -> Kind | None:
    return next((kind for kind in _ALL if kind is not _IMAGES and kind.splits_in(folder)), None)
