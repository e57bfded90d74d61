"""A real server whose disk fills up: it says so, answers what it can, and goes on once there is
room. That it does not simply die is not self-evident: Qdrant Edge writes through memory maps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from backend.catalogue.schemas import FileClaim, ImportCreate, ProductCreate, ProductUpdate
from backend.client import AkinClient, ApiError
from backend.disk_space import FILES_RESERVE, GALLERY_RESERVE
from backend.search.schemas import SearchRequest
from tests.disks import Disk, small_disk
from tests.end_to_end.server import Server
from tests.end_to_end.test_killed import wait_until
from tests.end_to_end.test_refusals import akin, assert_told
from tests.workers.workshop import photo

COLOURS = ("red", "green", "blue", "yellow", "black", "white")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 300) as disk:
        yield disk


@pytest.fixture
def server(disk: Disk, tiny: str) -> Iterator[Server]:
    """It holds six products, all embedded."""
    options = ("--no-ui", "--backbone", tiny)
    with Server(disk.root / "home", options, log=disk.root.parent) as server:
        with AkinClient(server.url) as client:
            job_id = begin(client, {f"{colour}.jpg": photo(colour) for colour in COLOURS})
            client.start_import(job_id)
            wait_until(lambda: client.summary().embedded == len(COLOURS))
        yield server


def begin(client: AkinClient, files: dict[str, bytes]) -> str:
    """An import with these files, all sent."""
    job_id = client.open_import(ImportCreate()).id
    claims = [
        FileClaim(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        for name, data in files.items()
    ]
    by_hash = {claim.sha256: files[claim.name] for claim in claims}
    for sha256 in client.claim_files(job_id, claims):
        client.send_file(job_id, sha256, by_hash[sha256])
    return job_id


def create_for_ever(client: AkinClient) -> None:
    for number in count():
        client.create_product(ProductCreate(sku=f"N{number}", title="t" * 500))


def is_idle(client: AkinClient) -> bool:
    return all(job.finished for job in client.jobs().items if job.kind == "embed")


def assert_no_space(refused: pytest.ExceptionInfo[ApiError]) -> None:
    assert refused.value.status == 507
    assert "make room and try again; what was stored is kept." in refused.value.sentence


@pytest.mark.slow
def test_it_says_so_and_goes_on(server: Server, disk: Disk, tiny: str) -> None:
    with AkinClient(server.url) as client:
        red = client.product_by_sku("red")
        job_id = begin(client, {"orange.jpg": photo("orange")})

        disk.fill(leave=(FILES_RESERVE + GALLERY_RESERVE) // 2)
        with pytest.raises(ApiError) as refused:
            begin(client, {"purple.jpg": photo("purple")})
        assert_no_space(refused)
        client.update_product(red.id, ProductUpdate(category="still works"))
        wait_until(lambda: is_idle(client))

        client.start_import(job_id)
        wait_until(lambda: "is full" in (client.job(job_id).error or ""))

        disk.fill()
        with pytest.raises(ApiError) as refused:
            create_for_ever(client)
        assert_no_space(refused)
        assert len(client.search(SearchRequest(reference_sku="red")).results) == 5
        assert client.products(limit=1).total == client.summary().products

    assert server.stop() == 0, server.log_file.read_text()
    told = akin("up", "--home", str(server.home), "--no-ui", "--backbone", tiny)
    assert_told(told, "The disk", "is full", "make room")

    disk.make_room()
    server.start()
    with AkinClient(server.url) as client:
        wait_until(lambda: client.job(job_id).finished)
        assert client.job(job_id).state == "done"
        assert client.product_by_sku("red").category == "still works"
        client.start_import(begin(client, {"purple.jpg": photo("purple")}))
        wait_until(lambda: client.summary().embedded == len(COLOURS) + 2)
        assert len(client.search(SearchRequest(reference_sku="red")).results) == 7


def test_a_command_that_writes_files(disk: Disk) -> None:
    disk.fill(leave=50_000)
    drawn = akin("dataset", "wardrobe", "--out", str(disk.root / "wardrobe"), "--items", "18")
    assert drawn.returncode == 1
    assert drawn.stderr.splitlines()[-1] == (
        "A file could not be read or written (no space left on device): look at its disk and "
        "permissions."
    )


def test_a_first_start_on_a_full_disk(disk: Disk) -> None:
    disk.fill()
    assert_told(akin("up", "--home", str(disk.root / "new"), "--no-ui"), "is full", "make room")
    disk.make_room()
    disk.fill(leave=GALLERY_RESERVE // 2)
    told = akin("up", "--home", str(disk.root / "new"), "--no-ui")
    assert_told(told, "is full (3", "MB are left", "make room and try again")
