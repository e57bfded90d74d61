"""Save, wipe, restore: the same answers to the same hundred questions, on either profile."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from backend import VERSION
from backend.backup import making, rows
from backend.backup.archive import FORMAT, members
from backend.backup.making import make_backup
from backend.backup.restoring import check_backup
from backend.backup.rows import tables_of
from backend.catalogue.schemas import ProductCreate, ProductUpdate
from backend.catalogue.service import create_product, get_by_sku, update_product
from backend.catalogue.tables import Attribute, Blob, Product
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.errors import Conflict
from backend.registry.tables import Embedding, ModelVersion
from backend.runtime import Runtime
from tests import qdrant_standin
from tests.backend.backup.conftest import (
    Saved,
    as_shop,
    ask,
    fill_from,
    fill_shop,
    installation,
    write,
)
from tests.backend.search.conftest import open_shop
from tests.backend.search.shop import Shop, picture
from tests.migrations.filling import NOON, fill
from tests.services import LONG_ON_POSTGRES


def rows_of(database: Database) -> dict[str, list[str]]:
    """All rows as text, without what databases differ in: the order of columns, rows and keys of
    JSON, and the zone of moments, which SQLite gives back without."""
    with database.engine.connect() as connection:
        return {
            table.name: sorted(
                json.dumps(dict(row), default=as_text, sort_keys=True)
                for row in connection.execute(select(table)).mappings()
            )
            for table in tables_of(connection)
            if table.name not in rows.LEFT_OUT
        }


def as_text(value: Any) -> str:
    return str(value.replace(tzinfo=None) if isinstance(value, datetime) else value)


@pytest.fixture
def server(scratch_postgres_url: str, bucket: str, s3_url: str) -> dict[str, str]:
    """The settings of an empty server installation, its blobs in a bucket."""
    return {
        "database_url": scratch_postgres_url,
        "gallery_url": qdrant_standin.shared_url(),
        "blob_url": bucket,
        "s3_endpoint_url": s3_url,
        "broker_url": "redis://127.0.0.1:1",
    }


@contextmanager
def restored(saved: Saved, home: Path, **settings: Any):
    with installation(home, **settings) as runtime:
        fill_from(runtime, saved.path)
        yield runtime
        for name in runtime.galleries.names():
            runtime.galleries.drop(name)


def test_a_wiped_installation_answers_as_before(saved: Saved, tmp_path: Path) -> None:
    with restored(saved, tmp_path) as runtime:
        shop = as_shop(runtime, saved.backbone)
        assert len(saved.answers) == 100
        assert len({str(answer) for answer in saved.answers}) > 50
        assert ask(shop) == saved.answers
        assert_whole(runtime)


@pytest.mark.long
@pytest.mark.services
def test_embedded_to_server_and_back_answers_as_before(
    saved: Saved, tmp_path: Path, server: dict[str, str]
) -> None:
    with restored(saved, tmp_path / "server", **server) as runtime:
        assert ask(as_shop(runtime, saved.backbone)) == saved.answers
        assert_whole(runtime)
        with runtime.database.write() as session:
            number = create_product(session, ProductCreate(sku="NEW", title="New")).number
        assert number == 25, "the server counts on"
        back = Saved(write(runtime, tmp_path / "back.tar"), saved.answers, saved.backbone)
    with restored(back, tmp_path / "back") as runtime:
        assert ask(as_shop(runtime, saved.backbone)) == saved.answers
        assert_whole(runtime)


def assert_whole(runtime: Runtime) -> None:
    """Every blob is there, and the gallery holds every image."""
    with runtime.database.read() as session:
        assert all(runtime.blobs.is_intact(one) for one in session.scalars(select(Blob.sha256)))
        rows = set(session.scalars(select(Embedding.image_id)))
    (name,) = runtime.galleries.names()
    assert set(runtime.galleries.open(name).scroll(None, 1000)) == rows
    assert len(rows) == 24


@LONG_ON_POSTGRES
def test_all_rows_are_of_one_moment_and_newer_points_are_brought_in_line(
    tmp_path: Path, database: Database, tiny_backbone: Backbone
) -> None:
    """One product changes while the rows are read, one comes before the gallery is."""
    path = tmp_path / "shop.tar"
    with open_shop(tmp_path, database, tiny_backbone) as shop, path.open("wb") as file:
        fill_shop(shop)
        chunks = make_backup(shop.runtime)
        file.write(next(chunks))
        change(shop)
        for chunk in chunks:
            file.write(chunk)
            if chunk.startswith(b"originals/") and shop.gallery.count() == 24:
                shop.add("LATE", picture("red"))
    _, manifest = check_backup(path, lambda *_: None)
    assert (manifest.rows["products"], manifest.rows["embeddings"]) == (24, 24)
    assert list(manifest.points.values()) == [25]
    assert len(manifest.touched or []) == 25
    with installation(tmp_path / "new") as runtime:
        fill_from(runtime, path)
        with runtime.database.read() as session:
            assert session.scalar(select(Product.title).where(Product.sku == "P-1")) != "Changed"
            revisions = set(session.scalars(select(Embedding.image_revision)))
    assert revisions == {0}, "the embed job writes anew what these points say"


def change(shop: Shop) -> None:
    with shop.runtime.database.write() as session:
        product = get_by_sku(session, "P-1")
        update_product(session, shop.runtime.queue, product.id, ProductUpdate(title="Changed"))


@pytest.mark.long
def test_every_row_is_the_same_on_the_other_database_and_back(
    database: Database, scratch_postgres_url: str, tmp_path: Path
) -> None:
    fill_every_table(database)
    before = rows_of(database)
    assert min(map(len, before.values())) >= 1, "a row in every table"
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    with installation(tmp_path / "one", database_url=database.url) as runtime:
        runtime.galleries.create("g1", 4)
        runtime.blobs.put(b"a picture")
        write(runtime, first)
    with installation(tmp_path / "two", database_url=scratch_postgres_url) as runtime:
        fill_from(runtime, first)
        write(runtime, second)
        assert rows_of(runtime.database) == before
    with installation(tmp_path / "three") as runtime:
        fill_from(runtime, second)
        assert rows_of(runtime.database) == before


def fill_every_table(database: Database) -> None:
    """And rows that are hard to carry: a child before its parent, and both kinds of null."""
    fill(database)
    sha256 = hashlib.sha256(b"a picture").hexdigest()
    facts = {"size": 9, "format": "png", "width": 1, "height": 1, "created_at": NOON}
    odd = {"slug": "ä", "label": "\u2028\r\n", "kind": "bool", "filterable": False}
    version = {"backbone": {"b": None}, "composer": "sum", "fingerprint": "e" * 64, "dim": 4}
    version |= {"card": {"b": None, "a": [1.5, True]}, "state": "ready", "created_at": NOON}
    with database.write() as session:
        session.add(Blob(sha256=sha256, **facts))
        session.add(Attribute(**odd, created_at=NOON))
        session.execute(insert(ModelVersion).values(id="v9", name="b", parent_id="v1", **version))
        session.execute(insert(ModelVersion).values(id="v0", name="a", parent_id="v9", **version))


def test_a_blob_deleted_meanwhile_is_noted(
    tmp_path: Path, sqlite_database: Database, tiny_backbone: Backbone
) -> None:
    with open_shop(tmp_path, sqlite_database, tiny_backbone) as shop:
        fill_shop(shop)
        first = next(shop.runtime.blobs.files("originals")).name
        shop.runtime.blobs.delete(first)
        path = write(shop.runtime, tmp_path / "shop.tar")
    _, manifest = check_backup(path, lambda *_: None)
    assert manifest.missing == [f"originals/{first}"]
    assert manifest.lost == 1
    assert manifest.blobs["originals"][0] == 23


def test_galleries_that_a_lost_database_left_behind_are_replaced(
    saved: Saved, tmp_path: Path
) -> None:
    """After the disaster that a backup is for; without a row they are nobody's."""
    (name,) = check_backup(saved.path, lambda *_: None)[1].points
    with installation(tmp_path) as runtime:
        runtime.galleries.create(name, 3)
        fill_from(runtime, saved.path)
        assert ask(as_shop(runtime, saved.backbone)) == saved.answers


