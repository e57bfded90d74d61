"""What a training job says while it runs: the points of its curves, and its log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Json, Moment

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add both tables, empty."""
    op.create_table(
        "training_points",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Double(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=True),
        sa.Column("lr", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("figures", Json, nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "step", name="pk_training_points"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_training_points_job_id_jobs", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "training_log",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_training_log"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_training_log_job_id_jobs", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    """Take both away with what is in them."""
    op.drop_table("training_log")
    op.drop_table("training_points")
