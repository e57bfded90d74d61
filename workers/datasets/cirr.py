"""CIRR (Liu et al. 2021, "Image retrieval on real-life images with pre-trained vision-and-language
models"): everyday photos in sets of six that resemble each other.

Layout: `captions/cap.rc2.{split}.json` and `image_splits/split.rc2.{split}.json`, in the folder
itself or in its sub-folder `cirr`, beside the pictures in `train`, `dev` and `test1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_json, read_rows
from workers.datasets.image_files import images_by_name
from workers.datasets.layout import first_file, first_folder, not_there, roots
from workers.datasets.triplets import Triplet, TripletSplit, triplet_split

SPLITS = ("train", "val", "test1")
PUBLISHED: Mapping[str, tuple[int, int]] = {
    "cirr/train": (28_225, 16_939),
    "cirr/val": (4_181, 2_297),
    "cirr/test1": (4_148, 2_315),
}
"""Triplets and images of the published files; the paper's 4,184 for val is a slip."""

_PICTURES = {"train": "train", "val": "dev", "test1": "test1"}
_NAMES = ("cirr_dataset", "cirr")


def load(folder: Path, split: str = "val", extension: str | None = None) -> tuple[TripletSplit]:
    """The split; `subset` of each triplet is the six members of its set, the reference among them.

    extension: read the added triplets `cap.rc2.{split}.{extension}.json` (SPN4CIR) instead, which
    have no sets. A test split has no targets. Raises InvalidInput where a file is not there,
    damaged or holds something else.
    """
    ending = split if extension is None else f"{split}.{extension}"
    captions = find_captions(folder, ending)
    listed = _listed(captions.parents[1] / "image_splits" / f"split.rc2.{split}.json")
    triplets = tuple(
        _triplet(row, number, extension) for number, row in enumerate(read_rows(captions))
    )
    place = image_folder(captions.parents[1], split)
    found = images_by_name(place)
    name, source = f"cirr/{ending}", str(captions)
    return (triplet_split(name, triplets, listed, found, source=source, places=[place]),)


def splits_in(folder: Path) -> tuple[str, ...]:
    """The splits that have captions in the folder."""
    return tuple(split for split in SPLITS if _captions(folder, split) is not None)


def find_captions(folder: Path, ending: str = "val") -> Path:
    """The caption file of a split; InvalidInput where there is none."""
    path = _captions(folder, ending)
    if path is None:
        raise not_there(folder, f"The captions of CIRR's {ending} were", _choices(ending)[:2])
    return path


def _captions(folder: Path, ending: str) -> Path | None:
    return first_file(roots(folder, *_NAMES), _choices(ending))


def _choices(ending: str) -> list[str]:
    return [f"{place}captions/cap.rc2.{ending}.json" for place in ("", "cirr/", "CIRR/")]


def image_folder(root: Path, split: str) -> Path:
    """Where the split's pictures are expected, `root` being the folder of `captions`."""
    if split not in _PICTURES:
        raise InvalidInput(f"CIRR has no split {split}: choose one of {', '.join(SPLITS)}.")
    place = _PICTURES[split]
    # A folder called cirr holds the texts only, its parent the pictures: most codes' layout.
    beside = [root.parent, root] if root.name.casefold() == "cirr" else [root]
    return first_folder(beside, [place, f"img_raw/{place}"]) or beside[0] / place


def _listed(path: Path) -> list[str]:
    """The names of the images; their paths say no more than the names do."""
    listed = read_json(path)
    if not isinstance(listed, dict) or not listed:
        raise InvalidInput(f"{path} must hold an object of names and paths: download it again.")
    return [Row(f"{path}, image {n}", {"name": key}).name("name") for n, key in enumerate(listed)]


def _triplet(row: Row, number: int, extension: str | None) -> Triplet:
    added = extension is not None
    reference = row.name("reference")
    target = row.name("target_hard") if "target_hard" in row.values else None
    if reference == target:
        raise InvalidInput(f"{row.what}: reference and target are both {target}: correct it.")
    members = () if added else row.inner("img_set").names("members")
    if not added and not {reference, target or reference}.issubset(members):
        raise InvalidInput(f"{row.what}: reference and target must be members of img_set.")
    number_or_id = str(number) if added else row.name("pairid")
    return Triplet(number_or_id, reference, row.texts("caption"), target, subset=members)
