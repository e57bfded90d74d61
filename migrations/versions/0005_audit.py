"""The audit log: who changed what, and when. It is only added to, which SQL itself holds to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Json, Moment

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

TABLE = "audit_log"
_TOLD = "the audit log is only added to"
_by_bytes = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
_INDEXES = (
    ("at", "id"),
    ("actor", "at", "id"),
    ("action", "at", "id"),
    ("subject_kind", "subject_id", "at", "id"),
)


def upgrade() -> None:
    """Make the table, empty: what was changed before is not known."""
    op.create_table(
        TABLE,
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("action", _by_bytes, nullable=False),
        sa.Column("subject_kind", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.String(100), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("before", Json, nullable=False),
        sa.Column("after", Json, nullable=False),
        sa.Column("request_id", sa.String(100), nullable=True),
    )
    for columns in _INDEXES:
        op.create_index(f"ix_{TABLE}_{'_'.join(columns)}", TABLE, list(columns))
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def downgrade() -> None:
    """Take the log away with its lines: an older version has no place for them."""
    op.drop_table(TABLE)
    if op.get_bind().dialect.name != "sqlite":
        op.execute(f"DROP FUNCTION {TABLE}_only_grows()")


def _guard_sqlite() -> None:
    refused = f"BEGIN SELECT RAISE(ABORT, '{_TOLD}'); END"
    for event in ("UPDATE", "DELETE"):
        op.execute(f"CREATE TRIGGER {TABLE}_{event.lower()} BEFORE {event} ON {TABLE} {refused}")
    # REPLACE deletes the row that is in its way, and no trigger of DELETE hears of it.
    there = f"EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)"  # noqa: S608 - a name of ours
    op.execute(f"CREATE TRIGGER {TABLE}_replace BEFORE INSERT ON {TABLE} WHEN {there} {refused}")


def _guard_postgres() -> None:
    op.execute(
        f"CREATE FUNCTION {TABLE}_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{_TOLD}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for name, event, each in (
        ("change", "UPDATE OR DELETE", "ROW"),
        ("truncate", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER {TABLE}_{name} BEFORE {event} ON {TABLE} FOR EACH {each} "
            f"EXECUTE FUNCTION {TABLE}_only_grows()"
        )
