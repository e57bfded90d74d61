"""Model versions, the galleries they search, what is active, and what each gallery holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Json, Moment


class ModelVersion(Base):
    """Backbone, weights and composer; immutable once ready."""

    __tablename__ = "model_versions"
    __table_args__ = (
        CheckConstraint("state IN ('training', 'ready', 'archived', 'failed')", name="state"),
        Index(None, "fingerprint"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    backbone: Mapped[dict[str, Any]] = mapped_column(Json)
    """name, pretrained and preprocessing: what `load_backbone` needs."""
    composer: Mapped[str] = mapped_column(String(40))
    fingerprint: Mapped[str] = mapped_column(String(64))
    dim: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(Moment)


class GalleryRow(Base):
    """A gallery: the vectors of all catalogue images under one image tower fingerprint."""

    __tablename__ = "galleries"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Its name in the gallery store."""
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    dim: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Moment)


class Deployment(Base):
    """One row each time a version becomes the active one; the newest row is what is active."""

    __tablename__ = "deployments"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("model_versions.id"))
    gallery_id: Mapped[str] = mapped_column(ForeignKey("galleries.id"))
    actor: Mapped[str] = mapped_column(String(100))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Embedding(Base):
    """That a gallery holds an image, and at which revision of the image (DESIGN, Decision 10)."""

    __tablename__ = "embeddings"
    __table_args__ = (
        Index(None, "gallery_id", "image_id"),
        Index(
            "ix_embeddings_stale",
            "gallery_id",
            sqlite_where=text("image_revision = 0"),
            postgresql_where=text("image_revision = 0"),
        ),
        Index(
            "ix_embeddings_refused",
            "gallery_id",
            sqlite_where=text("error IS NOT NULL"),
            postgresql_where=text("error IS NOT NULL"),
        ),
    )

    image_id: Mapped[str] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    gallery_id: Mapped[str] = mapped_column(
        ForeignKey("galleries.id", ondelete="CASCADE"), primary_key=True
    )
    image_revision: Mapped[int]
    """The image's revision when its payload was written; 0 once that is older than the image."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why the image cannot be encoded, or that its bytes are lost; it is not tried again."""
    created_at: Mapped[datetime] = mapped_column(Moment)
