"""Triplets as the API shows them: with both pictures, the split, and the reasons of the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from backend.catalogue.presenting import picture_path
from backend.catalogue.tables import Image, Product
from backend.feedback.joining import (
    ReferenceImage,
    ReferenceProduct,
    TargetImage,
    TargetProduct,
    joined,
    split_of_products,
)
from backend.feedback.reasons import reasons
from backend.feedback.schemas import TripletOut, TripletPicture
from backend.feedback.tables import UNSCORED, Triplet
from backend.registry.tables import ModelVersion

_COLUMNS = (
    "id", "state", "source", "caption", "is_target", "text", "without", "strength", "session",
    "composer", "gallery", "rank", "score_parts", "actor", "created_at", "reviewed_by",
    "reviewed_at",
)  # fmt: skip


def shown(session: Session, which: ColumnElement[bool]) -> dict[int, TripletOut]:
    """Those of the triplets that are there, by their numbers."""
    columns = (Triplet, ReferenceImage, ReferenceProduct, TargetImage, TargetProduct,
               ModelVersion.name, split_of_products)  # fmt: skip
    rows = joined(select(*columns)).outerjoin(
        ModelVersion, ModelVersion.id == Triplet.model_version_id
    )
    return {row[0].number: _triplet_out(row) for row in session.execute(rows.where(which))}


def _triplet_out(row: Sequence[Any]) -> TripletOut:
    triplet, reference_image, reference_product, image, product, version, split = row
    reference = (
        _uploaded(triplet.reference_sha256)
        if reference_image is None
        else _picture(reference_image, reference_product)
    )
    kept = {name: getattr(triplet, name) for name in _COLUMNS}
    return TripletOut(
        **kept,
        reference=reference,
        target=_picture(image, product),
        split=split,
        model_version=version,
        score=None if triplet.score == UNSCORED else triplet.score,
        reasons=reasons(triplet.score_parts, is_target=triplet.is_target),
    )


def _picture(image: Image, product: Product) -> TripletPicture:
    return TripletPicture(
        image_id=image.id,
        sha256=image.sha256,
        thumbnail=picture_path(image.sha256, "thumbnail"),
        product_id=product.id,
        sku=product.sku,
        title=product.title,
        split=product.split,
    )


def _uploaded(sha256: str | None) -> TripletPicture:
    path = None if sha256 is None else picture_path(sha256, "thumbnail")
    return TripletPicture(sha256=sha256, thumbnail=path)
