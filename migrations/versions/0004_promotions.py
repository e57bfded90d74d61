"""Promotions that wait for their gallery, and deployments that outlive versions and galleries.

Which version answered when stays known after the version is deleted or its gallery dropped, so the
deployments keep the version's name and let go of the rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Json, Moment

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

_KEYS = (("version_id", "model_versions", 36), ("gallery_id", "galleries", 40))


def upgrade() -> None:
    """Name the version in each deployment; nothing waits yet."""
    with op.batch_alter_table("deployments") as deployments:
        deployments.add_column(
            sa.Column("version", sa.String(100), nullable=False, server_default="")
        )
        deployments.add_column(
            sa.Column("gate", Json, nullable=False, server_default=sa.text("'{}'"))
        )
    op.execute(
        "UPDATE deployments SET version = (SELECT name FROM model_versions "
        "WHERE model_versions.id = deployments.version_id)"
    )
    with op.batch_alter_table("deployments") as deployments:
        for column in ("version", "gate"):
            deployments.alter_column(column, server_default=None)
        for column, table, length in _KEYS:
            name = f"fk_deployments_{column}_{table}"
            deployments.drop_constraint(name, type_="foreignkey")
            deployments.alter_column(column, existing_type=sa.String(length), nullable=True)
            deployments.create_foreign_key(name, table, [column], ["id"], ondelete="SET NULL")
    for column, _, _ in _KEYS:
        op.create_index(f"ix_deployments_{column}", "deployments", [column])
    _create_promotions()


def downgrade() -> None:
    """Forget what waits, and the deployments of what is gone: they need their rows again."""
    op.drop_table("promotions")
    for column, _, _ in _KEYS:
        op.drop_index(f"ix_deployments_{column}", "deployments")
    op.execute("DELETE FROM deployments WHERE version_id IS NULL OR gallery_id IS NULL")
    with op.batch_alter_table("deployments") as deployments:
        for column, table, length in _KEYS:
            name = f"fk_deployments_{column}_{table}"
            deployments.drop_constraint(name, type_="foreignkey")
            deployments.alter_column(column, existing_type=sa.String(length), nullable=False)
            deployments.create_foreign_key(name, table, [column], ["id"])
        deployments.drop_column("gate")
        deployments.drop_column("version")


def _create_promotions() -> None:
    op.create_table(
        "promotions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("version_id", sa.String(36), nullable=False),
        sa.Column("gallery_id", sa.String(40), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_versions.id"],
            name="fk_promotions_version_id_model_versions",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["gallery_id"],
            ["galleries.id"],
            name="fk_promotions_gallery_id_galleries",
            ondelete="SET NULL",
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'refused', 'withdrawn')",
            name=op.f("ck_promotions_state"),
        ),
    )
    op.create_index("ix_promotions_version_id", "promotions", ["version_id"])
    op.create_index(
        "uq_promotions_waiting",
        "promotions",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
