"""GeneCIS (Vaze et al. 2023, "GeneCIS: a benchmark for general conditional image similarity"):
each query has a small gallery of its own.

Layout: `{task}.json` for the four tasks, in the folder itself or in `genecis`; COCO's photos in
`val2017`, Visual Genome's in `VG_100K_all` or in `VG_100K` and `VG_100K_2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_rows, rows_of
from workers.datasets.image_files import images_by_name
from workers.datasets.layout import first_file, first_folder, not_there, roots
from workers.datasets.regions import Box, Region
from workers.datasets.triplets import Triplet, TripletSplit, triplet_split

TASKS = ("focus_attribute", "change_attribute", "focus_object", "change_object")
PUBLISHED: Mapping[str, tuple[int, int | None]] = {
    "genecis/focus_attribute": (2_000, None),
    "genecis/change_attribute": (2_112, None),
    "genecis/focus_object": (1_960, None),
    "genecis/change_object": (1_960, None),
}
"""Queries of the published files; how many different images they name is not published."""

DILATION = 0.7
"""By what share of its sides the box of an object is widened."""

Protocol = Literal["default", "published"]
_NAMES = ("genecis",)
_GENOME = ("VG_100K_all", "VG_100K", "VG_100K_2")


def load(
    folder: Path, split: str = "all", protocol: Protocol = "default"
) -> tuple[TripletSplit, ...]:
    """One split a task: the one named, or all four.

    `subset` of each triplet is its own gallery, the target first; the split's gallery are all
    images of the task. Attribute tasks are about objects in photos: their images are named
    `{photo}@{x},{y},{width},{height}` and have a region, cropped and padded to a square. The box is
    widened evenly; the published evaluation widens it to the left and the top only
    (`protocol="published"`). Raises InvalidInput where a file is not there, damaged or holds
    something else.
    """
    if split not in (*TASKS, "all"):
        raise InvalidInput(f"GeneCIS has no task {split}: choose one of {', '.join(TASKS)}.")
    tasks = TASKS if split == "all" else (split,)
    paths = {task: find_templates(folder, task) for task in tasks}
    return tuple(
        _load_task(task, path, _places(folder, task), protocol) for task, path in paths.items()
    )


def splits_in(folder: Path) -> tuple[str, ...]:
    """The tasks that have queries in the folder."""
    return tuple(task for task in TASKS if _templates(folder, task) is not None)


def find_templates(folder: Path, task: str = TASKS[0]) -> Path:
    """The file of a task's queries; InvalidInput where there is none."""
    path = _templates(folder, task)
    if path is None:
        choices = [f"genecis/{task}.json", f"{task}.json"]
        raise not_there(folder, f"GeneCIS's queries of {task} were", choices)
    return path


def _templates(folder: Path, task: str) -> Path | None:
    return first_file(roots(folder, *_NAMES), [f"{task}.json"])


def dilated(box: Box, protocol: Protocol = "default") -> Box:
    """left, top, right, bottom of an object's x, y, width, height, widened by `DILATION`.

    The published evaluation puts all of the margin to the left and above, and what of it lies
    outside the image to the right and below.
    """
    x, y, width, height = box
    grown = (width * (1 + DILATION), height * (1 + DILATION))
    if protocol == "published":
        left, top = max(0.0, x - DILATION * width), max(0.0, y - DILATION * height)
    else:
        left, top = x - DILATION * width / 2, y - DILATION * height / 2
    return left, top, left + grown[0], top + grown[1]


def _places(folder: Path, task: str) -> list[Path]:
    """The folders of the photos that the task is about; the first choice where none is there."""
    names = _GENOME if task.endswith("attribute") else ("val2017",)
    bases = roots(folder, *_NAMES, "coco", "vg", "visual_genome")
    return [p for name in names if (p := first_folder(bases, [name]))] or [folder / names[0]]


def _load_task(task: str, path: Path, places: Sequence[Path], protocol: Protocol) -> TripletSplit:
    photos = images_by_name(*places)
    queries = [(row, _pictures(row, protocol)) for row in read_rows(path)]
    pictures = {one.name: one for _, told in queries for one in told}
    triplets = [
        _triplet(number, row.text("condition"), [one.name for one in told])
        for number, (row, told) in enumerate(queries)
    ]
    return triplet_split(
        f"genecis/{task}",
        triplets,
        dict.fromkeys(name for one in triplets for name in one.subset),
        {one.name: photos[one.photo] for one in pictures.values() if one.photo in photos},
        {one.name: one.region for one in pictures.values() if one.region},
        source=str(path),
        places=places,
    )


@dataclass(frozen=True)
class _Picture:
    """A photo, or an object in it."""

    name: str
    photo: str
    region: Region | None = None


def _triplet(number: int, condition: str, names: Sequence[str]) -> Triplet:
    reference, *subset = names
    return Triplet(str(number), reference, (condition,), subset[0], subset=tuple(subset))


def _pictures(row: Row, protocol: Protocol) -> list[_Picture]:
    """The reference, the target, then the rest of the gallery."""
    gallery = rows_of(row.items("gallery"), f"{row.what}, gallery")
    return [
        _picture(one, protocol) for one in (row.inner("reference"), row.inner("target"), *gallery)
    ]


def _picture(row: Row, protocol: Protocol) -> _Picture:
    if "val_image_id" in row.values:
        name = row.name("val_image_id").zfill(12)
        return _Picture(name, name)
    photo = row.name("image_id")
    x, y, width, height = row.numbers("instance_bbox", 4)
    region = Region(dilated((x, y, width, height), protocol), shape="padded")
    return _Picture(f"{photo}@{x:g},{y:g},{width:g},{height:g}", photo, region)
