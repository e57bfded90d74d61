"""CIRCO (Baldrati et al. 2023, "Zero-shot composed image retrieval with textual inversion"): COCO's
unlabelled photos, several of which may answer a query.

Layout: `annotations/{val,test}.json`, and in `COCO2017_unlabeled` or the folder itself
`annotations/image_info_unlabeled2017.json` and `unlabeled2017/*.jpg`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_json, read_rows, rows_of
from workers.datasets.image_files import images_by_name
from workers.datasets.layout import first_file, first_folder, not_there, roots
from workers.datasets.triplets import Triplet, TripletSplit, triplet_split

SPLITS = ("val", "test")
ASPECTS = (
    "cardinality",
    "addition",
    "negation",
    "direct_addressing",
    "compare_change",
    "comparative_statement",
    "statement_with_conjunction",
    "spatial_relations_background",
    "viewpoint",
)
"""What a relative caption may ask for; a query carries any number of them."""
PUBLISHED: Mapping[str, tuple[int, int]] = {
    "circo/val": (220, 123_403),
    "circo/test": (800, 123_403),
}
"""Queries and images of the published files."""

_INFO = "annotations/image_info_unlabeled2017.json"
_PHOTOS = "unlabeled2017"
_NAMES = ("circo",)
_UNLABELED = ("coco2017_unlabeled", "coco")


def load(folder: Path, split: str = "val") -> tuple[TripletSplit]:
    """The split; its gallery are the images of `image_info_unlabeled2017.json` in that order.

    An image is named by its number in twelve digits, as its file is. `positives` are the ground
    truths, the target first. A test split has no targets. The shared concept is not read: the
    published protocols ask by the relative caption alone. Raises InvalidInput where a file is not
    there, damaged or holds something else.
    """
    annotations = find_annotations(folder, split)
    root = annotations.parents[1]
    photos = roots(root, *_UNLABELED)
    gallery = _gallery(first_file(photos, [_INFO]), root)
    place = first_folder(photos, [_PHOTOS]) or photos[-1] / _PHOTOS
    found = images_by_name(place)
    triplets = tuple(_triplet(row) for row in read_rows(annotations))
    name, source = f"circo/{split}", str(annotations)
    return (triplet_split(name, triplets, gallery, found, source=source, places=[place]),)


def splits_in(folder: Path) -> tuple[str, ...]:
    """The splits that have queries in the folder."""
    return tuple(split for split in SPLITS if _annotations(folder, split) is not None)


def find_annotations(folder: Path, split: str = "val") -> Path:
    """The query file of a split; InvalidInput where there is none."""
    path = _annotations(folder, split)
    if path is None:
        file = f"annotations/{split}.json"
        raise not_there(folder, f"The queries of CIRCO's {split} were", [file])
    return path


def _annotations(folder: Path, split: str) -> Path | None:
    return first_file(roots(folder, *_NAMES), [f"annotations/{split}.json"])


def image_name(number: str) -> str:
    """COCO's name of an image: its number in twelve digits."""
    return number.zfill(12)


def _gallery(info: Path | None, root: Path) -> list[str]:
    if info is None:
        raise not_there(root, "COCO's list of images was", [f"COCO2017_unlabeled/{_INFO}", _INFO])
    told = read_json(info)
    if not isinstance(told, dict) or "images" not in told:
        raise InvalidInput(f"{info} must hold an object with images: download it again.")
    rows = rows_of(told["images"], f"{info}, images")
    return [image_name(row.name("id")) for row in rows]


def _triplet(row: Row) -> Triplet:
    known = "gt_img_ids" in row.values
    positives = tuple(map(image_name, row.names("gt_img_ids"))) if known else ()
    target = image_name(row.name("target_img_id")) if "target_img_id" in row.values else None
    reference = image_name(row.name("reference_img_id"))
    if known and (not positives or positives[0] != target):
        raise InvalidInput(f"{row.what}: the target must be the first of gt_img_ids: correct it.")
    if len(set(positives)) < len(positives) or reference in positives:
        raise InvalidInput(
            f"{row.what}: gt_img_ids must be different images, and not the reference: correct it."
        )
    aspects = row.names("semantic_aspects") if "semantic_aspects" in row.values else ()
    return Triplet(
        id=row.name("id"),
        reference=reference,
        captions=(row.text("relative_caption"),),
        target=target,
        positives=positives,
        aspects=aspects,
    )
