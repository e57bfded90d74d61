"""`akin backup` and `akin restore` through the real program."""

from __future__ import annotations

import shutil
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from backend.client import AkinClient
from backend.search.schemas import SearchRequest
from tests.end_to_end.server import Server
from tests.end_to_end.test_refusals import akin

WORDS = ("but red", "with long sleeves", "in blue", "striped", "")


def assert_refused(done: CompletedProcess[str], part: str) -> None:
    """Refused in one sentence, after bars that may stand above it."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert part in done.stderr.strip().splitlines()[-1]


def answers(url: str) -> list[list[tuple[str, float]]]:
    """Products and scores for a hundred composed queries."""
    with AkinClient(url) as client:
        products = client.products(limit=60, sort="sku").items
        found = []
        for number in range(100):
            asked: dict[str, Any] = {
                "reference_sku": products[number % len(products)].sku,
                "text": WORDS[number % len(WORDS)],
                "strength": (number % 5 - 2) / 4,
                "filters": ["split=train"] if number % 3 == 0 else [],
            }
            hits = client.search(SearchRequest(**asked)).results
            found.append([(hit.product.sku, round(hit.score, 5)) for hit in hits])
    return found


@pytest.fixture(scope="module")
def saved(
    tmp_path_factory: pytest.TempPathFactory, catalogue: Path, servers: Any
) -> tuple[Path, list[list[tuple[str, float]]]]:
    """A backup made by a server that runs, and what the server answered."""
    server: Server = servers()
    done = server.run("ingest", str(catalogue / "products.csv"))
    assert done.returncode == 0, done.stderr
    told = answers(server.url)
    path = tmp_path_factory.mktemp("saved") / "shop.tar"
    done = server.run("backup", str(path), "--home", str(server.home))
    assert done.returncode == 0, done.stderr
    assert f"{path} holds it all" in done.stdout.replace("\n", "")
    again = server.run("backup", str(path))
    assert_refused(again, "exists already: name a new file")
    server.kill()
    shutil.rmtree(server.home)
    return path, told


@pytest.mark.slow
def test_save_wipe_restore_and_save_without_a_server(saved: Any, tmp_path: Path) -> None:
    path, told = saved
    home = tmp_path / "home"
    done = akin("restore", str(path), "--home", str(home))
    assert done.returncode == 0, done.stderr
    assert "Restored: 60 products with 60 images" in done.stdout
    assert_refused(akin("restore", str(path), "--home", str(home)), "holds data already")
    second = tmp_path / "second.tar"
    done = akin("backup", str(second), "--home", str(home))
    assert done.returncode == 0, done.stderr
    with Server(home) as server:
        assert answers(server.url) == told
        with AkinClient(server.url) as client:
            summary = client.summary()
        assert (summary.images, summary.embedded) == (60, 60)
        assert_refused(akin("restore", str(second), "--home", str(home)), "is in use by process")
    assert second.stat().st_size == pytest.approx(path.stat().st_size, rel=0.05)


@pytest.mark.slow
def test_a_damaged_backup_leaves_nothing(saved: Any, tmp_path: Path) -> None:
    path, _ = saved
    cut = tmp_path / "cut.tar"
    cut.write_bytes(path.read_bytes()[:-5000])
    assert_refused(
        akin("restore", str(cut), "--home", str(tmp_path / "home")), "is no whole backup"
    )
    assert not (tmp_path / "home").exists()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    told = akin("backup", str(tmp_path / "x.tar"), "--url", "http://127.0.0.1:1")
    assert_refused(told, "No server answers at http://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []
