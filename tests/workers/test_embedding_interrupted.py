"""The embed job amid deletions, edits, imports and ends of its worker: nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.attributes import filterable_attributes
from backend.catalogue.schemas import ProductUpdate
from backend.catalogue.service import delete_products, update_product
from backend.catalogue.tables import Image, Removal
from backend.gallery.port import Gallery
from backend.jobs import lease, service
from backend.jobs.lease import LeaseLost
from backend.jobs.service import create
from backend.jobs.tables import Job
from backend.runtime import Runtime
from tests.workers.workshop import (
    delete_all,
    embeddings,
    ids,
    import_files,
    job_of,
    photo,
    photos,
    products,
    report,
    run_embeds,
)
from workers.embedding import embed
from workers.embedding_rows import (
    Noted,
    anything_left,
    missing_images,
    note_embedded,
)
from workers.execution import execute
from workers.removing import forget_removals, removals
from workers.vectors import encode


def test_an_image_deleted_between_encoding_and_noting_is_not_resurrected(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 10: the deletion, and its removal of points, come before the upsert."""
    import_files(runtime, photos(4))

    def delete_first(session: Session, *rest) -> Noted:
        delete_all(session, runtime)
        session.query(Removal).delete()
        return note_embedded(session, *rest)

    monkeypatch.setattr("workers.embedding_images.note_embedded", delete_first)
    (job,) = run_embeds(runtime)
    assert job.state == "done"
    assert gallery.count() == 0
    assert embeddings(runtime) == {}


