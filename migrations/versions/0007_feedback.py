"""Triplets: the feedback of shoppers and the files of others, before and after their review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Json, Moment

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

TABLE = "triplets"
_CHECKS = {
    "state": "state IN ('candidate', 'accepted', 'rejected')",
    "source": "source IN ('feedback', 'import', 'spn-positives')",
    "reviewed": "(state = 'candidate') = (reviewed_at IS NULL)",
    "score": "score = -1 OR score BETWEEN 0 AND 1",
    "one_reference": "reference_image_id IS NULL OR reference_sha256 IS NULL",
    "reference": "reference_image_id IS NOT NULL OR reference_sha256 IS NOT NULL "
    "OR state = 'rejected'",
}
_INDEXES = (
    ("state", "number"),
    ("state", "score", "number"),
    ("source", "number"),
    ("score", "number"),
    ("target_image_id", "number"),
    ("reference_image_id",),
    ("reference_sha256",),
    ("model_version_id",),
)


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        TABLE,
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("reference_image_id", sa.String(36)),
        sa.Column("reference_sha256", sa.String(64)),
        sa.Column("caption", sa.Text(), nullable=False),
        sa.Column("target_image_id", sa.String(36), nullable=False),
        sa.Column("is_target", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("source", sa.String(13), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("without", Json, nullable=False),
        sa.Column("strength", sa.Double(), nullable=False),
        sa.Column("session", sa.String(64)),
        sa.Column("model_version_id", sa.String(36)),
        sa.Column("composer", sa.String(100)),
        sa.Column("gallery", sa.String(40)),
        sa.Column("rank", sa.Integer()),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("score_parts", Json, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("reviewed_by", sa.String(100)),
        sa.Column("reviewed_at", Moment()),
        sa.PrimaryKeyConstraint("number", name="pk_triplets"),
        sa.UniqueConstraint("id", name="uq_triplets_id"),
        sa.UniqueConstraint("digest", name="uq_triplets_digest"),
        _refers("reference_image_id", "images", "id", "CASCADE"),
        _refers("target_image_id", "images", "id", "CASCADE"),
        _refers("reference_sha256", "blobs", "sha256"),
        _refers("model_version_id", "model_versions", "id", "SET NULL"),
        *(
            sa.CheckConstraint(rule, name=op.f(f"ck_{TABLE}_{name}"))
            for name, rule in _CHECKS.items()
        ),
    )
    for columns in _INDEXES:
        op.create_index(f"ix_{TABLE}_{'_'.join(columns)}", TABLE, list(columns))


def downgrade() -> None:
    """Take it away; pictures that only triplets showed go with the next reconciliation."""
    op.drop_table(TABLE)


def _refers(
    column: str, table: str, key: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    name = f"fk_{TABLE}_{column}_{table}"
    return sa.ForeignKeyConstraint([column], [f"{table}.{key}"], name=name, ondelete=ondelete)
