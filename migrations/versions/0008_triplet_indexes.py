"""Indexes that answer lists and counts of triplets alone, and tell the images of a split."""

from __future__ import annotations

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None

_Indexes = tuple[tuple[str, str, tuple[str, ...]], ...]

_ASKED = ("state", "source", "is_target", "score")
_NEW: _Indexes = (
    ("newest", "triplets", ("state", "number", "source", "is_target", "score")),
    ("best", "triplets", ("state", "score", "number", "source", "is_target")),
    ("source", "triplets", ("source", "number", "state", "is_target", "score")),
    ("score", "triplets", ("score", "number", "state", "source", "is_target")),
    ("target", "triplets", ("target_image_id", "number", "reference_image_id", *_ASKED)),
    ("split_id", "products", ("split", "id")),
    ("product_id_id", "images", ("product_id", "id")),
)
_OLD: _Indexes = (
    ("state_number", "triplets", ("state", "number")),
    ("state_score_number", "triplets", ("state", "score", "number")),
    ("source_number", "triplets", ("source", "number")),
    ("score_number", "triplets", ("score", "number")),
    ("target_image_id_number", "triplets", ("target_image_id", "number")),
)


def upgrade() -> None:
    """Put the wider indexes in the place of those that they begin with."""
    _exchange(_OLD, _NEW)


def downgrade() -> None:
    """Bring the narrow ones back."""
    _exchange(_NEW, _OLD)


def _exchange(old: _Indexes, new: _Indexes) -> None:
    for name, table, columns in new:
        op.create_index(f"ix_{table}_{name}", table, list(columns))
    for name, table, _ in old:
        op.drop_index(f"ix_{table}_{name}", table)