@pytest.mark.long
def test_tables_and_galleries_come_in_as_many_pieces_as_they_need(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with restored(saved, tmp_path / "first") as runtime:
        for module in (making, rows):
            monkeypatch.setattr(module, "PIECE_BYTES", 500)
        path = write(runtime, tmp_path / "small.tar")
    _, manifest = check_backup(path, lambda *_: None)
    parts = {name.rpartition("/")[0] for name in manifest.pieces}
    assert len(manifest.pieces) > 2 * len(parts)
    with restored(Saved(path, [], saved.backbone), tmp_path / "second") as runtime:
        assert ask(as_shop(runtime, saved.backbone)) == saved.answers


def test_only_an_empty_installation_is_filled(
    saved: Saved, sqlite_database: Database, tmp_path: Path
) -> None:
    with installation(tmp_path) as runtime:
        with runtime.database.write() as session:
            create_product(session, ProductCreate(sku="MINE", title="Mine"))
        with pytest.raises(Conflict, match=r"holds data already .*an empty one only.*akin reset"):
            fill_from(runtime, saved.path)
        with runtime.database.read() as session:
            assert session.scalars(select(Product.sku)).all() == ["MINE"]
        assert runtime.galleries.names() == []
        assert list(runtime.blobs.files("originals")) == []


def test_a_backup_is_a_plain_tar(saved: Saved) -> None:
    import tarfile

    with tarfile.open(saved.path) as archive:
        names = archive.getnames()
    with saved.path.open("rb") as file:
        assert [one.name for one in members(saved.path, file)] == names
    assert (names[0], names[-1]) == ("backup.json", "manifest.json")
    head, manifest = check_backup(saved.path, lambda *_: None)
    assert (head.format, head.akin, manifest.rows["products"]) == (FORMAT, VERSION, 24)
