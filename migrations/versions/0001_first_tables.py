"""The first tables: catalogue, jobs and registry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import Json, Moment

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create the tables, parents before children."""
    _create_catalogue()
    _create_jobs()
    _create_registry()


def downgrade() -> None:
    """Drop the tables, children before parents."""
    for table in (
        "embeddings",
        "deployments",
        "galleries",
        "model_versions",
        "import_files",
        "job_items",
        "jobs",
        "removals",
        "attributes",
        "images",
        "blobs",
        "products",
    ):
        op.drop_table(table)


def _create_catalogue() -> None:
    _create_products()
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
    )
    _create_images()
    op.create_table(
        "attributes",
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("filterable", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name="pk_attributes"),
        sa.CheckConstraint(
            "kind IN ('keyword', 'integer', 'float', 'bool')", name=op.f("ck_attributes_kind")
        ),
    )
    op.create_table(
        "removals",
        sa.Column("image_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_removals"),
    )


def _create_products() -> None:
    op.create_table(
        "products",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("sku", sa.String(200), nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("category", sa.String(100), nullable=False),
        sa.Column("split", sa.String(5), nullable=False),
        sa.Column("price", sa.Numeric(12, 2)),
        sa.Column("currency", sa.String(3)),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("sku", name="uq_products_sku"),
        sa.CheckConstraint("split IN ('train', 'val', 'test')", name=op.f("ck_products_split")),
        sa.CheckConstraint("price IS NULL OR price >= 0", name=op.f("ck_products_price")),
        sa.CheckConstraint(
            "(price IS NULL) = (currency IS NULL)", name=op.f("ck_products_currency")
        ),
    )
    op.create_index("ix_products_category", "products", ["category"])
    op.create_index("ix_products_split", "products", ["split"])
    op.create_index("ix_products_price", "products", ["price"])
    op.create_index("ix_products_created_at_id", "products", ["created_at", "id"])


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("product_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("product_id", "sha256", name="uq_images_product_id_sha256"),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
            name="fk_images_product_id_products",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_images_sha256_blobs"),
    )
    op.create_index("ix_images_sha256", "images", ["sha256"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("subject", sa.String(100)),
        sa.Column("parameters", Json, nullable=False),
        sa.Column("result", Json, nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("stage", sa.String(40)),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer()),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.Integer(), nullable=False),
        sa.Column("lease_holder", sa.String(100)),
        sa.Column("lease_until", Moment()),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("queued_at", Moment()),
        sa.Column("started_at", Moment()),
        sa.Column("finished_at", Moment()),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.CheckConstraint(
            "state IN ('collecting', 'queued', 'running', 'cancelling', 'cancelled', 'done', "
            "'failed')",
            name=op.f("ck_jobs_state"),
        ),
    )
    op.create_index("ix_jobs_state_kind", "jobs", ["state", "kind"])
    op.create_index("ix_jobs_created_at_id", "jobs", ["created_at", "id"])
    _create_job_items()
    _create_import_files()


def _create_job_items() -> None:
    op.create_table(
        "job_items",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(1000), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("state", sa.String(7), nullable=False),
        sa.Column("outcome", sa.String(20)),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("job_id", "position", name="pk_job_items"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_items_job_id_jobs", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'done', 'failed')", name=op.f("ck_job_items_state")
        ),
    )
    op.create_index(
        "ix_job_items_job_id_state_position", "job_items", ["job_id", "state", "position"]
    )


def _create_import_files() -> None:
    op.create_table(
        "import_files",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(1000), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_import_files"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_import_files_job_id_jobs", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_import_files_sha256", "import_files", ["sha256"])


def _create_registry() -> None:
    _create_model_versions()
    op.create_table(
        "galleries",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_galleries"),
        sa.UniqueConstraint("fingerprint", name="uq_galleries_fingerprint"),
    )
    _create_deployments()
    _create_embeddings()


def _create_model_versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("backbone", Json, nullable=False),
        sa.Column("composer", sa.String(40), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.UniqueConstraint("name", name="uq_model_versions_name"),
        sa.CheckConstraint(
            "state IN ('training', 'ready', 'archived', 'failed')",
            name=op.f("ck_model_versions_state"),
        ),
    )
    op.create_index("ix_model_versions_fingerprint", "model_versions", ["fingerprint"])


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("version_id", sa.String(36), nullable=False),
        sa.Column("gallery_id", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name="fk_deployments_version_id_model_versions"
        ),
        sa.ForeignKeyConstraint(
            ["gallery_id"], ["galleries.id"], name="fk_deployments_gallery_id_galleries"
        ),
    )


def _create_embeddings() -> None:
    op.create_table(
        "embeddings",
        sa.Column("image_id", sa.String(36), nullable=False),
        sa.Column("gallery_id", sa.String(40), nullable=False),
        sa.Column("image_revision", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "gallery_id", name="pk_embeddings"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_embeddings_image_id_images", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["gallery_id"],
            ["galleries.id"],
            name="fk_embeddings_gallery_id_galleries",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_embeddings_gallery_id_image_id", "embeddings", ["gallery_id", "image_id"])
