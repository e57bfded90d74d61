"""Versions, galleries and pictures for the tests of promotion."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import ProductCreate
from backend.catalogue.service import attach_image, create_product
from backend.catalogue.tables import Image, Product
from backend.encoding.backbone import Backbone
from backend.gallery.port import Point
from backend.registry.deployments import Active
from backend.registry.in_training import begin_training
from backend.registry.service import ensure_active, free_name
from backend.registry.tables import Embedding, ModelVersion
from backend.runtime import Runtime


def start(runtime: Runtime, backbone: Backbone) -> Active:
    """Start the installation; what is active then."""
    with runtime.database.write() as session:
        return ensure_active(session, runtime, backbone, actor="test")


def add_version(session: Session, like: Active, name: str, **changes: Any) -> ModelVersion:
    """A ready version with the towers of `like`; `changes` replace columns."""
    facts: dict[str, Any] = {
        "backbone": like.backbone,
        "composer": "sum",
        "recipe": "combiner",
        "fingerprint": like.fingerprint,
        "text_fingerprint": like.text_fingerprint,
        "dim": like.dim,
        "state": "ready",
        "figures": {},
        "created_at": clock.now(),
    }
    version = ModelVersion(id=f"id of {name}", name=free_name(session, name), **(facts | changes))
    session.add(version)
    session.flush()
    return version


def begin(session: Session, now: Active, name: str | None = "mine") -> ModelVersion:
    """A version in training whose parent is what is active now."""
    return begin_training(
        session,
        name=name,
        recipe="combiner",
        parent=session.get_one(ModelVersion, now.version_id),
        parameters={"lr": 0.1},
        data={"counts": {"triplets": 3}},
        actor="ann",
    )


def figures(now: Active, new: float, old: float, triplets: int = 200) -> dict[str, Any]:
    """What a measurement beside the active version leaves: R@10 of both."""
    ways = {
        way: {"R@10": (value, value - 2, value + 2)}
        for way, value in (("composed", new), ("active", old), ("image", 10.0), ("text", 20.0))
    }
    return {"held_out": {"triplets": triplets, "active": now.version_id, "ways": ways}}


def add_picture(runtime: Runtime, sku: str, *gallery_ids: str) -> str:
    """A product with one picture, held by these galleries; the image's id."""
    with runtime.database.write() as session:
        product = create_product(session, ProductCreate(sku=sku, title=sku))
        sha256 = f"{len(session.scalars(select(Product)).all()):064x}"
        attach_image(session, product, sha256, ImageFacts(1, "JPEG", 1, 1))
        image = session.scalars(select(Image).where(Image.product_id == product.id)).one()
        for gallery_id in gallery_ids:
            hold(session, image.id, gallery_id)
        return image.id


def hold(session: Session, image_id: str, gallery_id: str, **changes: Any) -> None:
    """Say that a gallery holds an image."""
    facts = {"image_revision": 1, "error": None, "created_at": clock.now()}
    session.add(Embedding(image_id=image_id, gallery_id=gallery_id, **(facts | changes)))
    session.flush()


def put_point(runtime: Runtime, gallery_id: str, image_id: str) -> None:
    """Put a point for an image into a gallery."""
    gallery = runtime.galleries.open(gallery_id)
    gallery.upsert([Point(image_id, np.ones(gallery.dim, np.float32), {"product": "p"})])
