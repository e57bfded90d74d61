"""What a dataset gives to make new triplets of: pictures, references, and what they show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets.triplets import TripletSplit


@dataclass(frozen=True)
class Material:
    """pictures: name -> file, of those that were found. references: the pictures that a triplet
    has as its reference, each once. categories: of the pictures whose triplets all tell the same,
    as in FashionIQ. missing: names without a file."""

    pictures: Mapping[str, Path]
    references: tuple[str, ...]
    categories: Mapping[str, str]
    missing: tuple[str, ...] = ()


def gather(splits: Sequence[TripletSplit], *, named_only: bool = False) -> Material:
    """The pictures of these splits, each name once although FashionIQ's categories overlap.

    named_only: leave out the pictures that no triplet names (SPN4CIR's choice).
    Raises InvalidInput where no picture is left.
    """
    pictures: dict[str, Path] = {}
    categories: dict[str, str] = {}
    for split in splits:
        named = {name for one in split.usable for name in one.names} if named_only else None
        own = {n: path for n, path in split.images.items() if named is None or n in named}
        pictures = {**own, **pictures}
        categories = {**dict.fromkeys(own, _category(split)), **categories}
    if not pictures:
        names = ", ".join(split.name for split in splits)
        raise InvalidInput(f"No picture of {names} is there: run akin dataset check on the folder.")
    return Material(
        pictures,
        tuple(_distinct(one.reference for split in splits for one in split.usable)),
        {name: category for name, category in categories.items() if category},
        tuple(_distinct(name for split in splits for name in split.missing)),
    )


def _category(split: TripletSplit) -> str:
    """What all its triplets are about, or nothing."""
    told = {one.category for one in split.triplets}
    return next(iter(told)) or "" if len(told) == 1 else ""


def _distinct(names: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(names)
