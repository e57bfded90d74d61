"""Revision 0002 on a catalogue that the first version wrote: nothing is lost, all can be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from backend.catalogue.facets import facets
from backend.catalogue.listing import list_products, read_filter
from backend.database import Database
from backend.migrating import configuration, migration, upgrade
from tests.backend.catalogue.stock import product
from workers.embedding_rows import count_missing, stale_images

LONG = "x" * 5000
PRODUCTS: list[tuple[str, str, dict[str, Any]]] = [
    # id, when, attributes; the oldest has the greatest id
    ("c", "2026-01-01 00:00:00", {"colour": "red", "size": 38, "weight": 0.5, "care": "x"}),
    ("b", "2026-01-02 00:00:00", {"colour": "red", "size": 40, "weight": -0.0, "washable": True}),
    ("a", "2026-01-02 00:00:00", {"colour": LONG, "size": 38, "washable": False}),
]
KINDS = {"colour": "keyword", "size": "integer", "weight": "float", "washable": "bool"}


@pytest.fixture
def first_version(unmigrated: Database) -> Database:
    """A database at revision 0001, with the products, an image each, and what a gallery holds."""
    with migration(unmigrated) as connection:
        command.upgrade(configuration(connection), "0001")
    with unmigrated.write() as session:
        for statement, rows in _rows():
            session.execute(text(statement), rows)
    return unmigrated


def _rows() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    noon = "2026-01-01 12:00:00"
    yield (
        "INSERT INTO attributes VALUES (:slug, :slug, :kind, :filterable, :noon)",
        [
            {"slug": slug, "kind": kind, "filterable": slug != "care", "noon": noon}
            for slug, kind in {**KINDS, "care": "keyword"}.items()
        ],
    )
    yield (
        "INSERT INTO products VALUES (:id, :sku, :title, 'tee', 'train', 9.5, 'EUR', :attributes, "
        ":moment, :moment)",
        [
            {
                "id": id_,
                "sku": f"SKU-{id_}",
                "title": f"ÄRMEL {id_}",
                "attributes": json.dumps(values),
                "moment": moment,
            }
            for id_, moment, values in PRODUCTS
        ],
    )
    blobs = [{"sha": id_ * 64, "noon": noon} for id_, _, _ in PRODUCTS]
    yield "INSERT INTO blobs VALUES (:sha, 9, 'PNG', 3, 3, :noon)", blobs
    images = [{"id": f"i{id_}", "of": id_, "sha": id_ * 64, "noon": noon} for id_, _, _ in PRODUCTS]
    yield "INSERT INTO images VALUES (:id, :of, :sha, 0, 2, :noon)", images
    yield "INSERT INTO galleries VALUES ('g', 'f', 4, :noon)", [{"noon": noon}]
    held = [{"image": f"i{id_}", "revision": n, "noon": noon} for id_, n in (("a", 1), ("b", 2))]
    yield "INSERT INTO embeddings VALUES (:image, 'g', :revision, NULL, :noon)", held


def test_products_are_listed_filtered_and_counted_as_before(first_version: Database) -> None:
    upgrade(first_version)
    with first_version.read() as session:

        def listed(*expressions: str, words: str = "") -> list[str]:
            found = list_products(session, filter=read_filter(session, expressions), text=words)
            return [one.sku for one in found.items]

        assert listed() == ["SKU-b", "SKU-a", "SKU-c"], "newest first, then by id"
        assert listed("colour=red") == ["SKU-b", "SKU-c"]
        assert listed(f"colour={LONG}") == ["SKU-a"]
        assert listed("size=38", "colour!=red") == ["SKU-a"]
        assert listed("weight=0..1") == ["SKU-b", "SKU-c"]
        assert listed("weight=0") == ["SKU-b"]
        assert listed("washable=no") == ["SKU-a"]
        assert listed(words="ärmel sku-c") == ["SKU-c"]
        found = {one.key: one for one in facets(session)}
    assert found.keys() == {"category", "split", "price", *KINDS}
    assert [(one.value, one.count) for one in found["colour"].values] == [("red", 2), (LONG, 1)]
    assert (found["weight"].minimum, found["weight"].maximum) == (0.0, 0.5)


def test_edited_images_are_marked_and_missing_ones_found(first_version: Database) -> None:
    upgrade(first_version)
    with first_version.read() as session:
        assert [one.image_id for one in stale_images(session, "g", 10)] == ["ia"]
        assert count_missing(session, "g") == 1


def test_what_is_added_afterwards_is_numbered_after_it(first_version: Database) -> None:
    upgrade(first_version)
    with first_version.write() as session:
        new = product(session, "NEW", 1, attributes={"colour": "red", "size": 99})
        assert new.number == 4
        assert list_products(session).items[0].sku == "NEW"
        assert list_products(session, filter=read_filter(session, ["size=99"])).total == 1


def test_the_way_back_keeps_every_field(first_version: Database) -> None:
    def fields() -> list[tuple[Any, ...]]:
        with first_version.read() as session:
            columns = "id, sku, title, category, split, price, currency, attributes, created_at"
            rows = session.execute(text(f"SELECT {columns} FROM products ORDER BY id"))  # noqa: S608
            return [tuple(row) for row in rows]

    before = fields()
    upgrade(first_version)
    assert fields() == before
    with migration(first_version) as connection:
        command.downgrade(configuration(connection), "0001")
    assert fields() == before
