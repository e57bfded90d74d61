from __future__ import annotations

import json
from typing import Any

import pytest

from backend.catalogue import exporting, service
from backend.catalogue.exporting import export_lines, image_name
from backend.catalogue.manifests import parse_manifest
from backend.catalogue.tables import Blob
from backend.database import Database
from backend.runtime import Runtime
from tests.backend.catalogue.stock import product, sha
from tests.workers.workshop import import_files


def exported(database: Database) -> list[dict[str, Any]]:
    return [json.loads(line) for line in "".join(export_lines(database)).splitlines()]


def test_an_empty_catalogue_is_an_empty_file(database: Database) -> None:
    assert exported(database) == []


def test_a_product_is_one_line_with_its_attributes_and_image_names(database: Database) -> None:
    with database.write() as session:
        product(
            session,
            "TEE",
            2,
            1,
            title="Tee in two\nlines\u2028“été”",
            price="19.90",
            currency="EUR",
            attributes={"colour": "red", "size": 38, "washable": True},
        )
        product(session, "CAP", 3)
        session.get_one(Blob, sha(3)).format = "WEBP"
    declared, *products = exported(database)
    assert declared == {
        "akin_attributes": [
            {"slug": "colour", "label": "Colour", "kind": "keyword"},
            {"slug": "size", "label": "Size", "kind": "integer"},
            {"slug": "washable", "label": "Washable", "kind": "bool"},
        ]
    }
    assert products == [
        {
            "sku": "CAP",
            "title": "Title of CAP",
            "category": "uncategorised",
            "split": "train",
            "images": [f"images/{sha(3)}.webp"],
        },
        {
            "sku": "TEE",
            "title": "Tee in two\nlines\u2028“été”",
            "category": "uncategorised",
            "split": "train",
            "price": "19.90",
            "currency": "EUR",
            "colour": "red",
            "size": 38,
            "washable": True,
            "images": [f"images/{sha(2)}.jpg", f"images/{sha(1)}.jpg"],
        },
    ]


def test_every_product_is_exported_once_over_many_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    with database.write() as session:
        for number in range(9):
            product(session, f"P{number}")
    assert [line["sku"] for line in exported(database)] == [f"P{number}" for number in range(9)]


@pytest.mark.parametrize(
    ("form", "suffix"), [("JPEG", "jpg"), ("MPO", "jpg"), ("PNG", "png"), ("TIFF", "tiff")]
)
def test_an_exported_image_is_named_by_its_hash_and_format(form: str, suffix: str) -> None:
    assert image_name(sha(7), form) == f"images/{sha(7)}.{suffix}"


def test_an_export_can_be_imported_as_a_manifest(sqlite_database: Database) -> None:
    with sqlite_database.write() as session:
        product(session, "TEE", 1, 2, price="5.00", currency="EUR", attributes={"colour": "red"})
    manifest = parse_manifest("".join(export_lines(sqlite_database)).encode(), "catalogue.jsonl")
    assert manifest.refused == []
    (row,) = manifest.rows
    assert (row.sku, row.images) == ("TEE", (f"images/{sha(1)}.jpg", f"images/{sha(2)}.jpg"))
    assert row.fields.title == "Title of TEE"
    assert str(row.fields.price) == "5.00"
    assert row.fields.attributes == {"colour": "red"}


def test_a_product_without_pictures_comes_back(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        product_id = product(session, "TEE", category="t-shirt", attributes={"colour": "red"}).id
    before = exported(runtime.database)
    data = "".join(export_lines(runtime.database)).encode()
    with runtime.database.write() as session:
        service.delete_products(session, runtime.queue, [product_id])
    job = import_files(runtime, {"catalogue.jsonl": data})
    assert (job.state, job.done, job.failed) == ("done", 1, 0)
    assert exported(runtime.database) == before
