"""Parts of a job, so that several workers can share one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Moment

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "job_parts",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.String(36)),
        sa.Column("lease_holder", sa.String(100)),
        sa.Column("lease_until", Moment()),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_parts_job_id_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_parts"),
    )


def downgrade() -> None:
    """Forget it; what the parts had left is still pending or missing, and found again."""
    op.drop_table("job_parts")
