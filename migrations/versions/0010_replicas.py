"""By which request a job was made; which API replicas live, and what each has loaded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Json, Moment

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("jobs", sa.Column("request_id", sa.String(100)))
    op.create_table(
        "replicas",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("loaded", Json, nullable=False),
        sa.Column("asked_version", sa.String(36)),
        sa.Column("asked_gallery", sa.String(40)),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_replicas"),
    )


def downgrade() -> None:
    """Forget both."""
    op.drop_table("replicas")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("request_id")
