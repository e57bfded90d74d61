"""Model versions, the galleries they search, what is active, and what each gallery holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Json, Moment


class ModelVersion(Base):
    """Backbone, weights and composer; immutable once ready, as triggers see to (migration 0003)."""

    __tablename__ = "model_versions"
    __table_args__ = (
        CheckConstraint("state IN ('training', 'ready', 'archived', 'failed')", name="state"),
        Index(None, "fingerprint"),
        Index(None, "parent_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    backbone: Mapped[dict[str, Any]] = mapped_column(Json)
    """name, pretrained and preprocessing: what `load_backbone` needs."""
    composer: Mapped[str] = mapped_column(String(40))
    """The kind that answers where a search names none."""
    recipe: Mapped[str] = mapped_column(String(40), default="none")
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Of the image tower: versions that share it share a gallery."""
    text_fingerprint: Mapped[str | None] = mapped_column(String(64))
    """Of everything else; None for one that was made before it was kept."""
    dim: Mapped[int]
    card: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The artefact's `model.json`: parameters, data snapshot, figures of its own training."""
    artefact: Mapped[str | None] = mapped_column(String(64))
    """The SHA-256 of its blob; None for a backbone as it is with a composer of ours."""
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    figures: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """Measured on the catalogue's held-out triplets; they may be measured again."""
    state: Mapped[str] = mapped_column(String(10))
    error: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(100), default="akin")
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
    """One row each time a version becomes the active one; the newest row is what is active.

    What is deployed is neither deleted nor dropped; older rows keep the version's name.
    """

    __tablename__ = "deployments"
    __table_args__ = (Index(None, "version_id"), Index(None, "gallery_id"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    version_id: Mapped[str | None] = mapped_column(
        ForeignKey("model_versions.id", ondelete="SET NULL")
    )
    version: Mapped[str] = mapped_column(String(100), default="")
    """Its name at that time."""
    gallery_id: Mapped[str | None] = mapped_column(ForeignKey("galleries.id", ondelete="SET NULL"))
    actor: Mapped[str] = mapped_column(String(100))
    reason: Mapped[str] = mapped_column(Text)
    gate: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """What the metric gate said of it (DESIGN, Decision 13), and whether it was overridden."""
    created_at: Mapped[datetime] = mapped_column(Moment)


class Promotion(Base):
    """A version that is to become the active one as soon as its gallery holds the catalogue."""

    __tablename__ = "promotions"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'done', 'refused', 'withdrawn')", name="state"),
        Index(
            "uq_promotions_waiting",
            "state",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(None, "version_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"))
    gallery_id: Mapped[str | None] = mapped_column(ForeignKey("galleries.id", ondelete="SET NULL"))
    state: Mapped[str] = mapped_column(String(10))
    override: Mapped[bool] = mapped_column(default=False)
    """Whether it switches even if the metric gate is not met."""
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(100))
    error: Mapped[str | None] = mapped_column(Text)
    """Why it was refused, in one sentence."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class Replica(Base):
    """An API process of the server profile: alive while `seen_at` is recent, and what it has
    loaded, so that a version is deployed only once all that live can answer with it."""

    __tablename__ = "replicas"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    """Host and process, for people."""
    seen_at: Mapped[datetime] = mapped_column(Moment)
    loaded: Mapped[list[list[str]]] = mapped_column(Json, default=list)
    """Pairs of version id and gallery id."""
    asked_version: Mapped[str | None] = mapped_column(String(36))
    """What it is to load beside the version that answers."""
    asked_gallery: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(Text)
    """Why it cannot load what it was asked to, in one sentence."""


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
