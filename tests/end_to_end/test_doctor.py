"""`akin doctor --repair` over a damaged shop: where no server runs, and through one that does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.client import AkinClient
from workers.datasets.wardrobe.dataset import write_dataset

pytestmark = pytest.mark.long

ITEMS = 18


@pytest.fixture(scope="module")
def shop(servers, tmp_path_factory):
    """A server of its own: these tests damage it."""
    folder = tmp_path_factory.mktemp("doctor") / "wardrobe"
    write_dataset(folder, ITEMS, seed=9, size=96)
    server = servers()
    assert server.run("ingest", str(folder / "products.csv")).returncode == 0
    return server


def agreement(server, *options: str) -> tuple[int, dict[str, object]]:
    done = server.run("doctor", "--json", "--home", str(server.home), *options)
    (found,) = [one for one in json.loads(done.stdout) if one["part"] == "agreement"]
    return done.returncode, found


def a_blob(home: Path) -> Path:
    return sorted((home / "blobs" / "originals").rglob("*/*"))[0]


def put_strange_file(home: Path) -> Path:
    strange = home / "blobs" / "staged" / ("5" * 64)
    strange.parent.mkdir(exist_ok=True)
    strange.write_bytes(b"x")
    return strange


def test_a_running_server_is_asked(shop):
    code, found = agreement(shop)
    assert (code, found["good"]) == (0, True)
    assert f"{ITEMS} images, {ITEMS} points, {ITEMS} blobs" in str(found["sentence"])


def test_lost_bytes_are_found_told_by_sku_and_healed(shop, tmp_path):
    path = a_blob(shop.home)
    picture = tmp_path / f"{path.name[:8]}.png"
    path.rename(picture)
    code, found = agreement(shop, "--repair")
    assert (code, found["good"]) == (1, False), "what is lost cannot be mended"
    with AkinClient(shop.url) as client:
        (product,) = [one for one in client.products(limit=50).items if one.images[0].problem]
        assert found["details"] == [product.images[0].problem]
        sent = tmp_path / f"{product.sku}.png"
        picture.rename(sent)
    assert shop.run("ingest", str(sent)).returncode == 0
    code, found = agreement(shop, "--repair")
    assert (code, found["good"]) == (0, True)
    with AkinClient(shop.url) as client:
        assert client.product(product.id).images[0].problem is None
        assert client.summary().embedded == client.summary().images == ITEMS


def test_without_a_server_the_folder_is_opened_and_mended(shop):
    assert shop.stop() == 0
    strange = put_strange_file(shop.home)
    code, found = agreement(shop)
    assert code == 1
    assert found["details"] == [f"1 uploaded file that no import waits for ({strange.name})."]
    assert strange.exists(), "looking changes nothing"
    code, found = agreement(shop, "--repair")
    assert (code, found["good"]) == (0, True)
    assert not strange.exists()
