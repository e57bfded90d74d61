"""Any folder of pictures: a gallery without queries, or pictures to train on."""

from __future__ import annotations

from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets.image_files import ENDINGS, image_files, images_by_path
from workers.datasets.triplets import TripletSplit, triplet_split


def load(folder: Path, split: str = "all") -> tuple[TripletSplit]:
    """Every picture below the folder, named by its relative path with its ending, in that order.

    split: a sub-folder of that name only, or "all". Raises InvalidInput where there is none.
    """
    place = folder if split == "all" else folder / split
    found = images_by_path(place)
    if not found:
        raise InvalidInput(
            f"There are no pictures in {place}: it needs files that end in {', '.join(ENDINGS)}."
        )
    name = f"images/{folder.resolve().name}/{split}"
    source = str(place)
    return (triplet_split(name, (), sorted(found), found, source=source, places=[place]),)


def splits_in(folder: Path) -> tuple[str, ...]:
    """("all",), if there is a picture below the folder."""
    return ("all",) if next(image_files(folder), None) else ()
