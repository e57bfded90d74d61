"""How long a gallery is kept that nobody searches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, text

from backend.database import Database
from backend.errors import Conflict, NotFound
from backend.jobs.service import ensure_embed
from backend.jobs.tables import Job
from backend.registry import promotion
from backend.registry.deployments import Active, deploy
from backend.registry.retention import drop_gallery, droppable, searched_until
from backend.registry.service import gallery_of
from backend.registry.tables import Deployment, Embedding, GalleryRow, ModelVersion
from backend.runtime import Runtime
from tests.backend.registry.stock import add_picture, add_version, figures, hold, start

OTHER = "9" * 64
DAY = 86_400.0


@pytest.fixture
def now(runtime: Runtime, tiny, clock) -> Active:
    return start(runtime, tiny)


@pytest.fixture
def others(runtime: Runtime, now: Active) -> str:
    """The gallery of another image tower, whose version took over after a day."""
    image_id = add_picture(runtime, "A", now.gallery_id)
    with runtime.database.write() as session:
        version = add_version(session, now, "seeing", fingerprint=OTHER)
        gallery_id = gallery_of(session, version)
        session.flush()
        hold(session, image_id, gallery_id)
    runtime.galleries.create(gallery_id, now.dim)
    return gallery_id


def take_over(runtime: Runtime, gallery_id: str) -> None:
    with runtime.database.write() as session:
        version = session.scalars(
            select(ModelVersion).where(ModelVersion.fingerprint == OTHER)
        ).one()
        deploy(session, version, gallery_id, actor="test", reason="")


def test_a_gallery_stays_for_a_while_after_another_took_over(runtime, now, others, clock):
    clock.advance(DAY)
    take_over(runtime, others)
    taken_over = clock.now()
    clock.advance(6 * DAY)
    with runtime.database.read() as session:
        assert searched_until(session, now.gallery_id) == taken_over
        assert searched_until(session, others) == clock.now()
        assert droppable(session, days=7) == []
    clock.advance(2 * DAY)
    with runtime.database.read() as session:
        assert droppable(session, days=7) == [now.gallery_id]


def test_one_that_was_never_searched_goes_unless_a_promotion_waits_for_it(runtime, now, others):
    with runtime.database.write() as session:
        assert searched_until(session, others) is None
        assert droppable(session, days=7) == [others]
        add_version(session, now, "next", fingerprint="8" * 64, figures=figures(now, 9.0, 8.0))
        waiting = promotion.promote(session, runtime.queue, "id of next", actor="ann")
        session.flush()
        assert droppable(session, days=7) == [others]
        promotion.withdraw(session, "ann")
        session.flush()
        assert set(droppable(session, days=7)) == {others, waiting.gallery_id}


def test_a_dropped_gallery_is_gone_from_both_stores_and_its_jobs_end(runtime, now, others):
    take_over(runtime, others)
    with runtime.database.write() as session:
        ensure_embed(session, runtime.queue, now.gallery_id)
    with runtime.database.write() as session:
        drop_gallery(session, runtime.galleries, now.gallery_id)
    assert runtime.galleries.names() == [others]
    with runtime.database.read() as session:
        assert session.get(GalleryRow, now.gallery_id) is None
        assert set(session.scalars(select(Embedding.gallery_id))) == {others}
        assert session.scalars(select(Job.state)).all() == ["cancelled"]
        rows = select(Deployment.version, Deployment.gallery_id).order_by(Deployment.id)
        kept = session.execute(rows).all()
    assert [tuple(row) for row in kept] == [(now.version, None), ("seeing", others)]
    with runtime.database.write() as session, pytest.raises(Conflict, match="nothing to go back"):
        promotion.rollback(session, actor="ann")


def test_a_gallery_in_use_is_not_dropped(runtime, now, others):
    told = (
        f"Searches are answered from the gallery {now.gallery_id}: promote a version with another "
        "image tower first."
    )
    with runtime.database.write() as session, pytest.raises(Conflict) as refused:
        drop_gallery(session, runtime.galleries, now.gallery_id)
    assert refused.value.sentence == told
    with runtime.database.write() as session:
        add_version(session, now, "next", fingerprint="8" * 64, figures=figures(now, 9.0, 8.0))
        promotion.promote(session, runtime.queue, "id of next", actor="ann")
    waited_for = f"g-{'8' * 12}"
    with runtime.database.write() as session, pytest.raises(Conflict) as refused:
        drop_gallery(session, runtime.galleries, waited_for)
    assert refused.value.sentence == (
        f"A promotion waits for the gallery {waited_for}: withdraw it first."
    )


def test_one_that_is_not_there_is_told(runtime, now):
    with runtime.database.write() as session, pytest.raises(NotFound, match="no gallery nothing"):
        drop_gallery(session, runtime.galleries, "nothing")


def test_a_large_gallery_is_dropped_however_long_its_rows_take(
    runtime: Runtime, postgres_database: Database, tiny, clock
) -> None:
    here = replace(runtime, database=postgres_database)
    active = start(here, tiny)
    with postgres_database.write() as session:
        other = gallery_of(session, add_version(session, active, "seeing", fingerprint=OTHER))
    with postgres_database.write() as session:
        session.execute(text("SET LOCAL statement_timeout = '9s'"))
        drop_gallery(session, here.galleries, other)
        assert session.scalar(text("SHOW statement_timeout")) == "0"
