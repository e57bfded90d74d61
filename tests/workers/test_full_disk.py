"""A disk that is really full, under uploads, requests and imports: told, and nothing is lost."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from backend import disk_space
from backend.app import create_app
from backend.blobs import BlobStore
from backend.catalogue.schemas import ProductCreate
from backend.catalogue.service import create_product
from backend.database import Database
from backend.jobs.lease import LEASE_SECONDS
from backend.jobs.sweeping import sweep
from backend.outages import NO_SPACE
from backend.runtime import Runtime
from tests.conftest import MovableClock
from tests.disks import Disk, small_disk
from tests.workers.workshop import open_import, photo, products, run_ingest

LOCAL = "http://127.0.0.1:8000"
ROWS = 300
PHOTO = photo("red") + bytes(300_000)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Eight megabytes, and no reserve: the system itself must refuse."""
    monkeypatch.setattr(disk_space, "FILES_RESERVE", 0)
    with small_disk(tmp_path / "disk", 8) as disk:
        yield disk


@pytest.fixture
def on_disk(runtime: Runtime, disk: Disk, migrated_sqlite: Path) -> Iterator[Runtime]:
    """Blobs and SQL on the small disk. (A gallery there would be killed by SIGBUS: see disk_space,
    and tests/end_to_end/test_full_disk.py.)"""
    before = runtime.database
    shutil.copy(migrated_sqlite, disk.root / "akin.sqlite3")
    runtime.blobs = BlobStore((disk.root / "blobs").as_uri())
    runtime.database = Database(f"sqlite:///{disk.root}/akin.sqlite3")
    yield runtime
    runtime.database.close()
    runtime.database = before


@pytest.fixture
def client(on_disk: Runtime) -> TestClient:
    app = create_app(on_disk)
    app.state.serving = None
    return TestClient(app, base_url=LOCAL, raise_server_exceptions=False)


def claim(client: TestClient, data: bytes) -> str:
    """The path to which a file of an open import is sent."""
    job_id = client.post("/v1/imports", json={}).json()["id"]
    sha256 = hashlib.sha256(data).hexdigest()
    file = {"name": "a.jpg", "sha256": sha256, "size": len(data)}
    assert client.post(f"/v1/imports/{job_id}/files", json={"files": [file]}).status_code == 200
    return f"/v1/imports/{job_id}/files/{sha256}"


def test_an_upload_is_told_and_can_be_sent_again(
    client: TestClient, on_disk: Runtime, disk: Disk
) -> None:
    path = claim(client, PHOTO)
    disk.fill(leave=100_000)
    answer = client.put(path, content=PHOTO)
    assert answer.status_code == 507
    assert answer.json()["code"] == "no-space"
    assert answer.json()["detail"] == NO_SPACE
    assert [p for p in (disk.root / "blobs").rglob("*") if p.is_file()] == []
    assert client.post(path.partition("/files")[0] + "/start").status_code == 409
    disk.make_room()
    assert client.put(path, content=PHOTO).status_code == 204
    assert client.post(path.partition("/files")[0] + "/start").status_code == 202


def test_the_reserve_is_told_before_the_disk_is_full(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = claim(client, PHOTO)
    monkeypatch.setattr(disk_space, "FILES_RESERVE", 100 * 2**20)
    answer = client.put(path, content=PHOTO)
    assert answer.status_code == 507
    assert "MB are left, and the last 100 are kept for what is there already" in answer.text


def test_a_change_of_the_catalogue_is_told_and_nothing_of_it_stays(
    client: TestClient, on_disk: Runtime, disk: Disk
) -> None:
    assert client.get("/v1/products").json()["total"] == 0  # as in a server that runs
    disk.fill()
    new = {"sku": "A", "title": "t", "attributes": {"description": "x" * 4000}}
    for number in range(200):
        answer = client.post("/v1/products", json={**new, "sku": f"A{number}"})
        if answer.status_code != 201:
            break
    assert answer.status_code == 507, answer.text
    assert answer.json()["detail"] == NO_SPACE
    assert client.get("/v1/products").json()["total"] == number
    assert client.get("/healthz").status_code == 200
    disk.make_room()
    assert client.post("/v1/products", json={**new, "sku": f"A{number}"}).status_code == 201
    assert client.get("/v1/products").json()["total"] == number + 1


def test_an_import_waits_for_room_and_goes_on(
    on_disk: Runtime, disk: Disk, clock: MovableClock
) -> None:
    files = {f"{n}.jpg": photo(colour) + bytes(300_000) for n, colour in enumerate(("red", "blue"))}
    job_id = open_import(on_disk, files)
    disk.fill(leave=200_000)
    job = run_ingest(on_disk, job_id)
    assert (job.state, job.error, job.done) == ("running", NO_SPACE, 0)
    disk.make_room()
    clock.advance(LEASE_SECONDS + 1)
    assert sweep(on_disk.database, on_disk.queue).reclaimed == 1
    job = run_ingest(on_disk, job_id)
    assert (job.state, job.failed, job.result["created"]) == ("done", 0, 2)
    assert set(products(on_disk)) == {"0", "1"}


def test_an_import_whose_database_is_full_goes_on_as_well(
    on_disk: Runtime, disk: Disk, clock: MovableClock
) -> None:
    """The plan of all rows finds no room; the sentence, much shorter, does."""
    rows = "".join(f"S{n},x.jpg,{'long words ' * 300}\n" for n in range(ROWS))
    manifest = f"sku,image,title of it\n{rows}".encode()
    job_id = open_import(on_disk, {"p.csv": manifest, "x.jpg": photo("red")})
    disk.fill(leave=150_000)
    job = run_ingest(on_disk, job_id)
    assert (job.state, job.error, job.total) == ("running", NO_SPACE, None)
    disk.make_room()
    clock.advance(LEASE_SECONDS + 1)
    assert sweep(on_disk.database, on_disk.queue).reclaimed == 1
    job = run_ingest(on_disk, job_id)
    assert (job.state, job.failed, job.result["created"]) == ("done", 0, ROWS)


def test_without_room_the_session_keeps_nothing(on_disk: Runtime, disk: Disk) -> None:
    assert products(on_disk) == {}
    disk.fill()
    with pytest.raises(OperationalError):
        _create_many(on_disk)
    assert products(on_disk) == {}


def _create_many(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        for number in range(3000):
            create_product(session, ProductCreate(sku=f"A{number}", title="t" * 500))


def test_the_small_disk_is_really_full(disk: Disk) -> None:
    disk.fill()
    with pytest.raises(OSError, match="No space left") as full:
        (disk.root / "x").write_bytes(bytes(100_000))
    assert full.value.errno == errno.ENOSPC
