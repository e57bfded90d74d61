"""Object composition on COCO (Lin et al. 2014), as Pic2Word asks it (Saito et al. 2023, section 4):
one object cut out of a photo, and the names of all that is in it, find the photo.

Layout: `annotations/instances_val2017.json` and `val2017`, in the folder itself or in `coco`; or
Pic2Word's own prepared `coco_eval.csv`, `val2017` and `val2017_masked`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_json, read_table, rows_of
from workers.datasets.image_files import images_by_name
from workers.datasets.layout import first_file, not_there, roots
from workers.datasets.regions import Region
from workers.datasets.triplets import Triplet, TripletSplit, triplet_split

PHOTOS = 5_000
"""Photos of val2017."""

LEAST = 0.05
MOST = 0.5
"""How much of the photo the box of an object covers that may be asked with."""

PREPARED = "coco_eval.csv"
Protocol = Literal["default", "published"]
_INSTANCES = "annotations/instances_val2017.json"
_NAMES = ("coco", "coco2017")


@dataclass(frozen=True)
class _Instance:
    """One annotated object; `box` is its x, y, width and height in pixels."""

    id: str
    kind: str
    box: tuple[float, ...]
    outlines: tuple[tuple[float, ...], ...]

    @property
    def area(self) -> float:
        return self.box[2] * self.box[3]

    @property
    def region(self) -> Region:
        x, y, width, height = self.box
        return Region((x, y, x + width, y + height), self.outlines, "stretched")


def load(
    folder: Path, split: str = "val", protocol: Protocol = "default", seed: int = 0
) -> tuple[TripletSplit]:
    """One query for each photo that has an object of a fitting size; the gallery are those photos.

    The reference is named `{photo}@{object}` and is a region: cut out along its outline, white
    around it, stretched to the tower's square. The caption joins the object's class and the other
    classes of the photo by " and "; `category` is the object's class. Which of several fitting
    objects is asked with is drawn by seed and photo, so it depends on no other photo.

    An object fits whose box covers between 5 % and 50 % of the photo. The published rule has 0.05
    pixels for 5 % (`protocol="published"`), and its draw had no seed: `coco_eval.csv`, where it is
    there, is then taken as it is, so that figures on it can be had again. Crowds are never asked
    with. Raises InvalidInput where a file is not there, damaged or holds something else.
    """
    if split != "val":
        raise InvalidInput(f"COCO composition has no split {split}: it is asked on val.")
    bases = roots(folder, *_NAMES)
    instances, prepared = first_file(bases, [_INSTANCES]), first_file(bases, [PREPARED])
    if prepared is not None and (instances is None or protocol == "published"):
        return (_load_prepared(prepared),)
    if instances is None:
        raise not_there(folder, "COCO's annotations were", [_INSTANCES, PREPARED])
    return (_load_instances(instances, protocol, seed),)


def splits_in(folder: Path) -> tuple[str, ...]:
    """("val",), if COCO's annotations or Pic2Word's list are in the folder."""
    return ("val",) if first_file(roots(folder, *_NAMES), [_INSTANCES, PREPARED]) else ()


def _load_instances(path: Path, protocol: Protocol, seed: int) -> TripletSplit:
    told = read_json(path)
    if not isinstance(told, dict):
        raise InvalidInput(f"{path} must hold a JSON object: download it again.")
    photos = {row.name("id"): row for row in _section(told, "images", path)}
    present = _instances(told, path)
    triplets, regions = [], {}
    for number, photo in sorted(photos.items(), key=lambda one: one[1].name("file_name")):
        shown = present.get(number, [])
        least = LEAST if protocol == "published" else LEAST * _area(photo)
        fitting = [one for one in shown if least < one.area < MOST * _area(photo) and one.outlines]
        if not fitting:
            continue
        chosen = Random(f"coco {seed} {number}").choice(fitting)
        target = Path(photo.name("file_name")).stem
        reference = f"{target}@{chosen.id}"
        regions[reference] = chosen.region
        triplets.append(_triplet(reference, chosen.kind, (one.kind for one in shown), target))
    place = path.parents[1] / "val2017"
    found = images_by_name(place)
    found |= {one.reference: found[one.target] for one in triplets if one.target in found}
    return _split(triplets, found, regions, path, [place])


def _triplet(reference: str, kind: str, kinds: Iterable[str], target: str) -> Triplet:
    classes = dict.fromkeys((kind, *kinds))
    return Triplet(target, reference, (" and ".join(classes),), target, category=kind)


def _area(photo: Row) -> float:
    return photo.number("width") * photo.number("height")


def _section(told: Mapping[str, Any], key: str, path: Path) -> list[Row]:
    return rows_of(told.get(key), f"{path}, {key}")


def _instances(told: Mapping[str, Any], path: Path) -> Mapping[str, list[_Instance]]:
    """The objects in each photo, in the file's order; a crowd has no outlines."""
    kinds = {row.name("id"): row.text("name") for row in _section(told, "categories", path)}
    present: dict[str, list[_Instance]] = defaultdict(list)
    for row in _section(told, "annotations", path):
        if row.name("category_id") not in kinds:
            raise row.wrong("category_id", "one of the categories")
        present[row.name("image_id")].append(
            _Instance(
                row.name("id"),
                kinds[row.name("category_id")],
                row.numbers("bbox", 4),
                () if row.values.get("iscrowd") else _outlines(row),
            )
        )
    return present


def _outlines(row: Row) -> tuple[tuple[float, ...], ...]:
    told = [Row(row.what, {"segmentation": one}) for one in row.items("segmentation")]
    outlines = tuple(one.numbers("segmentation") for one in told)
    if any(len(one) < 6 or len(one) % 2 for one in outlines):
        raise row.wrong("segmentation", "polygons of at least three corners")
    return outlines


def _load_prepared(path: Path) -> TripletSplit:
    triplets, regions = [], {}
    for row in read_table(path):
        target = _photo_name(row.name("id"))
        reference = f"{target}@masked"
        regions[reference] = Region(_corners(row), shape="stretched")
        others = (one.strip() for one in row.text("classes").split(";") if one.strip())
        triplets.append(_triplet(reference, row.text("query_class"), others, target))
    whole, masked = path.parent / "val2017", path.parent / "val2017_masked"
    found = images_by_name(whole)
    found |= {f"{name}@masked": file for name, file in images_by_name(masked).items()}
    return _split(triplets, found, regions, path, [whole, masked])


def _split(
    triplets: Sequence[Triplet],
    found: Mapping[str, Path],
    regions: Mapping[str, Region],
    path: Path,
    places: Sequence[Path],
) -> TripletSplit:
    gallery = [one.target for one in triplets if one.target]
    name, source = "coco/val", str(path)
    return triplet_split(name, triplets, gallery, found, regions, source=source, places=places)


def _photo_name(told: str) -> str:
    stem = Path(told).stem
    return stem.zfill(12) if stem.isdigit() else stem


def _corners(row: Row) -> tuple[float, float, float, float]:
    wrong = row.wrong("query_regions", "four numbers x1;y1;x2;y2")
    try:
        left, top, right, bottom = (float(one) for one in row.text("query_regions").split(";"))
    except ValueError as error:
        raise wrong from error
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise wrong
    return left, top, right, bottom
