"""Numbers for products and images, and the values products are filtered by, as rows.

Products and images are numbered in the order they came; the numbers become the primary keys, since
SQLite keeps a whole number in every index entry anyway. What stood in JSON only, the values of
filterable attributes, gets tables of its own. Points older than their image are marked by
revision 0, so that an index can list them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op

from backend.database import Json, Moment

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

PAGE = 1000
_PARENTS = (("products", "images", "product_id"), ("images", "embeddings", "image_id"))


def upgrade() -> None:
    """Number the rows, then write down words and values of the products that are there."""
    _drop_product_indexes("category", "split", "price", "created_at_id")
    if _on_sqlite():
        _rebuild_products(numbered=True)
        _rebuild_images(numbered=True)
    else:
        for parent, child, column in _PARENTS:
            _number_on_server(parent, child, column)
        op.add_column("products", sa.Column("words", sa.Text(), nullable=False, server_default=""))
        op.alter_column("products", "words", server_default=None)
    for column in ("category", "split", "price", "title"):
        op.create_index(f"ix_products_{column}_number", "products", [column, "number"])
    _create_values()
    _fill()
    _mark_stale()


def downgrade() -> None:
    """Take the values, words and numbers away again."""
    op.drop_index("ix_embeddings_stale", "embeddings")
    op.drop_index("ix_embeddings_refused", "embeddings")
    op.drop_table("product_values")
    op.drop_table("attribute_values")
    _drop_product_indexes("category_number", "split_number", "price_number", "title_number")
    if _on_sqlite():
        _rebuild_images(numbered=False)
        _rebuild_products(numbered=False)
    else:
        op.drop_column("products", "words")
        for parent, child, column in reversed(_PARENTS):
            _unnumber_on_server(parent, child, column)
    for column in ("category", "split", "price"):
        op.create_index(f"ix_products_{column}", "products", [column])
    op.create_index("ix_products_created_at_id", "products", ["created_at", "id"])


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _drop_product_indexes(*names: str) -> None:
    for name in names:
        op.drop_index(f"ix_products_{name}", "products")


def _rebuild_products(*, numbered: bool) -> None:
    """On SQLite a primary key is changed by building the table anew."""
    columns: list[sa.Column[Any]] = [
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
    ]
    words = [sa.Column("words", sa.Text(), nullable=False)] if numbered else []
    _rebuild(
        "products",
        columns,
        [
            *words,
            sa.UniqueConstraint("sku", name="uq_products_sku"),
            sa.CheckConstraint("split IN ('train', 'val', 'test')", name=op.f("ck_products_split")),
            sa.CheckConstraint("price IS NULL OR price >= 0", name=op.f("ck_products_price")),
            sa.CheckConstraint(
                "(price IS NULL) = (currency IS NULL)", name=op.f("ck_products_currency")
            ),
        ],
        numbered=numbered,
        empty=[column.name for column in words],
    )


def _rebuild_images(*, numbered: bool) -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("product_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
    ]
    constraints = [
        sa.UniqueConstraint("product_id", "sha256", name="uq_images_product_id_sha256"),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
            name="fk_images_product_id_products",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_images_sha256_blobs"),
    ]
    op.drop_index("ix_images_sha256", "images")
    _rebuild("images", columns, constraints, numbered=numbered)
    op.create_index("ix_images_sha256", "images", ["sha256"])


def _rebuild(
    table: str,
    columns: list[sa.Column[Any]],
    rest: list[Any],
    *,
    numbered: bool,
    empty: Sequence[str] = (),
) -> None:
    """`empty`: text columns that are filled afterwards."""
    number = [sa.Column("number", sa.Integer(), nullable=False)] if numbered else []
    keys = [sa.PrimaryKeyConstraint("number" if numbered else "id", name=f"pk_{table}")]
    unique = [sa.UniqueConstraint("id", name=f"uq_{table}_id")] if numbered else []
    op.create_table(f"{table}_new", *number, *columns, *rest, *keys, *unique)
    kept = [column.name for column in columns]
    into, values = ", ".join([*kept, *empty]), ", ".join([*kept, *["''"] * len(empty)])
    op.execute(
        f"INSERT INTO {table}_new ({into}) "  # noqa: S608 - the names are ours
        f"SELECT {values} FROM {table} ORDER BY created_at, id"
    )
    op.drop_table(table)
    op.rename_table(f"{table}_new", table)


def _number_on_server(parent: str, child: str, column: str) -> None:
    """The new primary key of `parent`; `child` refers to the old one, which stays unique."""
    op.drop_constraint(f"fk_{child}_{column}_{parent}", child, type_="foreignkey")
    op.drop_constraint(f"pk_{parent}", parent, type_="primary")
    op.execute(f"ALTER TABLE {parent} ADD COLUMN number SERIAL")
    op.execute(
        f"UPDATE {parent} SET number = aged.place FROM (SELECT id, row_number() OVER "  # noqa: S608
        f"(ORDER BY created_at, id) AS place FROM {parent}) AS aged WHERE aged.id = {parent}.id"
    )
    op.create_primary_key(f"pk_{parent}", parent, ["number"])
    op.create_unique_constraint(f"uq_{parent}_id", parent, ["id"])
    _refer_again(parent, child, column)


def _unnumber_on_server(parent: str, child: str, column: str) -> None:
    op.drop_constraint(f"fk_{child}_{column}_{parent}", child, type_="foreignkey")
    op.drop_constraint(f"uq_{parent}_id", parent, type_="unique")
    op.drop_constraint(f"pk_{parent}", parent, type_="primary")
    op.drop_column(parent, "number")
    op.create_primary_key(f"pk_{parent}", parent, ["id"])
    _refer_again(parent, child, column)


def _refer_again(parent: str, child: str, column: str) -> None:
    name = f"fk_{child}_{column}_{parent}"
    op.create_foreign_key(name, child, parent, [column], ["id"], ondelete="CASCADE")


def _create_values() -> None:
    op.create_table(
        "attribute_values",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("text", sa.Text()),
        sa.Column("number", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_attribute_values"),
        sa.UniqueConstraint("digest", "slug", name="uq_attribute_values_digest_slug"),
        sa.ForeignKeyConstraint(
            ["slug"], ["attributes.slug"], name="fk_attribute_values_slug_attributes"
        ),
    )
    op.create_index("ix_attribute_values_slug_number", "attribute_values", ["slug", "number"])
    op.create_table(
        "product_values",
        sa.Column("product_number", sa.Integer(), nullable=False),
        sa.Column("value_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("product_number", "value_id", name="pk_product_values"),
        sa.ForeignKeyConstraint(
            ["product_number"],
            ["products.number"],
            name="fk_product_values_product_number_products",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["value_id"],
            ["attribute_values.id"],
            name="fk_product_values_value_id_attribute_values",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_product_values_value_id_product_number",
        "product_values",
        ["value_id", "product_number"],
    )


def _mark_stale() -> None:
    op.execute(
        "UPDATE embeddings SET image_revision = 0 WHERE image_revision < "
        "(SELECT revision FROM images WHERE images.id = embeddings.image_id)"
    )
    for name, which in (("stale", "image_revision = 0"), ("refused", "error IS NOT NULL")):
        op.create_index(
            f"ix_embeddings_{name}",
            "embeddings",
            ["gallery_id"],
            sqlite_where=sa.text(which),
            postgresql_where=sa.text(which),
        )


class _Old(NamedTuple):
    number: int
    title: str
    sku: str
    attributes: dict[str, Any]


def _fill() -> None:
    """Words and values of every product, a page at a time."""
    connection = op.get_bind()
    filterable = set(connection.scalars(sa.text("SELECT slug FROM attributes WHERE filterable")))
    ids: dict[tuple[str, str], int] = {}
    for page in _pages(connection):
        words = [{"number": old.number, "words": f"{old.title}\n{old.sku}".lower()} for old in page]
        connection.execute(
            sa.text("UPDATE products SET words = :words WHERE number = :number"), words
        )
        links, new = _values(page, filterable, ids)
        if new:
            connection.execute(_INSERT_VALUE, new)
        if links:
            connection.execute(_INSERT_LINK, links)
    if ids and not _on_sqlite():
        connection.execute(
            sa.text("SELECT setval(pg_get_serial_sequence('attribute_values', 'id'), :last)"),
            {"last": len(ids)},
        )


_INSERT_VALUE = sa.text(
    "INSERT INTO attribute_values (id, slug, digest, text, number) "
    "VALUES (:id, :slug, :digest, :text, :number)"
)
_INSERT_LINK = sa.text(
    "INSERT INTO product_values (product_number, value_id) VALUES (:product_number, :value_id)"
)


def _pages(connection: sa.Connection) -> Iterator[list[_Old]]:
    query = sa.text(
        "SELECT number, title, sku, attributes FROM products WHERE number > :last "
        "ORDER BY number LIMIT :page"
    ).columns(sa.column("number"), sa.column("title"), sa.column("sku"), attributes=Json)
    last = 0
    while rows := connection.execute(query, {"last": last, "page": PAGE}).all():
        yield [_Old(*row) for row in rows]
        last = rows[-1].number


def _values(
    page: list[_Old], filterable: set[str], ids: dict[tuple[str, str], int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Which product has which value, and the values seen for the first time, now in `ids`."""
    links, new = [], []
    for old in page:
        for slug, value in old.attributes.items():
            if slug not in filterable:
                continue
            row = _value_row(slug, value)
            key = (slug, row["digest"])
            if key not in ids:
                ids[key] = len(ids) + 1
                new.append({**row, "id": ids[key]})
            links.append({"product_number": old.number, "value_id": ids[key]})
    return links, new


def _value_row(slug: str, value: Any) -> dict[str, Any]:
    text = value if isinstance(value, str) else None
    number = None if text is not None else float(value) + 0.0  # of zeros there is one
    form = text if text is not None else repr(number)
    digest = hashlib.blake2b(form.encode(), digest_size=16).hexdigest()
    return {"slug": slug, "digest": digest, "text": text, "number": number}
