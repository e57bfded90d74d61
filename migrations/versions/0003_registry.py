"""What a model version is made of, and a state machine that SQL holds to.

A version is immutable once it is ready: its towers, its artefact and its card are what was
measured. States go from training to ready or failed, from failed to training again, and between
ready and archived; whatever else a program tries is refused by a trigger, on both engines.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.database import Json

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

TABLE = "model_versions"
_STEPS = (
    ("training", "ready"),
    ("training", "failed"),
    ("failed", "training"),
    ("ready", "archived"),
    ("archived", "ready"),
)
_FIXED = ("backbone", "composer", "fingerprint", "text_fingerprint", "dim", "artefact", "card",
          "recipe", "parent_id")  # fmt: skip
_TOLD = {
    "state": "a model version cannot go from this state to that one",
    "fixed": "a model version that is ready does not change",
}


def upgrade() -> None:
    """Add what a version is made of; those that are there were not trained."""
    filled: tuple[tuple[str, Any, Any], ...] = (
        ("recipe", sa.String(40), "none"),
        ("figures", Json, sa.text("'{}'")),
        ("actor", sa.String(100), "akin"),
    )
    with op.batch_alter_table(TABLE) as versions:
        for name, kind, default in filled:
            column = sa.Column(name, kind, nullable=False, server_default=default)
            versions.add_column(column)
        for name, kind in (
            ("text_fingerprint", sa.String(64)),
            ("artefact", sa.String(64)),
            ("card", Json),
            ("parent_id", sa.String(36)),
            ("error", sa.Text()),
        ):
            versions.add_column(sa.Column(name, kind, nullable=True))
        versions.create_foreign_key(
            "fk_model_versions_parent_id_model_versions", TABLE, ["parent_id"], ["id"]
        )
    with op.batch_alter_table(TABLE) as versions:
        for name, _, _ in filled:
            versions.alter_column(name, server_default=None)
    op.create_index("ix_model_versions_parent_id", TABLE, ["parent_id"])
    _create_triggers()


def downgrade() -> None:
    """Take it away again; a version that was trained is then its backbone and a composer's name."""
    _drop_triggers()
    op.drop_index("ix_model_versions_parent_id", TABLE)
    with op.batch_alter_table(TABLE) as versions:
        versions.drop_constraint("fk_model_versions_parent_id_model_versions", type_="foreignkey")
        for name in ("recipe", "figures", "actor", "text_fingerprint", "artefact", "card",
                     "parent_id", "error"):  # fmt: skip
            versions.drop_column(name)


def _create_triggers() -> None:
    step = " OR ".join(f"(OLD.state = '{old}' AND NEW.state = '{new}')" for old, new in _STEPS)
    rules = {
        "state": f"OLD.state <> NEW.state AND NOT ({step})",
        "fixed": f"OLD.state IN ('ready', 'archived') AND ({_changed()})",
    }
    for name, wrong in rules.items():
        if op.get_bind().dialect.name == "sqlite":
            op.execute(
                f"CREATE TRIGGER {TABLE}_{name} BEFORE UPDATE ON {TABLE} WHEN {wrong} "
                f"BEGIN SELECT RAISE(ABORT, '{_TOLD[name]}'); END"
            )
            continue
        op.execute(
            f"CREATE FUNCTION {TABLE}_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION '{_TOLD[name]}' USING ERRCODE = 'integrity_constraint_violation'; "
            "END $$"
        )
        op.execute(
            f"CREATE TRIGGER {TABLE}_{name} BEFORE UPDATE ON {TABLE} FOR EACH ROW "
            f"WHEN ({wrong}) EXECUTE FUNCTION {TABLE}_{name}()"
        )


def _changed() -> str:
    if op.get_bind().dialect.name == "sqlite":
        return " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _FIXED)
    # JSON has no equality there.
    return " OR ".join(f"OLD.{name}::text IS DISTINCT FROM NEW.{name}::text" for name in _FIXED)


def _drop_triggers() -> None:
    for name in _TOLD:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {TABLE}_{name}")
        else:
            op.execute(f"DROP TRIGGER {TABLE}_{name} ON {TABLE}")
            op.execute(f"DROP FUNCTION {TABLE}_{name}()")
