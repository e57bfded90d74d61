"""A product that is everywhere is deleted, and looked for everywhere (docs/security.md)."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from backend.audit.tables import AuditLine
from backend.catalogue import imports
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.service import delete_products
from backend.catalogue.tables import Blob, Image
from backend.catalogue.writing import insert_if_new
from backend.database import Base
from backend.encoding.backbone import Backbone
from backend.feedback.service import Said, record
from backend.gallery.port import Gallery
from backend.jobs import service as jobs
from backend.jobs.tables import JobItem
from backend.registry.deployments import active
from backend.registry.loading import LoadedVersion
from backend.runtime import Runtime
from backend.search.schemas import SearchRequest
from backend.search.service import SearchService
from backend.training.tables import TrainingLogLine
from tests.workers.workshop import import_files, photo, products, run_embeds
from workers.trainer.features import FeatureCache
from workers.training_files import FEATURES

SKU, TITLE, SERIAL = "QX-UNMISTAKABLE-7", "Peignoir zibeline", "ZZ-SERIAL-0815"
FILE = "front-of-it.png"
MANIFEST = f"""sku,title,image,price,currency,serial,colour
{SKU},{TITLE},{FILE}|back.png,12.50,EUR,{SERIAL},red
CAP,Plain cap,cap.png,9.50,EUR,other,red
"""
AGAIN = f"sku,title,image,price\n{SKU},{TITLE},{FILE},cheap\n"


@dataclass
class Everywhere:
    """The installation, the product's pictures by name, and the picture a shopper left."""

    runtime: Runtime
    pictures: dict[str, bytes]
    upload: bytes

    @property
    def hashes(self) -> list[str]:
        data = [self.pictures[FILE], self.pictures["back.png"], self.upload]
        return [hashlib.sha256(one).hexdigest() for one in data]

    @property
    def needles(self) -> list[bytes]:
        """What must not be found: as text, hashes also as they lie in caches."""
        texts = [SKU, TITLE, SERIAL, FILE, *self.hashes]
        return [one.encode() for one in texts] + [bytes.fromhex(one) for one in self.hashes]

    def delete(self) -> None:
        product = products(self.runtime)[SKU]
        with self.runtime.database.write() as session:
            delete_products(session, self.runtime.queue, [product.id], "ann")
        run_embeds(self.runtime)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Every row of every table but the audit log, as text."""
        with self.runtime.database.read() as session:
            for table in Base.metadata.sorted_tables:
                if table.name != AuditLine.__tablename__:
                    for row in session.execute(select(table)):
                        yield table.name, repr(row)

    def tables_with(self, needle: bytes) -> set[str]:
        return {table for table, row in self.rows() if needle.decode() in row}

    def files_with(self, needle: bytes) -> set[str]:
        """Of the data folder but for the gallery's engine, and SQL's file but for the audit log."""
        home = self.runtime.settings.home
        found = set()
        for path in home.rglob("*"):
            place = path.relative_to(home)
            if not path.is_file() or place.parts[0] == "galleries":
                continue
            data = path.read_bytes()
            if path.name == "akin.sqlite3":
                data = without_audit_log(path, data)
            if needle in data or needle in path.name.encode():
                found.add(str(place))
        return found


def without_audit_log(path: Path, data: bytes) -> bytes:
    """The pages of an SQLite file that are not the audit log's, free ones among them."""
    theirs = "SELECT pageno, pgsize FROM dbstat WHERE name LIKE '%audit_log%'"
    with closing(sqlite3.connect(path)) as database:
        try:
            pages = database.execute(theirs).fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite was built without dbstat, so pages cannot be told apart")
    left = bytearray(data)
    for number, size in pages:
        left[(number - 1) * size : number * size] = bytes(size)
    return bytes(left)


@pytest.fixture
def everywhere(runtime: Runtime, gallery: Gallery, backbone: Backbone) -> Everywhere:
    pictures = {
        FILE: photo("red", "PNG"),
        "back.png": photo("maroon", "PNG"),
        "cap.png": photo("blue", "PNG"),
    }
    found = Everywhere(runtime, pictures, photo("pink", "PNG"))
    import_files(runtime, {"shop.csv": MANIFEST.encode(), **pictures})
    import_files(runtime, {"again.csv": AGAIN.encode(), FILE: pictures[FILE]})
    import_files(runtime, {f"{SKU}.png": b"no picture at all"})
    run_embeds(runtime)
    _cancelled_import(found)
    _feedback(found)
    _logs(found)
    sha256 = found.hashes[0]
    for kind in ("thumbnail", "preview"):
        runtime.blobs.put_rendition(sha256, kind, b"smaller")
    cache = FeatureCache(runtime.settings.training_folder / FEATURES)
    feature = np.ones(backbone.dim, np.float32)
    cache.keep(backbone.fingerprint, backbone.dim, {bytes.fromhex(sha256): feature})
    return found


def _cancelled_import(found: Everywhere) -> None:
    """It was sent a picture of the product once more, and was given up then."""
    runtime, data = found.runtime, found.pictures[FILE]
    sha256 = hashlib.sha256(data).hexdigest()
    with runtime.database.write() as session:
        job_id = imports.open_import(session, runtime.queue, ImportCreate(), "ann").id
        claim = FileClaim(name=f"spring/{FILE}", sha256=sha256, size=len(data))
        imports.claim_files(session, job_id, [claim], max_bytes=10**9)
    runtime.blobs.stage(sha256, [data], 10**9)
    with runtime.database.write() as session:
        jobs.cancel(session, job_id)


