"""Which product a line of a job's report is about, so that the line goes when the product does."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.database import Json

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | None = None
depends_on: str | None = None

_AT_ONCE = 1000
_ITEMS = sa.table(
    "job_items",
    sa.column("job_id", sa.String),
    sa.column("position", sa.Integer),
    sa.column("name", sa.String),
    sa.column("payload", Json),
    sa.column("outcome", sa.String),
    sa.column("sku", sa.String),
)
_JOBS = sa.table("jobs", sa.column("id", sa.String), sa.column("kind", sa.String))
_PRODUCTS = sa.table("products", sa.column("id", sa.String), sa.column("sku", sa.String))


def upgrade() -> None:
    """Add the column, and fill it from what the lines say."""
    op.add_column("job_items", sa.Column("sku", sa.String(200)))
    for kind in ("ingest", "embed", "reembed", "reconcile"):
        for job_id in _jobs(kind):
            _fill(job_id, kind)
    op.create_index("ix_job_items_sku", "job_items", ["sku"])


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_job_items_sku", "job_items")
    with op.batch_alter_table("job_items") as items:
        items.drop_column("sku")


def _jobs(kind: str) -> list[str]:
    return list(op.get_bind().scalars(sa.select(_JOBS.c.id).where(_JOBS.c.kind == kind)))


def _fill(job_id: str, kind: str) -> None:
    connection, last = op.get_bind(), -1
    mine = _ITEMS.c.job_id == job_id
    line = (mine, _ITEMS.c.position == sa.bindparam("at"))
    said = sa.update(_ITEMS).where(*line).values(sku=sa.bindparam("about"))
    while True:
        after = sa.select(_ITEMS).where(mine, _ITEMS.c.position > last)
        page = connection.execute(after.order_by(_ITEMS.c.position).limit(_AT_ONCE)).all()
        skus = _skus(page)
        told = [(row.position, _sku(row, kind, skus)) for row in page]
        known = [{"at": position, "about": sku[:200]} for position, sku in told if sku]
        if known:
            connection.execute(said, known)
        if len(page) < _AT_ONCE:
            return
        last = page[-1].position


def _skus(page: Any) -> dict[str, str]:
    """Of the products that these lines made or changed, by id."""
    ids = {row.payload["product"] for row in page if row.payload.get("product")}
    named = sa.select(_PRODUCTS.c.id, _PRODUCTS.c.sku).where(_PRODUCTS.c.id.in_(ids))
    return {row.id: row.sku for row in op.get_bind().execute(named)}


def _sku(row: Any, kind: str, skus: dict[str, str]) -> str | None:
    if kind == "reconcile":
        return str(row.name) if row.outcome == "lost" else None
    if kind != "ingest":
        return str(row.name)
    if "product" in row.payload:
        return skus.get(row.payload["product"])
    said = row.payload.get("sku") or row.payload.get("row", {}).get("sku")
    return str(said or PurePosixPath(row.name).stem)
