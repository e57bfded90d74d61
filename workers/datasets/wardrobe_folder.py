"""A folder written by `akin dataset wardrobe`: FashionIQ's format, and `products.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from workers.datasets import fashioniq
from workers.datasets.annotations import Row, read_table
from workers.datasets.layout import not_there
from workers.datasets.triplets import Triplet, TripletSplit

SPLITS = ("train", "val", "test")
CATEGORY = "wardrobe"
"""What stands where FashionIQ's files have the category."""

PRODUCTS = "products.csv"


@dataclass(frozen=True)
class Listed:
    """A product as the manifest has it."""

    sku: str
    title: str
    category: str
    split: str


def load(folder: Path, split: str = "val") -> tuple[TripletSplit]:
    """The split; `category` of a triplet is that of its reference image's product.

    Raises InvalidInput where a file is not there, damaged or holds something else.
    """
    (told,) = fashioniq.load(folder, split, [CATEGORY])
    listed = products(folder)
    triplets = tuple(_categorised(one, listed) for one in told.triplets)
    return (replace(told, name=f"wardrobe/{split}", triplets=triplets),)


def splits_in(folder: Path) -> tuple[str, ...]:
    """The splits that have captions in the folder, if it is a Wardrobe at all."""
    there = (folder / PRODUCTS).is_file()
    return tuple(
        split
        for split in SPLITS
        if there and (folder / "captions" / f"cap.{CATEGORY}.{split}.json").is_file()
    )


def products(folder: Path) -> Mapping[str, Listed]:
    """The products by SKU, in the manifest's order."""
    path = folder / PRODUCTS
    if not path.is_file():
        raise not_there(folder, "The manifest of a Wardrobe was", [PRODUCTS])
    return {one.sku: one for one in map(_listed, read_table(path))}


def _listed(row: Row) -> Listed:
    return Listed(row.name("sku"), row.text("title"), row.text("category"), row.text("split"))


def _categorised(triplet: Triplet, listed: Mapping[str, Listed]) -> Triplet:
    product = listed.get(triplet.reference)
    return triplet if product is None else replace(triplet, category=product.category)
