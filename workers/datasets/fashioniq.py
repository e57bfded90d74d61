"""FashionIQ (Wu et al. 2021, "Fashion IQ: a new dataset towards retrieving images by natural
language feedback"), and anything written in its file format.

Layout: `captions/cap.{category}.{split}.json` (or `json/`), `image_splits/split.{category}.
{split}.json`, `images/{id}.jpg` or another ending, in sub-folders or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_names, read_rows
from workers.datasets.image_files import images_by_name
from workers.datasets.layout import first_file, first_folder, not_there, roots
from workers.datasets.triplets import Triplet, TripletSplit, triplet_split

CATEGORIES = ("dress", "shirt", "toptee")
SPLITS = ("train", "val", "test")
PUBLISHED: Mapping[str, tuple[int, int]] = {
    "fashioniq/dress/train": (5_985, 11_452),
    "fashioniq/shirt/train": (5_988, 19_036),
    "fashioniq/toptee/train": (6_027, 16_121),
    "fashioniq/dress/val": (2_017, 3_817),
    "fashioniq/shirt/val": (2_038, 6_346),
    "fashioniq/toptee/val": (1_961, 5_373),
    "fashioniq/dress/test": (2_024, 3_818),
    "fashioniq/shirt/test": (2_038, 6_346),
    "fashioniq/toptee/test": (2_056, 5_374),
}
"""Triplets and images of the published files."""

EXTENDED = "extend"
"""What the category of added triplets begins with: `cap.extend_clip.train.json` (SPN4CIR)."""

_OF_CIRR = "rc2"  # what stands there in CIRR's files, which lie in folders of the same name
_FOLDERS = ("captions", "json")
_PICTURES = ("images", "image_data", "resized_image")
_NAMES = ("fashion-iq", "fashioniq", "fashioniq_dataset")
_CAPTIONS = re.compile(r"cap\.(?P<category>[\w-]+)\.(?P<split>[\w-]+)\.json")


def load(
    folder: Path,
    split: str = "val",
    categories: Sequence[str] | None = None,
    dataset: str = "fashioniq",
) -> tuple[TripletSplit, ...]:
    """One split a category: those asked for, or all that are there but the extended ones.

    The reference image is what the files call the candidate. A test split has no targets. Added
    triplets (`extend...`) have no list of images: their gallery is the images they name. dataset:
    what the names of the splits begin with. Raises InvalidInput where a file is not there, damaged
    or holds something else.
    """
    root = find_root(folder, split)
    place = first_folder([root], _PICTURES) or root / _PICTURES[0]
    found = images_by_name(place)
    wanted = categories or [one for one in found_categories(root, split) if not _is_extended(one)]
    return tuple(
        _load_category(root, category, split, found, place, f"{dataset}/{category}/{split}")
        for category in wanted
    )


def splits_in(folder: Path) -> tuple[str, ...]:
    """The splits that have captions in the folder."""
    there = [root for root in roots(folder, *_NAMES) if root.is_dir()]
    return tuple(one for one in SPLITS if any(found_categories(root, one) for root in there))


def find_root(folder: Path, split: str = "val") -> Path:
    """The folder that holds `captions` or `json`; InvalidInput where there is none."""
    for root in roots(folder, *_NAMES):
        if found_categories(root, split):
            return root
    raise not_there(
        folder,
        f"The captions of the split {split} were",
        [f"{place}/cap.dress.{split}.json" for place in _FOLDERS],
    )


def found_categories(root: Path, split: str) -> list[str]:
    """The categories that have captions of this split: FashionIQ's own first, then others."""
    names = (path.name for place in _FOLDERS for path in sorted(root.glob(f"{place}/cap.*.json")))
    told = (match for name in names if (match := _CAPTIONS.fullmatch(name)))
    there = dict.fromkeys(
        match["category"]
        for match in told
        if match["split"] == split and match["category"] != _OF_CIRR
    )
    return [*(c for c in CATEGORIES if c in there), *(c for c in there if c not in CATEGORIES)]


def _is_extended(category: str) -> bool:
    return category.startswith(EXTENDED)


def _load_category(
    root: Path, category: str, split: str, found: Mapping[str, Path], place: Path, name: str
) -> TripletSplit:
    captions = _expected(root, "The captions were", _FOLDERS, f"cap.{category}.{split}.json")
    rows = read_rows(captions)
    triplets = [_triplet(row, f"{category}-{number}", category) for number, row in enumerate(rows)]
    gallery = _gallery(root, category, split, triplets)
    source = str(captions)
    return triplet_split(name, triplets, gallery, found, source=source, places=[place])


def _gallery(root: Path, category: str, split: str, triplets: Sequence[Triplet]) -> list[str]:
    if _is_extended(category):
        return list(dict.fromkeys(name for one in triplets for name in one.names))
    file = f"split.{category}.{split}.json"
    return read_names(_expected(root, "The list of images was", ("image_splits",), file))


def _expected(root: Path, what: str, folders: Sequence[str], name: str) -> Path:
    choices = [f"{place}/{name}" for place in folders]
    path = first_file([root], choices)
    if path is None:
        raise not_there(root, what, choices)
    return path


def _triplet(row: Row, number: str, category: str) -> Triplet:
    reference = row.name("candidate")
    target = row.name("target") if "target" in row.values else None
    if reference == target:
        raise InvalidInput(f"{row.what}: candidate and target are both {target}: correct it.")
    return Triplet(number, reference, row.texts("captions"), target, category=category)
