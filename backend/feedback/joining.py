"""Triplets beside both their pictures and the products of these, in one statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, literal_column
from sqlalchemy.orm import aliased

from backend.catalogue.tables import Image, Product
from backend.feedback.tables import Triplet

ReferenceImage, TargetImage = aliased(Image), aliased(Image)
ReferenceProduct, TargetProduct = aliased(Product), aliased(Product)

split_of_products: ColumnElement[str] = case(
    (ReferenceProduct.split.is_(None), TargetProduct.split),
    (ReferenceProduct.split == TargetProduct.split, TargetProduct.split),
    else_=literal_column("'mixed'"),
)
"""The split of a triplet in a statement that `joined` made; an uploaded picture has none."""


def joined(statement: Any) -> Any:
    """A selection from triplets, with both images and their products beside them."""
    return (
        statement.select_from(Triplet)
        .join(TargetImage, TargetImage.id == Triplet.target_image_id)
        .join(TargetProduct, TargetProduct.id == TargetImage.product_id)
        .outerjoin(ReferenceImage, ReferenceImage.id == Triplet.reference_image_id)
        .outerjoin(ReferenceProduct, ReferenceProduct.id == ReferenceImage.product_id)
    )
