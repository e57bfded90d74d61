"""Products with a picture each, and what is said about them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from backend.catalogue.tables import Image, Product
from backend.database import Database
from backend.feedback.service import Said, record
from backend.feedback.tables import Triplet
from tests.backend.catalogue.stock import product


def stocked(database: Database, *skus: str, **fields: Any) -> dict[str, str]:
    """Products of these SKUs, one image each; the images' ids by SKU."""
    with database.write() as session:
        for number, sku in enumerate(skus, start=sum(map(ord, skus[0]))):
            product(session, sku, number, **fields)
    return images(database)


def images(database: Database) -> dict[str, str]:
    """The id of each product's first image, by SKU."""
    with database.read() as session:
        rows = select(Product.sku, Image.id).join(Image, Image.product_id == Product.id)
        return dict(session.execute(rows.where(Image.position == 0)).all())


def say(database: Database, reference: str, text: str, target: str, **facts: Any) -> str:
    """A candidate between two products; its id."""
    at = images(database)
    with database.write() as session:
        said = Said(
            **{"text": text, "target_image_id": at[target], "reference_image_id": at[reference]}
            | facts
        )
        return record(session, said, "ann")[0]


def triplets(database: Database) -> dict[str, Triplet]:
    """All triplets by id."""
    with database.read() as session:
        return {one.id: one for one in session.scalars(select(Triplet))}
