"""Accepted triplets as files that others read: FashionIQ's, CIRR's, and `triplets.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import aliased

from backend.catalogue.schemas import Split
from backend.catalogue.tables import Image
from backend.database import Database
from backend.feedback.joining import (
    ReferenceImage,
    ReferenceProduct,
    TargetImage,
    TargetProduct,
    joined,
    split_of_products,
)
from backend.feedback.schemas import PictureNames, TripletFormat
from backend.feedback.tables import Triplet

PAGE = 1_000
EXPORTED: Mapping[TripletFormat, tuple[str, str]] = {
    "fashioniq": ("application/json", "cap.extend_akin.train.json"),
    "cirr": ("application/json", "cap.rc2.train.extend_akin.json"),
    "akin": ("application/x-ndjson", "triplets.jsonl"),
}
"""Media type and file name; the first two lie beside the files of their datasets."""


class _Pair(NamedTuple):
    """A reference and a target as they are called, and all sentences from one to the other."""

    reference: str
    target: str
    sentences: list[str]


def export_triplets(
    database: Database,
    form: TripletFormat,
    split: Split | None = None,
    names: PictureNames = "sku",
) -> Iterator[str]:
    """Rows of accepted triplets whose target is meant, each sentence of a pair once.

    FashionIQ's rows have two sentences, a single one twice, since its readers take two; CIRR's and
    FashionIQ's readers know no products, so `names` says how pictures are called there. Each page
    has a transaction of its own, so that a slow reader holds nothing.
    """
    pairs = _pairs(database, split, "sku" if form == "akin" else names, whole=form != "akin")
    rows = (json.dumps(row, ensure_ascii=True) for row in _rows(form, pairs))
    if form == "akin":
        yield from (f"{row}\n" for row in rows)
        return
    before = "[\n"
    for row in rows:
        yield before + row
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _rows(form: TripletFormat, pairs: Iterator[_Pair]) -> Iterator[dict[str, Any]]:
    numbers = count()
    for pair in pairs:
        said = pair.sentences
        if form == "akin":
            yield {"reference": pair.reference, "target": pair.target, "captions": said}
        elif form == "fashioniq":
            for two in _in_twos(said):
                yield {"target": pair.target, "candidate": pair.reference, "captions": two}
        else:
            for one in said:
                yield {
                    "pairid": next(numbers),
                    "reference": pair.reference,
                    "target_hard": pair.target,
                    "target_soft": {pair.target: 1.0},
                    "caption": one,
                    "img_set": {"id": 0, "members": [pair.reference, pair.target]},
                }


def _in_twos(sentences: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(sentences), 2):
        two = list(sentences[start : start + 2])
        yield two if len(two) == 2 else two * 2


def _pairs(
    database: Database, split: Split | None, names: PictureNames, *, whole: bool
) -> Iterator[_Pair]:
    """The pairs in the order of their targets. whole: a name tells one image from another of its
    product, else it is the SKU."""
    for _, rows in groupby(_accepted(database, split, names), key=lambda row: row[0]):
        found: dict[tuple[str, str], dict[str, None]] = {}
        for _, _, caption, reference, place, target, target_place in rows:
            if whole and names == "sku":
                reference, target = _called(reference, place), _called(target, target_place)
            found.setdefault((reference, target), {})[caption] = None
        yield from (_Pair(*sides, list(said)) for sides, said in found.items())


def _called(sku: str, place: int) -> str:
    return sku if place == 0 else f"{sku} #{place + 1}"


def _accepted(database: Database, split: Split | None, names: PictureNames) -> Iterator[Any]:
    """Target image, number, caption, and name and place of both sides."""
    sides = (
        (ReferenceProduct.sku, TargetProduct.sku)
        if names == "sku"
        else (ReferenceImage.sha256, TargetImage.sha256)
    )
    chosen = joined(
        select(
            Triplet.target_image_id,
            Triplet.number,
            Triplet.caption,
            sides[0],
            _place(ReferenceImage),
            sides[1],
            _place(TargetImage),
        )
    ).where(
        Triplet.state == "accepted",
        Triplet.is_target.is_(True),
        Triplet.reference_image_id.is_not(None),
        (split_of_products != "mixed") if split is None else (split_of_products == split),
    )
    place = tuple_(Triplet.target_image_id, Triplet.number)
    last: tuple[str, int] = ("", 0)
    while True:
        with database.read() as session:
            page = chosen.where(place > last).order_by(Triplet.target_image_id, Triplet.number)
            rows = session.execute(page.limit(PAGE)).all()
        yield from rows
        if len(rows) < PAGE:
            return
        last = (rows[-1][0], rows[-1][1])


def _place(image: Any) -> ColumnElement[int]:
    """How many images of its product come before an image."""
    other = aliased(Image)
    before = select(func.count()).where(
        other.product_id == image.product_id, other.position < image.position
    )
    return before.correlate(image).scalar_subquery()
