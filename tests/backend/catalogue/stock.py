"""Products, pictures and galleries for the tests of the catalogue."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

from PIL import Image as Pillow
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue import service
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import ProductCreate
from backend.catalogue.tables import Image, Product
from backend.database import Database
from backend.encoding.spec import BackboneSpec
from backend.jobs.schemas import EMBEDS
from backend.jobs.tables import Job
from backend.registry.tables import Deployment, Embedding, GalleryRow, ModelVersion

NOWHERE = BackboneSpec("local-dir:/models/nowhere")
"""A backbone that can be told, and cannot be loaded."""
FACTS = ImageFacts(size=1000, format="JPEG", width=30, height=40)


def sha(number: int) -> str:
    """A SHA-256 that no bytes have."""
    return f"{number:064x}"


def picture(
    colour: str = "red", size: tuple[int, int] = (30, 40), form: str = "PNG", **options: Any
) -> bytes:
    """A picture of one colour, as a file's bytes."""
    buffer = io.BytesIO()
    Pillow.new("RGB", size, colour).save(buffer, form, **options)
    return buffer.getvalue()


def product(session: Session, sku: str, *images: int, **fields: Any) -> Product:
    """A product with images of these numbers."""
    new = ProductCreate.model_validate({"sku": sku, "title": f"Title of {sku}", **fields})
    created = service.create_product(session, new)
    for number in images:
        service.attach_image(session, created, sha(number), FACTS)
    return created


def gallery(session: Session, gallery_id: str = "gallery-a") -> None:
    """A gallery with a model version that is active over it."""
    moment = clock.now()
    session.add(GalleryRow(id=gallery_id, fingerprint=gallery_id, dim=4, created_at=moment))
    session.add(
        ModelVersion(
            id=gallery_id,
            name=gallery_id,
            backbone=asdict(NOWHERE),
            composer="sum",
            fingerprint=gallery_id,
            dim=4,
            state="ready",
            created_at=moment,
        )
    )
    session.flush()
    session.add(
        Deployment(
            version_id=gallery_id,
            gallery_id=gallery_id,
            actor="test",
            reason="test",
            created_at=moment,
        )
    )
    session.flush()


def embedded(session: Session, image: Image, gallery_id: str, error: str | None = None) -> None:
    """Say that a gallery holds the image, or why it cannot."""
    session.add(
        Embedding(
            image_id=image.id,
            gallery_id=gallery_id,
            image_revision=image.revision,
            error=error,
            created_at=clock.now(),
        )
    )
    session.flush()


def revisions(database: Database) -> dict[str, int]:
    with database.read() as session:
        return dict(session.execute(select(Image.sha256, Image.revision)).all())


def embed_jobs(database: Database) -> list[str | None]:
    with database.read() as session:
        return list(
            session.scalars(select(Job.subject).where(Job.kind.in_(EMBEDS)).order_by(Job.subject))
        )


def count(database: Database, table: type[Any]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def stocked(database: Database) -> str:
    """Two galleries and one product with two images; the product's id."""
    with database.write() as session:
        gallery(session, "gallery-a")
        gallery(session, "gallery-b")
        return product(
            session, "TEE", 1, 2, price="19.90", currency="EUR", attributes={"Colour": "red"}
        ).id
