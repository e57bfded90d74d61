"""A catalogue: a folder written by `akin export`, and the triplets about its products if any.

Layout: `products.jsonl` and `images/` as an export has them; `triplets.jsonl` holds one object a
line with `reference` and `target`, which are SKUs, and `captions`, a text or a list of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.catalogue.json_lines import DECLARATION
from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_json_lines
from workers.datasets.image_files import images_by_path
from workers.datasets.layout import not_there
from workers.datasets.triplets import Triplet, TripletSplit, triplet_split

ALL = "all"
SPLITS = ("train", "val", "test")
PRODUCTS = "products.jsonl"
TRIPLETS = "triplets.jsonl"


@dataclass(frozen=True)
class Product:
    """A product of the export; `images` are file names relative to the folder."""

    sku: str
    title: str
    category: str | None
    split: str | None
    images: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What its images are called: the SKU, then `SKU #2` and so on. A product without an image
        has its SKU all the same, which is then missing."""
        return (self.sku, *(f"{self.sku} #{number}" for number in range(2, len(self.images) + 1)))


@dataclass(frozen=True)
class Catalogue:
    """Products by SKU, and triplets between them as the file has them."""

    folder: Path
    products: Mapping[str, Product]
    triplets: tuple[Triplet, ...]

    def split(self, name: str = ALL) -> TripletSplit:
        """The products of a split, or of the whole catalogue, and the triplets within it.

        The gallery holds every image of these products. `positives` of a triplet are all images
        of its target's product, where there are several. A triplet whose products are not both in
        the split is left out.
        """
        kept = [one for one in self.products.values() if name in (ALL, one.split)]
        if not kept:
            raise InvalidInput(f"{self.folder / PRODUCTS} has no products of the split {name}.")
        inside = {one.sku for one in kept}
        triplets = [one for one in self.triplets if {one.reference, one.target} <= inside]
        gallery = [image for one in kept for image in one.names]
        files = images_by_path(self.folder / "images")
        found = {
            image: files[file.removeprefix("images/")]
            for one in kept
            for image, file in zip(one.names, one.images, strict=False)
            if file.removeprefix("images/") in files
        }
        label, source, place = (
            f"catalogue/{name}",
            str(self.folder / PRODUCTS),
            self.folder / "images",
        )
        return triplet_split(label, triplets, gallery, found, source=source, places=[place])

    def mixed(self) -> int:
        """How many triplets are between products of different splits, and so in none."""
        return sum(
            self._split_of(one.reference) != self._split_of(one.target) for one in self.triplets
        )

    def _split_of(self, sku: str | None) -> str | None:
        return None if sku is None else self.products[sku].split


def load(folder: Path, split: str = ALL) -> tuple[TripletSplit]:
    """The split, or "all"; raises InvalidInput as `read_catalogue` does."""
    return (read_catalogue(folder).split(split),)


def splits_in(folder: Path) -> tuple[str, ...]:
    """The whole and the splits that its products have, if the folder is an exported catalogue."""
    if not (folder / PRODUCTS).is_file():
        return ()
    try:
        there = {one.split for one in read_catalogue(folder).products.values()}
    except InvalidInput:  # told by whoever reads it
        return (ALL,)
    return (ALL, *(split for split in SPLITS if split in there))


def read_catalogue(folder: Path) -> Catalogue:
    """Raises InvalidInput where a file is not there, damaged, or names products it has not."""
    path = folder / PRODUCTS
    if not path.is_file():
        raise not_there(folder, "The list of an exported catalogue was", [PRODUCTS])
    rows = (row for row in read_json_lines(path) if DECLARATION not in row.values)
    products: dict[str, Product] = {}
    for row in rows:
        product = _product(row)
        if product.sku in products:
            raise InvalidInput(f"{row.what}: {product.sku} comes twice: keep one line of it.")
        products[product.sku] = product
    told = folder / TRIPLETS
    triplets = tuple(_triplets(told, products)) if told.is_file() else ()
    return Catalogue(folder, products, triplets)


def _product(row: Row) -> Product:
    return Product(
        sku=row.name("sku"),
        title=row.text("title") if row.values.get("title") is not None else "",
        category=row.text("category") if row.values.get("category") is not None else None,
        split=row.text("split") if row.values.get("split") is not None else None,
        images=row.names("images") if "images" in row.values else (),
    )


def _triplets(path: Path, products: Mapping[str, Product]) -> list[Triplet]:
    triplets = []
    for number, row in enumerate(read_json_lines(path)):
        reference, target = row.name("reference"), row.name("target")
        for sku in (reference, target):
            if sku not in products:
                raise InvalidInput(f"{row.what}: {PRODUCTS} has no product {sku}: export again.")
        if reference == target:
            raise InvalidInput(f"{row.what}: reference and target are both {target}: correct it.")
        names = products[target].names
        triplets.append(
            Triplet(
                str(number),
                reference,
                row.texts("captions"),
                target,
                positives=names if len(names) > 1 else (),
                category=products[reference].category,
            )
        )
    return triplets
