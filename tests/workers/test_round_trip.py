"""What is exported can be imported again, and gives the same catalogue; what was refused can be
mended and sent again."""

from __future__ import annotations

import copy
import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from backend.audit.tables import AuditLine
from backend.blobs import BlobStore
from backend.catalogue import exporting
from backend.catalogue.exporting import export_lines, export_size, export_zip
from backend.catalogue.imported import imported_products
from backend.catalogue.listing import read_filter
from backend.catalogue.schemas import ProductCreate
from backend.catalogue.service import create_product, delete_image, find
from backend.catalogue.tables import Attribute
from backend.database import Base, Database
from backend.jobs.report_table import report_table
from backend.runtime import Runtime
from tests.workers.workshop import import_files, photo, products, reasons

RED, BLUE, GREEN = photo("red"), photo("blue", "PNG"), photo("green", "WEBP")

# "10" is a word where the first value was one, "true" too; 32 more take all places for filters.
MANIFEST = [
    {"sku": "S/1 ü", "title": "Kleid  „rot“\nzwei Zeilen", "price": "19.90", "currency": "EUR"}
    | {
        "images": ["b.png", "a.jpg"],
        "size": "S",
        "flag": "no idea",
        "weight": 1.5,
        "washable": True,
    },
    {"sku": "ärmel 袖", "category": "t-shirt", "split": "val", "images": ["a.jpg"], "size": "10"}
    | {"flag": "true", "weight": 2, "stock": 7, "Sleeve Length": "long"},
    {"sku": "none", "images": [], **{f"extra{n:02}": n for n in range(40)}, "extra39": "x"},
    {"sku": "three", "split": "test", "images": ["a.jpg", "c.webp", "b.png"], "preis": "hoch"},
]


@pytest.fixture
def here(runtime: Runtime, database: Database) -> Runtime:
    """An installation over either database."""
    other = copy.copy(runtime)
    other.database = database
    return other


def lines_of(runtime: Runtime) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export_lines(runtime.database)]


def attributes_of(runtime: Runtime) -> list[tuple[str, str, str, bool]]:
    with runtime.database.read() as session:
        rows = session.scalars(select(Attribute).order_by(Attribute.created_at, Attribute.slug))
        found = [(row.slug, row.label, row.kind, row.filterable) for row in rows]
        return sorted(found, key=lambda row: not row[3])


def filled(runtime: Runtime) -> None:
    manifest = "\n".join(map(json.dumps, MANIFEST)).encode()
    files = {"p.jsonl": manifest, "a.jpg": RED, "b.png": BLUE, "c.webp": GREEN}
    job = import_files(runtime, files)
    assert (job.state, job.failed) == ("done", 0), reasons(runtime, job)
    with runtime.database.write() as session:
        product = find(session, "three")
        assert product is not None
        first = products(runtime)["three"].images[0].id
        delete_image(session, runtime.queue, product.id, first)


def emptied(runtime: Runtime, folder: Path) -> Runtime:
    """The same services with nothing in them but the audit log, of which nothing is deleted."""
    with runtime.database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name != AuditLine.__tablename__:
                session.execute(delete(table))
    other = copy.copy(runtime)
    other.blobs = BlobStore(folder.as_uri())
    return other


def exported(runtime: Runtime) -> bytes:
    return b"".join(export_zip(runtime.database, runtime.blobs))


def test_an_export_imported_into_nothing_is_the_same(here: Runtime, tmp_path: Path) -> None:
    filled(here)
    before, kinds, archive = lines_of(here), attributes_of(here), exported(here)
    there = emptied(here, tmp_path / "there")
    job = import_files(there, {"catalogue.zip": archive})
    assert (job.state, job.failed, job.result["created"]) == ("done", 0, 4), reasons(there, job)
    assert lines_of(there) == before
    assert attributes_of(there) == kinds
    assert sum(filterable for *_, filterable in kinds) == 32
    again = zipfile.ZipFile(io.BytesIO(exported(there)))
    first = zipfile.ZipFile(io.BytesIO(archive))
    assert {n: again.read(n) for n in again.namelist()} == {
        n: first.read(n) for n in first.namelist()
    }


def test_an_export_declares_kinds_and_keeps_the_order_of_images(here: Runtime) -> None:
    filled(here)
    declared, *rows = lines_of(here)
    kinds = {one["slug"]: (one["label"], one["kind"]) for one in declared["akin_attributes"]}
    assert kinds["size"] == ("Size", "keyword")
    assert kinds["sleeve_length"] == ("Sleeve Length", "keyword")
    assert (kinds["stock"][1], kinds["weight"][1], kinds["washable"][1]) == (
        "integer",
        "float",
        "bool",
    )
    by_sku = {row["sku"]: row for row in rows}
    assert by_sku["ärmel 袖"]["size"] == "10"
    assert [name[-4:] for name in by_sku["S/1 ü"]["images"]] == [".png", ".jpg"]
    assert [name[-4:] for name in by_sku["three"]["images"]] == ["webp", ".png"]
    assert by_sku["S/1 ü"]["title"] == "Kleid  „rot“\nzwei Zeilen"


def test_into_a_catalogue_that_holds_it_an_export_changes_nothing(here: Runtime) -> None:
    filled(here)
    before = lines_of(here)
    job = import_files(here, {"catalogue.zip": exported(here)})
    assert (job.failed, job.result["unchanged"]) == (0, 4)
    assert lines_of(here) == before