def _feedback(found: Everywhere) -> None:
    """A shopper asked with a picture of his own, and said of the product: this is the one."""
    runtime = found.runtime
    sha256 = runtime.blobs.put(found.upload)
    facts = {"size": len(found.upload), "format": "PNG", "width": 48, "height": 64}
    image = products(runtime)[SKU].images[0]
    with runtime.database.write() as session:
        moment = session.scalars(select(Image.created_at)).first()
        insert_if_new(session, Blob, {"sha256": sha256, **facts, "created_at": moment}, ["sha256"])
        record(session, Said("in red", image.id, reference_sha256=sha256), "shopper")


def _logs(found: Everywhere) -> None:
    """A reconciliation and a training that named a picture by its hash."""
    runtime, sha256 = found.runtime, found.hashes[0]
    with runtime.database.write() as session:
        night = jobs.create(session, runtime.queue, kind="reconcile", actor="akin")
        training = jobs.create(session, runtime.queue, kind="train", actor="ann")
        night.state, training.state = "done", "failed"
        training.error = f"1 of 3 pictures cannot be used, first images/{sha256}.png: it is lost."
        session.add_all(
            [
                JobItem(
                    job_id=night.id,
                    position=0,
                    name="stored pictures that were damaged",
                    payload={},
                    state="done",
                    outcome="mended",
                    reason=f"1 stored picture that was damaged ({sha256}): stored again.",
                ),
                TrainingLogLine(
                    job_id=training.id,
                    number=1,
                    text=f"Left out: images/{sha256}.png.",
                    created_at=night.created_at,
                ),
            ]
        )


@pytest.fixture
def search(everywhere: Everywhere, backbone: Backbone) -> Iterator[SearchService]:
    with everywhere.runtime.database.read() as session:
        now = active(session)
    service = SearchService(everywhere.runtime, LoadedVersion(backbone, now.composer), now)
    yield service
    service.close()


def test_nothing_of_a_deleted_product_is_found_anywhere(everywhere: Everywhere) -> None:
    def places(needle: bytes) -> set[str]:
        in_rows = everywhere.tables_with(needle) if _is_text(needle) else set()
        return in_rows | everywhere.files_with(needle)

    assert all(places(needle) for needle in everywhere.needles[:7]), "it has to be there first"
    everywhere.delete()
    left = {needle: found for needle in everywhere.needles if (found := places(needle))}
    assert left == {}
    for data in (everywhere.pictures[FILE], everywhere.pictures["back.png"], everywhere.upload):
        assert everywhere.files_with(data) == set()


def _is_text(needle: bytes) -> bool:
    return needle.isascii() and needle.decode().isprintable()


def test_the_gallery_has_no_point_of_it(everywhere: Everywhere, gallery: Gallery) -> None:
    everywhere.delete()
    points = gallery.fetch(gallery.scroll(None, 100))
    assert [point.payload["sku"] for point in points.values()] == ["CAP"]


def test_the_other_product_keeps_all_it_has(everywhere: Everywhere) -> None:
    before = products(everywhere.runtime)["CAP"]
    everywhere.delete()
    assert products(everywhere.runtime) == {"CAP": before}
    assert everywhere.tables_with(b"'other'") == {"products", "attribute_values"}
    assert everywhere.tables_with(b"CAP") >= {"products", "job_items"}
    assert everywhere.runtime.blobs.exists(before.images[0].sha256)


def test_counts_of_the_reports_stay(everywhere: Everywhere) -> None:
    def counts() -> list[tuple[object, ...]]:
        with everywhere.runtime.database.read() as session:
            return [
                (job.id, job.done, job.failed, job.total, jobs.items(session, job.id).total)
                for job in jobs.list_jobs(session, kind="ingest").items
            ]

    before = counts()
    assert sum(int(str(job[2])) for job in before) == 2
    everywhere.delete()
    assert counts() == before


def test_a_later_page_of_a_search_does_not_bring_it_back(
    everywhere: Everywhere, search: SearchService
) -> None:
    first = search.search(SearchRequest(text="a garment", limit=2))
    assert sorted(hit.product.sku for hit in first.results) == ["CAP", SKU]
    everywhere.delete()
    again = search.search(SearchRequest(search_id=first.search_id, limit=2))
    assert [hit.product.sku for hit in again.results] == ["CAP"]
    asked_anew = search.search(SearchRequest(text="a garment", limit=2))
    assert [hit.product.sku for hit in asked_anew.results] == ["CAP"]


def test_a_search_by_it_shows_it_no_more(everywhere: Everywhere, search: SearchService) -> None:
    first = search.search(SearchRequest(reference_sku=SKU, text="in blue"))
    everywhere.delete()
    again = search.search(SearchRequest(search_id=first.search_id))
    assert again.reference is not None
    assert again.reference.product is None
    assert SKU not in again.model_dump_json()


def test_the_audit_log_says_who_deleted_what(everywhere: Everywhere) -> None:
    everywhere.delete()
    with everywhere.runtime.database.read() as session:
        line = session.scalars(select(AuditLine).where(AuditLine.action == "product.delete")).one()
    assert (line.actor, line.label, line.before["title"]) == ("ann", SKU, TITLE)
    assert line.before["pictures"] == everywhere.hashes[:2]
