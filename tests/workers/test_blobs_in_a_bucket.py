"""An import whose blobs are in a bucket, and what it does while that cannot be reached."""

from __future__ import annotations

import hashlib

import pytest

from backend.blobs import BlobStore
from backend.gallery.port import Gallery
from backend.jobs.lease import LEASE_SECONDS
from backend.jobs.sweeping import sweep
from backend.runtime import Runtime
from tests.backend.test_blob_bucket import free_port
from tests.buckets import new_bucket, s3_server
from tests.conftest import MovableClock
from tests.workers.workshop import (
    import_files,
    open_import,
    photos,
    products,
    run_embeds,
    run_ingest,
    zipped,
)


def test_pictures_and_a_zip_are_imported_and_embedded(
    runtime: Runtime, gallery: Gallery, s3_blobs: BlobStore
) -> None:
    runtime.blobs = s3_blobs
    files = {**photos(5), "more.zip": zipped({"a.png": photos(7)["dress/6.png"]})}
    job = import_files(runtime, files)
    assert (job.state, job.failed, job.result["created"]) == ("done", 0, 6)
    assert [embed.state for embed in run_embeds(runtime)] == ["done"]
    assert gallery.count() == 6
    stored = {file.name for file in s3_blobs.files("originals")}
    pictures = [data for name, data in files.items() if not name.endswith("zip")]
    assert {hashlib.sha256(data).hexdigest() for data in pictures} < stored
    assert len(list(s3_blobs.files("thumbnails"))) == 6
    assert list(s3_blobs.files("staged")) == []


@pytest.mark.long
def test_an_import_waits_for_its_bucket_and_goes_on(
    runtime: Runtime, clock: MovableClock, s3_credentials: None
) -> None:
    port = free_port()
    with s3_server(port) as url:
        runtime.blobs = BlobStore(new_bucket(url), url)
        job_id = open_import(runtime, photos(3))
    job = run_ingest(runtime, job_id)
    assert job.state == "running"
    assert "cannot be reached" in (job.error or "")
    with s3_server(port):
        clock.advance(LEASE_SECONDS + 1)
        assert sweep(runtime.database, runtime.queue).reclaimed == 1
        job = run_ingest(runtime, job_id)
    assert (job.state, job.failed, job.result["created"]) == ("done", 0, 3)
    assert len(products(runtime)) == 3
