"""Accounts: users, their tokens, failed logins, and the key that signs links for browsers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Moment

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None

_ROLES = "role IN ('shopper', 'manager', 'admin')"


def upgrade() -> None:
    """Add the tables, empty: without a user nobody has to log in."""
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("role", sa.String(7), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.CheckConstraint(_ROLES, name=op.f("ck_users_role")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(5), nullable=False),
        sa.Column("role", sa.String(7), nullable=False),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("last_used_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_tokens_user_id_users", ondelete="CASCADE"
        ),
        sa.CheckConstraint(_ROLES, name=op.f("ck_tokens_role")),
        sa.CheckConstraint("kind IN ('login', 'key')", name=op.f("ck_tokens_kind")),
    )
    op.create_index("ix_tokens_user_id_kind", "tokens", ["user_id", "kind"])
    op.create_index("ix_tokens_kind_created_at_id", "tokens", ["kind", "created_at", "id"])
    op.create_table(
        "login_failures",
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_login_failures"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signing_keys"),
    )


def downgrade() -> None:
    """Drop the tables: everybody has to be added again."""
    for table in ("signing_keys", "login_failures", "tokens", "users"):
        op.drop_table(table)
