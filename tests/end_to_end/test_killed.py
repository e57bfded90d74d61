"""kill -9 of the server in the middle of an ingest: started again, all is there, nothing twice."""

from __future__ import annotations

import time

import pytest

from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.sources import collect, sha256_of
from backend.client import AkinClient
from backend.gallery.opening import open_store
from backend.search.schemas import SearchRequest
from workers.datasets.wardrobe.dataset import write_dataset

ITEMS = 240
MOST_CLAIMS = 1000


def begin_import(client, folder):
    """Everything sent and the job queued, without waiting for it."""
    sources = {sha256_of(source.path): source for source in collect([folder])}
    job = client.open_import(ImportCreate())
    claims = [FileClaim(name=s.name, sha256=sha, size=s.size) for sha, s in sources.items()]
    for at in range(0, len(claims), MOST_CLAIMS):
        for sha256 in client.claim_files(job.id, claims[at : at + MOST_CLAIMS]):
            client.send_file(job.id, sha256, sources[sha256].path)
    return client.start_import(job.id)


def wait_until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_twice(servers, tmp_path):
    write_dataset(tmp_path / "wardrobe", ITEMS, seed=5, size=96)
    server = servers(cold=True)
    with AkinClient(server.url) as client:
        job = begin_import(client, tmp_path / "wardrobe" / "images")
        wait_until(lambda: client.summary().images >= ITEMS // 5)
        server.kill()
        server.start()
        wait_until(lambda: client.job(job.id).finished)
        assert client.job(job.id).state == "done"
        wait_until(lambda: client.summary().embedded == ITEMS)
        summary = client.summary()
        assert (summary.products, summary.images) == (ITEMS, ITEMS)
        gallery = client.search(SearchRequest(text="a red dress")).gallery
    assert server.stop() == 0
    store = open_store("edge", server.home / "galleries")
    try:
        assert store.open(gallery).count() == ITEMS
    finally:
        store.close()
