"""The main job over PostgreSQL, Redis, Qdrant's interface, two API processes and two workers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.catalogue.schemas import FileClaim, ImportCreate, ProductUpdate
from backend.catalogue.sources import collect, sha256_of
from backend.client import ApiError
from backend.gallery.filters import parse_filter
from backend.jobs.schemas import ReconcileRequest
from backend.registry.tables import Deployment
from backend.search.schemas import SearchRequest
from tests.end_to_end.reconciled import found
from tests.end_to_end.server_profile import ServerProfile
from workers.liveness import is_alive

pytestmark = [pytest.mark.long, pytest.mark.services]

PRODUCTS = 60


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Iterator[ServerProfile]:
    with ServerProfile(tmp_path_factory.mktemp("profile"), workers=2, apis=2) as profile:
        yield profile


@pytest.fixture(scope="module")
def profile(empty: ServerProfile, catalogue: Path) -> ServerProfile:
    """An installation that holds sixty products, brought in by six imports at once."""
    rows = (catalogue / "products.csv").read_text().splitlines()
    with empty.client() as client:
        jobs = []
        for number in range(6):
            part = catalogue / f"part-{number}.csv"
            part.write_text("\n".join([rows[0], *rows[1 + number :: 6]]))
            jobs.append(sent(client, part))
            part.unlink()
        for job in jobs:
            client.start_import(job)
        empty.wait_until(lambda: all(client.job(job).finished for job in jobs))
        assert {client.job(job).state for job in jobs} == {"done"}, empty.story()
        empty.wait_until(lambda: client.summary().embedded == PRODUCTS)
    return empty


def sent(client, manifest):
    """The id of an import whose files are all there."""
    sources = {sha256_of(source.path): source for source in collect([manifest])}
    job = client.open_import(ImportCreate())
    claims = [FileClaim(name=s.name, sha256=sha, size=s.size) for sha, s in sources.items()]
    for sha256 in client.claim_files(job.id, claims):
        client.send_file(job.id, sha256, sources[sha256].path)
    return job.id


def gallery_of(profile):
    with profile.client() as client:
        name = client.search(SearchRequest(text="a red dress", limit=1)).gallery
    return profile.galleries().open(name)


def test_two_api_processes_that_start_at_once_agree_on_what_is_active(empty):
    with empty.client() as one, empty.client("api-2") as other:
        assert one.model() == other.model()
    database = empty.database()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Deployment)) == 1
    database.close()


def test_both_workers_brought_the_catalogue_in(profile):
    with profile.client("api-2") as client:
        summary = client.summary()
    assert (summary.products, summary.images, summary.embedded) == (PRODUCTS,) * 3
    assert gallery_of(profile).count() == PRODUCTS
    for name in profile.worker_names:
        assert "job done" in profile.log(name), profile.story()


@pytest.mark.parametrize("api", ["api", "api-2"])
def test_a_picture_and_words_find_products_under_a_filter(profile, catalogue, api):
    picture = next(iter(sorted((catalogue / "images").iterdir())))
    with profile.client(api) as client:
        shorts = client.summary().categories["shorts"]
        request = SearchRequest(text="but red", filters=["category=shorts"], limit=60, facets=True)
        answer = client.search(request, image=picture.read_bytes())
        assert len(answer.results) == shorts
        assert {hit.product.category for hit in answer.results} == {"shorts"}
        assert client.picture(answer.results[0].product.images[0].thumbnail)


def test_an_edit_reaches_the_other_api_and_the_gallery(profile):
    with profile.client() as one, profile.client("api-2") as other:
        product = one.products(limit=1).items[0]
        one.update_product(product.id, ProductUpdate(category="kimono", split="test"))
        gallery = gallery_of(profile)
        wanted = parse_filter(["category=kimono", "split=test"])
        profile.wait_until(lambda: gallery.count(wanted) == 1)
        answer = other.search(SearchRequest(text="anything", filters=["category=kimono"]))
        assert [hit.product.sku for hit in answer.results] == [product.sku]


def test_a_deletion_leaves_nothing_behind(profile):
    gallery = gallery_of(profile)
    with profile.client() as one, profile.client("api-2") as other:
        before = one.summary()
        doomed = one.products(limit=3).items
        for product in doomed:
            one.delete_product(product.id)
        images = [image.id for product in doomed for image in product.images]
        profile.wait_until(lambda: not gallery.fetch(images))
        assert gallery.count() == before.images - len(images)
        found = other.search(SearchRequest(text="a dress", limit=100)).results
        assert not {hit.product.sku for hit in found} & {product.sku for product in doomed}


def test_in_the_end_rows_points_and_blobs_agree(profile):
    with profile.client() as client:
        job = client.reconcile(ReconcileRequest())
        profile.wait_until(lambda: client.job(job.id).finished)
        done = client.job(job.id)
    assert done.state == "done", profile.story()
    assert found(done.result) == {}
    assert done.result["points"] == done.result["images"] > 0


def test_workers_and_beat_show_that_they_live(profile):
    for name in [*profile.worker_names, "beat"]:
        profile.wait_until(lambda name=name: is_alive(profile.folder / "homes" / name))
        check = [sys.executable, "-m", "workers.liveness"]
        subprocess.run(check, env=profile.environment(name), check=True)


def test_every_line_of_a_worker_is_json(profile):
    for name in profile.worker_names:
        events = [json.loads(line)["event"] for line in profile.log(name).splitlines()]
        assert "worker ready" in events


def test_a_store_that_is_away_is_told_and_comes_back(profile):
    with profile.client() as client:
        profile.kill("standin")
        with pytest.raises(ApiError, match=r"Qdrant server at .* does not answer") as told:
            client.search(SearchRequest(text="a red dress"))
        assert told.value.status == 503
        profile.start("standin")
        assert client.search(SearchRequest(text="a red dress")).results


def test_all_of_them_stop_when_told_to(empty):
    codes = empty.stop()
    assert set(codes) == set(empty.names)
    assert set(codes.values()) == {0}, empty.story()