def test_no_report_names_a_product_that_was_deleted_before_its_image_was_refused(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines about it are blanked as it is deleted; one written later would stay."""
    import_files(runtime, {"QX-7.png": photo("red", "PNG"), "CAP.png": photo("blue", "PNG")})
    for product in products(runtime).values():
        runtime.blobs.delete(product.images[0].sha256)

    def delete_first(session: Session, *rest) -> Noted:
        delete_products(session, runtime.queue, [products(runtime)["QX-7"].id])
        return note_embedded(session, *rest)

    monkeypatch.setattr("workers.embedding_images.note_embedded", delete_first)
    (job,) = run_embeds(runtime)
    assert [line.name for line in report(runtime, job)] == ["CAP"]
    assert (job.done, job.failed) == (2, 1)


def test_an_edit_between_encoding_and_noting_is_caught_up_with(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_files(runtime, photos(1))
    (product,) = products(runtime).values()

    def edit_first(session: Session, *rest) -> Noted:
        update_product(session, runtime.queue, product.id, ProductUpdate(category="hat"))
        return note_embedded(session, *rest)

    monkeypatch.setattr("workers.embedding_images.note_embedded", edit_first)
    (job,) = run_embeds(runtime)
    assert job.state == "done"
    (point,) = gallery.fetch(ids(runtime)).values()
    assert point.payload["category"] == "hat"


def test_work_added_before_the_last_look_is_done_too(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_files(runtime, photos(2))
    looks = []

    def add_before_the_first(session: Session, gallery_id: str) -> bool:
        looks.append(1)
        if len(looks) == 1:
            (product, *_) = products(runtime).values()
            update_product(session, runtime.queue, product.id, ProductUpdate(category="hat"))
        return anything_left(session, gallery_id)

    monkeypatch.setattr("workers.embedding.anything_left", add_before_the_first)
    (job,) = run_embeds(runtime)
    assert job.state == "done"
    assert len(looks) > 1
    assert "hat" in {one.payload["category"] for one in gallery.fetch(ids(runtime)).values()}


def test_a_point_written_between_removing_and_forgetting_is_removed_too(
    runtime: Runtime, gallery: Gallery
) -> None:
    """What a second worker may do while this one has deleted the point and not yet said so."""
    import_files(runtime, photos(1))
    with runtime.database.read() as session:
        (wanted,) = missing_images(session, gallery.name, 10)
    run_embeds(runtime)
    with runtime.database.write() as session:
        delete_products(session, runtime.queue, [products(runtime)["0"].id])
    with runtime.database.read() as session:
        read = removals(session, 10)
    with runtime.database.write() as session:
        note_embedded(session, gallery.name, [(wanted, None)])
    with runtime.database.write() as session:
        forget_removals(session, runtime.blobs, read)
    assert gallery.count() == 1
    with runtime.database.read() as session:
        assert [one.image_id for one in removals(session, 10)] == [wanted.image_id]
    run_embeds(runtime)
    assert gallery.count() == 0


# Two workers at once: one is held up, another does its work meanwhile, then the first goes on


def lose(runtime: Runtime) -> None:
    """As after a pause of the whole process."""
    with runtime.database.write() as session:
        lease.reclaim_all(session)


def cancel(runtime: Runtime) -> None:
    """The job keeps its lease until it notices, and another is opened for what comes now."""
    with runtime.database.write() as session:
        job_id = session.scalars(select(Job.id).where(Job.state == "running")).one()
        service.cancel(session, job_id)


def categorise(runtime: Runtime, category: str) -> None:
    (product,) = products(runtime).values()
    change = ProductUpdate(category=category)
    with runtime.database.write() as session:
        update_product(session, runtime.queue, product.id, change)


def held_up(runtime: Runtime, leave: Callable[[Runtime], None]) -> Callable[[], None]:
    """What happens while a worker is held up, the first time that this is called."""
    calls: list[str] = []

    def happen() -> None:
        calls.append("held up")
        if len(calls) == 1:
            leave(runtime)
            categorise(runtime, "coat")
            (job,) = run_embeds(runtime)
            assert job.state == "done"
            assert [revision for revision, _ in embeddings(runtime).values()] != [0]

    return happen


def assert_in_line(runtime: Runtime, gallery: Gallery, category: str) -> None:
    """At once, or after the embed job that is waiting."""
    run_embeds(runtime)
    (point,) = gallery.fetch(ids(runtime)).values()
    assert point.payload["category"] == category
    with runtime.database.read() as session:
        revisions = session.scalars(select(Image.revision)).all()
        assert not anything_left(session, gallery.name)
    assert [revision for revision, _ in embeddings(runtime).values()] == revisions


@pytest.mark.parametrize(("leave", "state"), [(lose, "done"), (cancel, "cancelled")])
def test_a_point_that_comes_late_does_not_stay_in_place_of_a_newer_one(
    runtime: Runtime,
    gallery: Gallery,
    monkeypatch: pytest.MonkeyPatch,
    leave: Callable[[Runtime], None],
    state: str,
) -> None:
    import_files(runtime, photos(1))
    happen = held_up(runtime, leave)

    def encode_and_wait(*args):
        encoded = encode(*args)
        happen()
        return encoded

    monkeypatch.setattr("workers.embedding_images.encode", encode_and_wait)
    (job,) = run_embeds(runtime)
    assert job.state == state
    assert_in_line(runtime, gallery, "coat")


@pytest.mark.parametrize(("leave", "state"), [(lose, "done"), (cancel, "cancelled")])
def test_a_payload_that_comes_late_does_not_stay_in_place_of_a_newer_one(
    runtime: Runtime,
    gallery: Gallery,
    monkeypatch: pytest.MonkeyPatch,
    leave: Callable[[Runtime], None],
    state: str,
) -> None:
    import_files(runtime, photos(1))
    run_embeds(runtime)
    categorise(runtime, "hat")
    happen = held_up(runtime, leave)

    def wait_and_read(session: Session):
        happen()
        return filterable_attributes(session)

    monkeypatch.setattr("workers.embedding_images.filterable_attributes", wait_and_read)
    (job,) = run_embeds(runtime)
    assert job.state == state
    assert_in_line(runtime, gallery, "coat")


def test_one_job_stays_for_a_whole_import(runtime: Runtime, gallery: Gallery) -> None:
    import_files(runtime, photos(1))
    with runtime.database.write() as session:
        running = create(session, runtime.queue, kind="ingest", actor="test")
        lease.claim(session, running.id, "another worker")
        job_id = running.id
    with ThreadPoolExecutor(1) as pool:
        embedding = pool.submit(run_embeds, runtime)
        while gallery.count() == 0:
            time.sleep(0.01)
        assert not embedding.done()
        with runtime.database.write() as session:
            lease.finish(session.get_one(Job, job_id), {})
        (job,) = embedding.result(30)
    assert job.state == "done"


def test_it_stops_between_batches_and_goes_on_later(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_files(runtime, photos(20))
    with runtime.database.read() as session:
        job_id = session.scalars(select(Job.id).where(Job.kind == "embed")).one()
    shutdown = threading.Event()

    def stop_after_the_second(*args):
        if gallery.count() >= 4:
            shutdown.set()
        return encode(*args)

    monkeypatch.setattr("workers.embedding_images.encode", stop_after_the_second)
    execute(runtime, "embed", embed, job_id, shutdown)
    job = job_of(runtime, job_id)
    assert job.state == "queued"
    assert 4 <= job.done < 20
    assert gallery.count() == job.done == len(embeddings(runtime))
    (job,) = run_embeds(runtime)
    assert (job.state, job.done, gallery.count()) == ("done", 20, 20)
    assert job.result["embedded"] == 20, "it tells of the whole job and not of its last worker"


def test_points_written_by_a_worker_that_then_died_are_written_again(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process is tests/workers/test_ingesting.py's; here it ends after an upsert."""
    import_files(runtime, photos(6))
    with runtime.database.read() as session:
        job_id = session.scalars(select(Job.id).where(Job.kind == "embed")).one()
    with monkeypatch.context() as patched:
        patched.setattr("workers.embedding_images.note_embedded", lose_the_lease)
        execute(runtime, "embed", embed, job_id, threading.Event())
    assert job_of(runtime, job_id).state in {"running", "queued"}
    assert embeddings(runtime) == {}
    assert gallery.count() > 0
    with runtime.database.write() as session:
        lease.reclaim_all(session)
    (job,) = run_embeds(runtime)
    assert (job.state, job.done) == ("done", 6)
    assert gallery.scroll(None, 100) == ids(runtime) == sorted(embeddings(runtime))


def lose_the_lease(*_: object) -> None:
    raise LeaseLost
