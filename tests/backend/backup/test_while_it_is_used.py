"""A backup of an installation at work: what is going on, what is lost or broken, what is secret."""

from __future__ import annotations

import errno
import hashlib
import io
from pathlib import Path

import pytest
from sqlalchemy import update

from backend.accounts.tables import Token
from backend.backup import making
from backend.backup.making import make_backup
from backend.backup.restoring import check_backup
from backend.backup.rows import snapshot
from backend.backup.schemas import BackupManifest
from backend.catalogue import imports
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.errors import Unavailable
from backend.gallery import transfer
from backend.jobs.tables import Job
from backend.registry.retention import drop_gallery
from backend.registry.tables import GalleryRow
from backend.runtime import Runtime
from tests import qdrant_standin
from tests.backend.backup.conftest import fill_from, fill_shop, installation, write
from tests.backend.search.conftest import open_shop
from tests.backend.search.shop import Shop
from tests.migrations.filling import NOON, fill
from tests.workers.workshop import import_files, open_import, photo, products, run_ingest, zipped


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def told_of(path: Path) -> BackupManifest:
    return check_backup(path, lambda *_: None)[1]


def test_an_import_that_ends_meanwhile_goes_on_where_it_is_restored(
    runtime: Runtime, tmp_path: Path
) -> None:
    """Its pictures are originals by then; its zip is gone, which is told."""
    pack = zipped({"blue.jpg": photo("blue")})
    job_id = open_import(runtime, {"red.jpg": photo("red"), "z.zip": pack})
    path = tmp_path / "shop.tar"
    chunks = make_backup(runtime)
    with path.open("wb") as file:
        file.write(next(chunks))  # the rows are those of this moment
        run_ingest(runtime, job_id)
        with runtime.database.write() as session:
            imports.release_staged(session, runtime.blobs)
        assert not runtime.blobs.staged(sha(photo("red")))
        file.writelines(chunks)
    assert told_of(path).missing == [f"staged/{sha(pack)}"]
    with installation(tmp_path / "new") as restored:
        fill_from(restored, path)
        run_ingest(restored, job_id)
        assert set(products(restored)) == {"red"}


def test_files_of_imports_are_copied_before_anything_that_takes_long(
    runtime: Runtime, tmp_path: Path
) -> None:
    import_files(runtime, {"red.jpg": photo("red")})
    open_import(runtime, {"blue.jpg": photo("blue")})
    data = write(runtime, tmp_path / "shop.tar").read_bytes()
    assert 0 < data.index(b"staged/") < data.index(b"originals/")


def test_the_files_of_a_failed_import_are_there_to_try_it_again(
    runtime: Runtime, tmp_path: Path
) -> None:
    job_id = open_import(runtime, {"red.jpg": photo("red")})
    with runtime.database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state="failed"))
    assert told_of(write(runtime, tmp_path / "shop.tar")).blobs["staged"][0] == 1


class BadSector(io.BytesIO):
    def read(self, *_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


def test_what_lies_on_a_bad_sector_is_noted_and_the_rest_saved(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_files(runtime, {"red.jpg": photo("red"), "blue.jpg": photo("blue")})
    bad, stored, file = sha(photo("red")), runtime.blobs.open, BadSector()
    monkeypatch.setattr(
        runtime.blobs,
        "open",
        lambda area, sha256: file if sha256 == bad else stored(area, sha256),
    )
    told = told_of(write(runtime, tmp_path / "shop.tar"))
    assert (told.missing, told.blobs["originals"][0]) == ([f"originals/{bad}"], 1)
    assert file.closed


def test_without_any_stored_picture_nothing_of_a_backup_is_sent(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """The folder is likelier not mounted than empty; nobody reads what is told in mid-file."""
    fill(sqlite_database)
    with installation(tmp_path, database_url=sqlite_database.url) as runtime:
        with pytest.raises(Unavailable, match="None of the stored pictures is there: see that the"):
            next(make_backup(runtime))
        runtime.blobs.put(b"of a product that is deleted by now")
        assert told_of(write(runtime, tmp_path / "shop.tar")).missing, "that folder is no empty one"


def test_no_login_and_no_signing_key_is_saved(database: Database, tmp_path: Path) -> None:
    fill(database)
    login = {"user_id": "u1", "kind": "login", "role": "admin", "label": "", "digest": "0d" * 32}
    with database.write() as session:
        session.add(Token(id="k2", created_at=NOON, expires_at=NOON, **login))
    with installation(tmp_path, database_url=database.url) as runtime:
        runtime.blobs.put(b"any")
        path = write(runtime, tmp_path / "shop.tar")
    rows = told_of(path).rows
    assert not {"signing_keys", "login_failures", "replicas"} & rows.keys()
    assert (rows["users"], rows["tokens"]) == (1, 1), "the key of a machine stays good"
    assert b"0d" * 32 not in path.read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("engine", ["edge", "server"])
def test_a_gallery_that_is_dropped_while_it_is_read_is_saved_as_far_as_that(
    sqlite_database: Database,
    tiny_backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    monkeypatch.setattr(transfer, "BATCH", 4)
    monkeypatch.setattr(making, "PIECE_BYTES", 1)  # each batch is a piece
    url = "edge" if engine == "edge" else qdrant_standin.shared_url()
    path = tmp_path / "shop.tar"
    with open_shop(tmp_path, sqlite_database, tiny_backbone, url) as shop, path.open("wb") as file:
        fill_shop(shop)
        old = add_old_gallery(shop)
        for chunk in make_backup(shop.runtime):
            file.write(chunk)
            if chunk.startswith(f"galleries/{old}/00000003\0".encode()):
                with shop.runtime.database.write() as session:
                    drop_gallery(session, shop.runtime.galleries, old)
        shop.runtime.galleries.drop(shop.active.gallery_id)
    assert told_of(path).points == {old: 8, shop.active.gallery_id: 24}
    with installation(tmp_path / "new") as restored:
        fill_from(restored, path)
        assert restored.galleries.open(old).count() == 8


def add_old_gallery(shop: Shop) -> str:
    """What a version that was active once searched, its name before that of today's."""
    name = "g-000000000000"
    with shop.runtime.database.write() as session:
        session.add(GalleryRow(id=name, fingerprint="0" * 64, dim=16, created_at=NOON))
    points = shop.gallery.fetch(shop.gallery.scroll(None, 100))
    shop.runtime.galleries.create(name, 16).restore(points)
    return name


@pytest.mark.services
def test_who_takes_a_backup_and_falls_silent_does_not_hold_the_rows_for_ever(
    postgres_database: Database,
) -> None:
    with snapshot(postgres_database) as connection:

        def setting(name: str) -> object:
            return connection.exec_driver_sql(f"SHOW {name}").scalar()

        assert setting("idle_in_transaction_session_timeout") == "10min"
        assert setting("statement_timeout") == "0"


def test_a_damaged_file_where_it_is_restored_is_written_anew(
    runtime: Runtime, tmp_path: Path
) -> None:
    import_files(runtime, {"red.jpg": photo("red")})
    path, good = write(runtime, tmp_path / "shop.tar"), sha(photo("red"))
    with installation(tmp_path / "new") as restored:
        left = tmp_path / "new" / "blobs" / "originals" / good[:2] / good
        left.parent.mkdir(parents=True)
        left.write_bytes(photo("red")[:-9])
        fill_from(restored, path)
        assert restored.blobs.is_intact(good)
