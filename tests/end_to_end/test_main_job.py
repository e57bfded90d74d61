"""The main job through the real server and the real command line."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from backend.client import AkinClient
from tests.end_to_end.conftest import PHOTOS
from tests.end_to_end.server import Server


@pytest.fixture(scope="module")
def shop(servers, catalogue):
    """A server that holds the sixty products. Tests leave it as it is."""
    server = servers()
    done = server.run("ingest", str(catalogue / "products.csv"))
    assert done.returncode == 0, done.stderr
    return server


def search(server, *arguments):
    done = server.run("search", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_manifest_fills_the_catalogue(shop):
    with AkinClient(shop.url) as client:
        summary = client.summary()
    assert (summary.products, summary.images, summary.embedded) == (60, 60, 60)


def test_words_find_products(shop):
    answer = search(shop, "--text", "a red dress", "-k", "5")
    assert len(answer["results"]) == 5
    fields = {"sku", "title", "category", "split", "score", "product_id"}
    assert fields <= answer["results"][0].keys()


def test_a_product_and_words_find_others(shop):
    sku = search(shop, "--text", "shoes", "-k", "1")["results"][0]["sku"]
    answer = search(shop, "--sku", sku, "--text", "but blue", "-k", "59")
    assert sku not in {hit["sku"] for hit in answer["results"]}
    assert len(answer["results"]) == 59


def test_a_picture_of_ones_own_under_a_filter(shop, catalogue):
    picture = sorted((catalogue / "images").iterdir())[0]
    answer = search(shop, "--image", str(picture), "--filter", "category=dress,skirt")
    assert {hit["category"] for hit in answer["results"]} <= {"dress", "skirt"}
    assert picture.stem not in {hit["sku"] for hit in answer["results"]}


def test_the_same_catalogue_again_changes_nothing(shop, catalogue):
    done = shop.run("ingest", str(catalogue / "products.csv"), "--json")
    assert json.loads(done.stdout)["result"]["unchanged"] == 60


@pytest.mark.long
def test_export_comes_back_as_the_same_catalogue(shop, tmp_path):
    done = shop.run("export", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    with Server(tmp_path / "home") as other:
        assert other.run("ingest", str(tmp_path / "out")).returncode == 0
        with AkinClient(shop.url) as one, AkinClient(other.url) as two:
            assert fields(one) == fields(two)


def fields(client):
    page = client.products(limit=100)
    return {
        product.sku: (
            product.title,
            product.category,
            product.split,
            product.price,
            product.currency,
            product.attributes,
            [image.sha256 for image in product.images],
        )
        for product in page.items
    }


def test_composing_needs_no_server(shop):
    done = shop.run("compose", "--text", "a red dress", "--json")
    answer = json.loads(done.stdout)
    assert sum(value**2 for value in answer["vector"]) == pytest.approx(1, abs=1e-5)


def test_doctor_is_content(shop):
    done = shop.run("doctor", "--json", "--home", str(shop.home))
    assert [part for part in json.loads(done.stdout) if not part["good"]] == []


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no clothing photos at ../shared/data/clothing")
@pytest.mark.parametrize(
    "each",
    [pytest.param(6, marks=pytest.mark.long), pytest.param(None, marks=pytest.mark.slow, id="all")],
)
def test_photos_in_folders_bring_their_split_and_category(tmp_path, each):
    folder = some_photos(tmp_path / "validation", each)
    with Server(tmp_path / "home") as server:
        assert_split_and_category(server, folder)


def some_photos(folder, each):
    """The first so many of each category, or all 341."""
    for category in (PHOTOS / "validation").iterdir():
        (folder / category.name).mkdir(parents=True)
        for path in sorted(category.glob("*.jpg"))[:each]:
            shutil.copy(path, folder / category.name)
    return folder


def assert_split_and_category(server, folder):
    photos = list(folder.glob("*/*.jpg"))
    done = server.run("ingest", str(folder), "--json")
    assert json.loads(done.stdout)["result"]["created"] == len(photos), done.stderr
    picture = next((folder / "skirt").iterdir())
    answer = search(
        server, "--image", str(picture), "--text", "in black", "--filter", "category=dress"
    )
    assert {(hit["category"], hit["split"]) for hit in answer["results"]} == {("dress", "val")}
    with AkinClient(server.url) as client:
        expected = Counter(path.parent.name for path in photos)
        assert client.summary().categories == dict(expected)
