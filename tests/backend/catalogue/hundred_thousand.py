"""A large catalogue straight into SQL: what the data layer is tested and measured with.

No pictures: the blobs have rows only. Products, images and values are written in the order and the
form in which the catalogue's own code writes them; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import insert, text

from backend.catalogue.schemas import AttributeKind, AttributeValue
from backend.catalogue.tables import (
    Attribute,
    Blob,
    Image,
    Product,
    ProductValue,
    ValueRow,
    words_of,
)
from backend.catalogue.values import as_number, digest_of
from backend.database import Base, Database
from backend.registry.tables import Deployment, Embedding, GalleryRow, ModelVersion
from tests.backend.catalogue.stock import NOWHERE

GALLERY = "gallery-a"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CATEGORIES = ("tee", "dress", "shirt", "coat", "skirt", "shoe", "hat", "bag", "belt", "sock")
KINDS: dict[str, AttributeKind] = {
    "colour": "keyword",
    "pattern": "keyword",
    "sleeve": "keyword",
    "brand": "keyword",
    "material": "keyword",
    "size": "integer",
    "weight": "float",
    "washable": "bool",
}
_COLOURS = ("black", "white", "blue", "red", "grey", "green", "beige", "brown", "pink", "teal")
_BRANDS = tuple(f"Brand {number}" for number in range(300))
_PAGE = 5000

Rows = dict[type[Base], list[dict[str, Any]]]


def seed(database: Database, products: int = 100_000, *, gallery_id: str | None = None) -> None:
    """Fill a migrated database without products: one image each, all in one gallery.

    The same number gives the same catalogue. About a tenth lacks each attribute, half the sleeve.
    gallery_id: of a gallery that is there; else `GALLERY` is made, and active.
    """
    rng = Random(7)
    ids: dict[tuple[str, str], int] = {}
    write_rows(database, {Attribute: _attributes(), **({} if gallery_id else _gallery())})
    for first in range(0, products, _PAGE):
        drawn = [_drawn(rng, place) for place in range(first, min(first + _PAGE, products))]
        write_rows(database, _rows(rng, drawn, gallery_id or GALLERY, ids))
    count_on(database, *NUMBERED)


def _attributes() -> list[dict[str, Any]]:
    return [
        {
            "slug": slug,
            "label": slug.capitalize(),
            "kind": kind,
            "filterable": True,
            "created_at": NOON + timedelta(microseconds=place),
        }
        for place, (slug, kind) in enumerate(KINDS.items())
    ]


def _gallery() -> Rows:
    version = {"id": GALLERY, "name": GALLERY, "composer": "sum", "dim": 4}
    version |= {"backbone": asdict(NOWHERE)}
    made = {"recipe": "none", "figures": {}, "actor": "a", "state": "ready"}
    shared = {"fingerprint": GALLERY, "created_at": NOON}
    deployed = {"version_id": GALLERY, "gallery_id": GALLERY, "actor": "a", "reason": "r"}
    return {
        ModelVersion: [{**version, **shared, **made}],
        GalleryRow: [{"id": GALLERY, "dim": 4, **shared}],
        Deployment: [{**deployed, "version": GALLERY, "gate": "{}", "created_at": NOON}],
    }


def _drawn(rng: Random, place: int) -> dict[str, Any]:
    attributes = {slug: value for slug, value in _values(rng) if rng.random() < 0.9}
    title = f"{attributes.get('colour', 'plain')} {_often(rng, CATEGORIES)} number {place}"
    sku = f"SKU-{place:06d}"
    moment = NOON + timedelta(seconds=place // 64)
    return {
        "number": place + 1,
        "id": str(UUID(int=rng.getrandbits(128))),
        "sku": sku,
        "title": title,
        "category": title.split()[1],
        "split": rng.choices(("train", "val", "test"), (80, 10, 10))[0],
        "price": Decimal(rng.randrange(500, 20_000)) / 100,
        "currency": "EUR",
        "attributes": attributes,
        "words": words_of(title, sku),
        "created_at": moment,
        "updated_at": moment,
    }


def _values(rng: Random) -> Iterator[tuple[str, AttributeValue]]:
    yield "colour", _often(rng, _COLOURS)
    yield "pattern", rng.choice(("plain", "striped", "dotted", "floral", "checked", "logo"))
    if rng.random() < 0.5:
        yield "sleeve", rng.choice(("long", "short", "none"))
    yield "brand", _often(rng, _BRANDS)
    yield "material", rng.choice(("cotton", "wool", "silk", "linen", "denim", "leather"))
    yield "size", rng.randrange(30, 60)
    yield "weight", round(rng.uniform(0, 5), 3)
    yield "washable", rng.random() < 0.7


def _often(rng: Random, choices: Sequence[str]) -> str:
    """One of the choices, the first ones much more often."""
    return choices[min(int(rng.expovariate(4) * len(choices)), len(choices) - 1)]


def _rows(
    rng: Random,
    drawn: Sequence[dict[str, Any]],
    gallery_id: str,
    ids: dict[tuple[str, str], int],
) -> Rows:
    tables = (Product, Blob, Image, Embedding, ValueRow, ProductValue)
    rows: Rows = {table: [] for table in tables}
    rows[Product] = list(drawn)
    for product in drawn:
        _add_image(rows, rng, product, gallery_id)
        for slug, value in product["attributes"].items():
            _add_value(rows, ids, product["number"], slug, value)
    return rows


def _add_image(rows: Rows, rng: Random, product: dict[str, Any], gallery_id: str) -> None:
    image_id, moment = str(UUID(int=rng.getrandbits(128))), product["created_at"]
    sha256 = f"{rng.getrandbits(256):064x}"
    facts = {"size": 60_000, "format": "JPEG", "width": 800, "height": 1000}
    rows[Blob].append({"sha256": sha256, **facts, "created_at": moment})
    rows[Image].append(
        {
            "number": product["number"],
            "id": image_id,
            "product_id": product["id"],
            "sha256": sha256,
            "position": 0,
            "revision": 1,
            "created_at": moment,
        }
    )
    held = {"image_id": image_id, "gallery_id": gallery_id, "image_revision": 1, "error": None}
    rows[Embedding].append({**held, "created_at": moment})


def _add_value(
    rows: Rows,
    ids: dict[tuple[str, str], int],
    product: int,
    slug: str,
    value: AttributeValue,
) -> None:
    key = (slug, digest_of(value))
    if key not in ids:
        ids[key] = len(ids) + 1
        is_text = isinstance(value, str)
        stored = {"text": value if is_text else None}
        stored["number"] = None if isinstance(value, str) else as_number(value)
        rows[ValueRow].append({"id": ids[key], "slug": slug, "digest": key[1], **stored})
    rows[ProductValue].append({"product_number": product, "value_id": ids[key]})


def write_rows(database: Database, rows: Rows) -> None:
    """Insert rows with columns of one order in each table; on PostgreSQL by COPY."""
    with database.write() as session:
        connection = session.connection()
        for table, given in rows.items():
            if given and database.is_sqlite:
                connection.execute(insert(table), given)
            elif given:
                cursor = connection.connection.cursor()
                columns = ", ".join(given[0])
                with cursor.copy(f"COPY {table.__tablename__} ({columns}) FROM STDIN") as copy:
                    for row in given:
                        copy.write_row([_adapted(value) for value in row.values()])


def _adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, (dict, list)) else value


def count_on(database: Database, *numbered: tuple[str, str]) -> None:
    """What is added by Akin's own code to these tables is numbered, by the column, after these."""
    if database.is_sqlite:
        return
    with database.write() as session:
        for table, column in numbered:
            last = f"SELECT max({column}) FROM {table}"  # noqa: S608 - names of ours
            sequence = f"pg_get_serial_sequence('{table}', '{column}')"
            session.execute(text(f"SELECT setval({sequence}, ({last}))"))
    settle(database)


def settle(database: Database) -> None:
    """What PostgreSQL does by itself a while after much was written: count, and tidy up."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
            server.execute(text("VACUUM ANALYZE"))


NUMBERED = (("products", "number"), ("images", "number"), ("attribute_values", "id"))