def test_images_are_in_the_zip_once_and_the_manifest_last(here: Runtime) -> None:
    filled(here)
    archive = zipfile.ZipFile(io.BytesIO(exported(here)))
    assert archive.testzip() is None
    assert archive.namelist()[-1] == "products.jsonl"
    assert sorted(archive.read(n) for n in archive.namelist()[:-1]) == sorted([RED, BLUE, GREEN])
    assert archive.getinfo(archive.namelist()[0]).compress_type == zipfile.ZIP_STORED


def test_part_of_a_catalogue_can_be_exported_and_its_size_told(here: Runtime) -> None:
    filled(here)
    with here.database.read() as session:
        wanted = read_filter(session, ["split=train,val"])
        size, everything = export_size(session, wanted), export_size(session)
    assert (size.products, size.images, size.bytes) == (3, 2, len(RED) + len(BLUE))
    assert (everything.products, everything.images) == (4, 3)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(export_zip(here.database, here.blobs, wanted))))
    assert len(archive.namelist()) == 3
    assert b'"three"' not in archive.read("products.jsonl")


def test_an_image_deleted_meanwhile_is_neither_there_nor_named(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_CHUNK", 1)
    filled(runtime)
    chunks = export_zip(runtime.database, runtime.blobs)
    begun = next(chunks)
    for image in products(runtime)["three"].images[:1]:
        runtime.blobs.delete(image.sha256)
    archive = zipfile.ZipFile(io.BytesIO(begun + b"".join(chunks)))
    rows = [json.loads(line) for line in archive.read("products.jsonl").splitlines()[1:]]
    assert [len(row["images"]) for row in rows if row["sku"] == "three"] == [1]
    named = {name for row in rows for name in row["images"]}
    assert named == set(archive.namelist()[:-1])


def test_an_empty_catalogue_is_a_zip_that_brings_nothing(runtime: Runtime) -> None:
    archive = zipfile.ZipFile(io.BytesIO(exported(runtime)))
    assert [archive.read(name) for name in archive.namelist()] == [b""]


def test_names_that_a_list_may_have_for_a_field_stay_attributes(
    here: Runtime, tmp_path: Path
) -> None:
    with here.database.write() as session:
        attributes = {
            "foto": "x.jpg",
            "preis": "hoch",
            "handle": "h",
            "name": "n",
            "image_2": "y.jpg",
        }
        create_product(session, ProductCreate(sku="A", title="T", attributes=attributes))
    before, archive = lines_of(here), exported(here)
    there = emptied(here, tmp_path / "there")
    assert import_files(there, {"catalogue.zip": archive}).failed == 0
    assert lines_of(there) == before


# What was refused


REFUSED = (
    "Artikelnummer;Titel;Foto;Preis;Farbe\n"
    "-A1;Kleid;a.jpg;19,90 EUR;rot\n"
    "A2;=Hut;b.png;billig;'+blau\n"
    "A3;Schal;gone.jpg;5 EUR;grün\n"
    "A4;Mütze;note.jpg;7 EUR;\n"
    ";Rock;b.png;;\n"
)


def refusals(runtime: Runtime, job_id: str) -> str:
    return "".join(report_table(runtime.database, job_id, "failed"))


def test_refusals_are_mended_and_imported_again(here: Runtime) -> None:
    files = {
        "p.csv": REFUSED.encode(),
        "a.jpg": RED,
        "b.png": BLUE,
        "note.jpg": b"no",
        "x.jpg": b"",
    }
    job = import_files(here, files)
    assert (job.result["created"], job.failed) == (1, 5)
    rows = list(csv.DictReader(io.StringIO(refusals(here, job.id)[1:])))
    by_line = {row["akin_line"]: row for row in rows}
    assert by_line["p.csv, row 3 (A2)"]["price"] == "billig"
    assert by_line["p.csv, row 3 (A2)"]["title"] == "'=Hut"
    assert by_line["p.csv, row 5 (A4)"]["image"] == "note.jpg"
    assert (by_line["x.jpg"]["sku"], by_line["x.jpg"]["image"]) == ("", "")
    mended = (
        refusals(here, job.id)
        .replace("billig", "5 EUR")
        .replace("gone.jpg", "c.webp")
        .replace("note.jpg", "a.jpg")
    )
    mended = mended.replace(",,b.png,Rock", ",A5,b.png,Rock")
    again = {"refusals.csv": mended.encode(), "a.jpg": RED, "b.png": BLUE, "c.webp": GREEN}
    job = import_files(here, again)
    assert (job.result["created"], job.failed) == (4, 0), reasons(here, job)
    catalogue = products(here)
    assert set(catalogue) == {"-A1", "A2", "A3", "A4", "A5"}
    assert (catalogue["A2"].title, catalogue["A2"].attributes) == ("=Hut", {"farbe": "+blau"})
    assert str(catalogue["A3"].price) == "5.00"


def test_the_products_an_import_brought_are_listed(here: Runtime) -> None:
    import_files(here, {"old.jpg": GREEN})
    manifest = b"sku,image\nold,a.jpg\nnew,b.png\nnew,a.jpg\n"
    job = import_files(here, {"p.csv": manifest, "a.jpg": RED, "b.png": BLUE, "c.jpg": GREEN})
    with here.database.read() as session:
        first = imported_products(session, job.id, limit=1)
        rest = imported_products(session, job.id, limit=1, cursor=first.next_cursor)
    assert [product.sku for product in first.items + rest.items] == ["old", "new"]
    assert (first.total, rest.total) == (3, 3)
