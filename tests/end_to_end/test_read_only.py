"""A data folder that cannot be written, from the start or all of a sudden: one sentence, searches
go on, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.catalogue.schemas import ProductUpdate
from backend.client import AkinClient, ApiError
from backend.outages import READ_ONLY
from backend.search.schemas import SearchRequest
from tests import warm
from tests.disks import small_disk
from tests.end_to_end.server import Server, free_port
from tests.end_to_end.test_full_disk import COLOURS, begin, is_idle
from tests.end_to_end.test_killed import wait_until
from tests.end_to_end.test_refusals import assert_told
from tests.workers.workshop import photo

# For root no permission bit counts, unless these rights are taken away.
OBEYING = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.getuid() == 0 else ()
)


def up(server: Server) -> subprocess.CompletedProcess[str]:
    """A start that is to fail."""
    port = ("--port", str(free_port()))
    command = [*server.akin, "up", "--home", str(server.home), *port, "--no-ui", *server.options]
    if not server.prefix:
        return warm.run(command)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def server(tmp_path: Path, tiny: str) -> Iterator[Server]:
    """It holds six products, all embedded, and permission bits count for it."""
    if OBEYING and shutil.which("setpriv") is None:
        pytest.skip("tests run as root here, and without setpriv root may write everywhere")
    options = ("--no-ui", "--backbone", tiny)
    with Server(tmp_path / "home", options, prefix=OBEYING) as server:
        with AkinClient(server.url) as client:
            client.start_import(begin(client, {f"{c}.jpg": photo(c) for c in COLOURS}))
            wait_until(lambda: client.summary().embedded == len(COLOURS) and is_idle(client))
        yield server


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder and all in it, without the right to write."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(modes[path] & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def assert_uploads_are_refused(client: AkinClient, colour: str) -> None:
    with pytest.raises(ApiError) as refused:
        begin(client, {f"{colour}.jpg": photo(colour)})
    assert (refused.value.status, refused.value.sentence) == (503, READ_ONLY)


def assert_it_searches(client: AkinClient) -> None:
    assert len(client.search(SearchRequest(reference_sku="red")).results) == len(COLOURS) - 1


@pytest.mark.slow
def test_while_it_runs_and_from_the_start(server: Server) -> None:
    with AkinClient(server.url) as client:
        with read_only(server.home / "blobs"):
            assert_uploads_are_refused(client, "orange")
            assert_it_searches(client)
            red = client.product_by_sku("red")
            client.update_product(red.id, ProductUpdate(category="SQL goes on"))
        wait_until(lambda: is_idle(client))
        with read_only(server.home):
            assert_uploads_are_refused(client, "orange")
            assert_it_searches(client)
        client.start_import(begin(client, {"orange.jpg": photo("orange")}))
        wait_until(lambda: client.summary().embedded == len(COLOURS) + 1)
        assert client.product_by_sku("red").category == "SQL goes on"
    assert server.stop() == 0, server.log_file.read_text()

    with read_only(server.home):
        assert_told(up(server), f"The data folder {server.home} cannot be written", "permissions")
    with read_only(server.home / "galleries"):
        assert_told(up(server), "cannot be opened", "Permission denied", "then start again")
    with read_only(server.home / "akin.sqlite3"):
        server.start()
        with AkinClient(server.url) as client:
            assert client.summary().embedded == len(COLOURS) + 1
            with pytest.raises(ApiError) as refused:
                client.update_product(red.id, ProductUpdate(category="x"))
    assert (refused.value.status, refused.value.sentence) == (503, READ_ONLY)


def test_a_disk_that_is_mounted_read_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        (disk.root / "home").mkdir()
        disk.make_read_only()
        server = Server(disk.root / "home")
        assert_told(up(server), "cannot be written (Read-only file system)", "--home")
