"""Revision 0012 finds out which product each line of an older report is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from backend.database import Database
from backend.migrating import configuration, migration, upgrade

NOON = "2026-01-01 12:00:00"
LINES: list[tuple[str, str, dict[str, Any], str, str | None]] = [
    # kind of the job, name, payload, outcome, and the SKU that it is about
    ("ingest", "red/TEE.png", {"product": "p1"}, "created", "TEE-0a1b2c"),
    ("ingest", "red/CAP.png", {"product": "gone"}, "created", None),
    ("ingest", "red/HAT.png", {}, "refused", "HAT"),
    ("ingest", "shop.csv, row 3 (SCARF)", {"row": {"sku": "SCARF"}}, "refused", "SCARF"),
    ("ingest", "shop.csv, row 4 (SHOE)", {"sku": "SHOE", "pictures": []}, "", "SHOE"),
    ("embed", "SOCK", {"image_id": "i1"}, "refused", "SOCK"),
    ("reconcile", "BELT", {}, "lost", "BELT"),
    ("reconcile", "stored pictures", {}, "mended", None),
]


@pytest.fixture
def older(unmigrated: Database) -> Database:
    with migration(unmigrated) as connection:
        command.upgrade(configuration(connection), "0010")
    with unmigrated.write() as session:
        session.execute(
            text(
                "INSERT INTO products (id, sku, title, category, split, attributes, words, "
                "created_at, updated_at) VALUES "
                "('p1', 'TEE-0a1b2c', 'Tee', 'tee', 'train', '{}', 'tee', :noon, :noon)"
            ),
            {"noon": NOON},
        )
        for kind in ("ingest", "embed", "reconcile"):
            session.execute(
                text(
                    "INSERT INTO jobs (id, kind, state, parameters, result, done, failed, actor, "
                    "attempts, lease_token, created_at) "
                    "VALUES (:kind, :kind, 'done', '{}', '{}', 1, 0, 'ann', 0, 0, :noon)"
                ),
                {"kind": kind, "noon": NOON},
            )
        for position, (kind, name, payload, outcome, _) in enumerate(LINES):
            session.execute(
                text(
                    "INSERT INTO job_items (job_id, position, name, payload, state, outcome) "
                    "VALUES (:job, :at, :name, :payload, 'done', :out)"
                ),
                {
                    "job": kind,
                    "at": position,
                    "name": name,
                    "payload": json.dumps(payload),
                    "out": outcome or None,
                },
            )
    return unmigrated


def test_each_line_is_about_what_it_said(older: Database) -> None:
    upgrade(older)
    query = text("SELECT position, sku FROM job_items ORDER BY position")
    with older.read() as session:
        found = dict(tuple(row) for row in session.execute(query))
    assert found == {position: line[4] for position, line in enumerate(LINES)}
