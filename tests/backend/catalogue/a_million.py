"""A million products in PostgreSQL within minutes: some are drawn, the server copies them.

A copy differs from its original in number, ids, SKU, the number in its title, picture and time;
values are as frequent as among those that were drawn.
"""

from __future__ import annotations

from sqlalchemy import text

from backend.catalogue.tables import Blob, Image, Product, ProductValue
from backend.database import Base, Database
from backend.registry.tables import Embedding
from tests.backend.catalogue.hundred_thousand import NUMBERED, count_on, seed

DRAWN = 10_000
_SKU = "'SKU-' || lpad((o.number - 1 + k * :drawn)::text, 6, '0')"
_TITLE = "regexp_replace(o.title, '[0-9]+$', (o.number - 1 + k * :drawn)::text)"
_LATER = "o.created_at + make_interval(secs => k * :drawn / 64)"
_SHA = "encode(sha256((o.sha256 || k)::bytea), 'hex')"
# What a copy has of its own, by table and column; everything else it takes over.
_OWN: dict[type[Base], dict[str, str]] = {
    Product: {
        "number": "o.number + k * :drawn",
        "id": "md5(o.id || k)::uuid::text",
        "sku": _SKU,
        "title": _TITLE,
        "words": f"lower({_TITLE} || E'\\n' || {_SKU})",
        "created_at": _LATER,
        "updated_at": _LATER,
    },
    Blob: {"sha256": _SHA, "created_at": _LATER},
    Image: {
        "number": "o.number + k * :drawn",
        "id": "md5(o.id || k)::uuid::text",
        "product_id": "md5(o.product_id || k)::uuid::text",
        "sha256": _SHA,
        "created_at": _LATER,
    },
    Embedding: {"image_id": "md5(o.image_id || k)::uuid::text", "created_at": _LATER},
    ProductValue: {"product_number": "o.product_number + k * :drawn"},
}


def seed_many(database: Database, products: int) -> None:
    """Fill a migrated PostgreSQL database without products; a multiple of `DRAWN` is made."""
    seed(database, DRAWN)
    with database.engine.begin() as connection:
        # Foreign keys hold by construction; to look each of ten million up takes most of the time.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for table, own in _OWN.items():
            names = [column.name for column in table.__table__.columns]
            taken = ", ".join(own.get(name, f"o.{name}") for name in names)
            connection.execute(
                text(
                    f"INSERT INTO {table.__tablename__} ({', '.join(names)}) SELECT {taken} "  # noqa: S608
                    f"FROM {table.__tablename__} o, generate_series(1, :copies) k"
                ),
                {"drawn": DRAWN, "copies": products // DRAWN - 1},
            )
    count_on(database, *NUMBERED)
