"""Several workers fill one gallery: each image is encoded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from backend.catalogue.service import delete_products
from backend.catalogue.tables import Image
from backend.encoding.backbone import Backbone
from backend.gallery.port import Gallery
from backend.jobs import parts
from backend.jobs.lease import LEASE_SECONDS
from backend.jobs.sweeping import sweep
from backend.jobs.tables import Job, JobItem
from backend.runtime import Runtime
from tests.conftest import MovableClock
from tests.workers.sharing.stage import (
    ON_POSTGRES,
    PART,
    Encodings,
    keep_at_it,
    led,
    standing,
    waiting_lead,
    wake,
)
from tests.workers.workshop import (
    activate,
    ids,
    import_files,
    job_of,
    photo,
    photos,
    products,
    reasons,
    use,
)
from workers import embedding


@pytest.fixture
def gallery(runtime: Runtime, backbone: Backbone) -> Gallery:
    """An empty gallery that several workers fill, two images at a time."""
    use(runtime, backbone)
    runtime.settings.embed_batch = 2
    return runtime.galleries.open(activate(runtime).gallery_id)


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> Encodings:
    return Encodings(monkeypatch)


def embed_job(runtime: Runtime) -> str:
    with runtime.database.read() as session:
        return session.scalars(select(Job.id).where(Job.kind == "embed")).one()


def test_three_workers_fill_one_gallery(
    runtime: Runtime, gallery: Gallery, encodings: Encodings
) -> None:
    import_files(runtime, photos(30))
    catalogue = products(runtime)
    for sku in ("2", "28"):  # in two parts
        runtime.blobs.delete(catalogue[sku].images[0].sha256)
    job_id = embed_job(runtime)
    come, go = waiting_lead(encodings)
    with led(runtime, job_id, come), ThreadPoolExecutor(2) as pool:
        joined = [pool.submit(keep_at_it, runtime, job_id) for _ in range(2)]
        while gallery.count() < 8:
            assert not any(one.done() for one in joined)
        go.set()
    job = job_of(runtime, job_id)
    assert (job.state, job.done, job.failed, job.total) == ("done", 30, 2, 30)
    assert (job.result["embedded"], job.result["failed"]) == (28, 2)
    assert sorted(encodings.skus, key=int) == [str(n) for n in range(30)]
    assert len(encodings.threads) > 1
    assert gallery.count() == 28
    assert set(reasons(runtime, job)) == {"2", "28"}
    assert standing(runtime, job_id).parts == 0


@ON_POSTGRES
def test_between_its_parts_the_lead_does_what_came_meanwhile(
    runtime: Runtime, gallery: Gallery, encodings: Encodings
) -> None:
    """A deletion and a new image need not wait until all parts are done."""
    import_files(runtime, photos(12))
    job_id = embed_job(runtime)
    come, go = waiting_lead(encodings)
    with led(runtime, job_id, come):
        with runtime.database.write() as session:
            delete_products(session, runtime.queue, [products(runtime)["0"].id])
        import_files(runtime, {"new.png": photo("teal", "PNG")})
        go.set()
    job = job_of(runtime, job_id)
    assert job.state == "done"
    assert gallery.scroll(None, 100) == ids(runtime)
    assert encodings.skus.index("new") <= PART
    assert len(ids(runtime)) == 12


@ON_POSTGRES
def test_many_that_came_meanwhile_are_cut_too(
    runtime: Runtime, gallery: Gallery, encodings: Encodings
) -> None:
    import_files(runtime, photos(8))
    job_id = embed_job(runtime)
    come, go = waiting_lead(encodings)
    with led(runtime, job_id, come):
        import_files(runtime, {f"n{n}.png": photo(f"rgb(9, {n}, 90)", "PNG") for n in range(8)})
        before = standing(runtime, job_id).parts
        go.set()
    job = job_of(runtime, job_id)
    assert before == 2
    assert (job.state, job.done, job.total) == ("done", 16, 16)
    assert gallery.count() == 16


def test_images_that_come_while_it_is_cut_are_encoded_once(
    runtime: Runtime, gallery: Gallery, encodings: Encodings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are newer than what the lead saw first."""
    monkeypatch.setattr(embedding, "newest_image", lambda session: 0)
    import_files(runtime, photos(12))
    wake(runtime, embed_job(runtime))
    assert sorted(encodings.skus, key=int) == [str(n) for n in range(12)]
    assert gallery.count() == 12


def test_a_new_lead_goes_on_with_the_parts_of_the_last(
    runtime: Runtime, gallery: Gallery, encodings: Encodings, clock: MovableClock
) -> None:
    import_files(runtime, photos(12))
    job_id = embed_job(runtime)

    def killed() -> None:
        raise SystemExit

    encodings.before = killed
    with pytest.raises(SystemExit):
        wake(runtime, job_id)
    assert standing(runtime, job_id) == parts.Standing(parts=3, free=2, spent=0)
    encodings.before = lambda: None
    clock.advance(LEASE_SECONDS)
    sweep(runtime.database, runtime.queue)
    wake(runtime, job_id)
    job = job_of(runtime, job_id)
    assert (job.state, job.done, gallery.count()) == ("done", 12, 12)
    with runtime.database.read() as session:
        assert session.scalars(select(Image.id).order_by(Image.id)).all() == gallery.scroll(
            None, 99
        )
        assert session.scalars(select(JobItem).where(JobItem.job_id == job_id)).all() == []
