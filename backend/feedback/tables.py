"""Triplets: what shoppers said about results, what files brought, and what a review made of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Json, Moment

UNSCORED = -1.0
"""The score of a triplet that was not looked at yet: it sorts behind all that were."""

_ASKED = ("state", "source", "is_target", "score")


class Triplet(Base):
    """Reference image, relative caption, target image; a candidate until somebody reviews it.

    Its split is that of its products (DESIGN, Decision 13), so it is not kept here.
    """

    __tablename__ = "triplets"
    __table_args__ = (
        CheckConstraint("state IN ('candidate', 'accepted', 'rejected')", name="state"),
        CheckConstraint("source IN ('feedback', 'import', 'spn-positives')", name="source"),
        CheckConstraint("(state = 'candidate') = (reviewed_at IS NULL)", name="reviewed"),
        CheckConstraint("score = -1 OR score BETWEEN 0 AND 1", name="score"),
        CheckConstraint(
            "reference_image_id IS NULL OR reference_sha256 IS NULL", name="one_reference"
        ),
        CheckConstraint(
            "reference_image_id IS NOT NULL OR reference_sha256 IS NOT NULL OR state = 'rejected'",
            name="reference",
        ),
        UniqueConstraint("digest"),
        # All that a filter asks for is in them, so that they count without reading a row.
        Index("ix_triplets_newest", "state", "number", "source", "is_target", "score"),
        Index("ix_triplets_best", "state", "score", "number", "source", "is_target"),
        Index("ix_triplets_source", "source", "number", "state", "is_target", "score"),
        Index("ix_triplets_score", "score", "number", "state", "source", "is_target"),
        Index("ix_triplets_target", "target_image_id", "number", "reference_image_id", *_ASKED),
        Index(None, "reference_image_id"),
        Index(None, "reference_sha256"),
        Index(None, "model_version_id"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    """Grows with every triplet: lists go by it, newest first."""
    id: Mapped[str] = mapped_column(String(36), unique=True)
    digest: Mapped[str] = mapped_column(String(64))
    """Of what makes it one click: said again, nothing is added."""
    reference_image_id: Mapped[str | None] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE")
    )
    reference_sha256: Mapped[str | None] = mapped_column(ForeignKey("blobs.sha256"))
    """Of an uploaded picture (Decision 14); None once the triplet was rejected."""
    caption: Mapped[str] = mapped_column(Text)
    target_image_id: Mapped[str] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    is_target: Mapped[bool]
    """True for "this is the one", False for "not this"."""
    state: Mapped[str] = mapped_column(String(9), default="candidate")
    source: Mapped[str] = mapped_column(String(13))

    text: Mapped[str] = mapped_column(Text)
    """The words as they were typed or imported; `caption` may have been edited since."""
    without: Mapped[list[str]] = mapped_column(Json, default=list)
    strength: Mapped[float] = mapped_column(Double, default=0.0)
    session: Mapped[str | None] = mapped_column(String(64))
    model_version_id: Mapped[str | None] = mapped_column(
        ForeignKey("model_versions.id", ondelete="SET NULL")
    )
    """The version whose answer was judged."""
    composer: Mapped[str | None] = mapped_column(String(100))
    """That which answered: the version's own, or another one the shopper chose."""
    gallery: Mapped[str | None] = mapped_column(String(40))
    rank: Mapped[int | None]
    """The place at which the target was shown."""

    score: Mapped[float] = mapped_column(Double, default=UNSCORED)
    """How consistent it is, 0 to 1; -1 while nobody looked."""
    score_parts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)

    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment)
    reviewed_by: Mapped[str | None] = mapped_column(String(100))
    reviewed_at: Mapped[datetime | None] = mapped_column(Moment)
