"""The score job over a real gallery."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update

from backend import clock
from backend.catalogue.renditions import prepare_image, store_image
from backend.errors import NotFound
from backend.feedback.saying import keep_picture
from backend.feedback.scoring import ensure_score
from backend.feedback.service import Said, record, review
from backend.feedback.tables import UNSCORED, Triplet
from backend.gallery.port import Gallery
from backend.jobs.tables import Job
from backend.registry.tables import Deployment, GalleryRow, ModelVersion
from backend.runtime import Runtime
from tests.backend.feedback.stock import images, say, triplets
from tests.workers.workshop import import_files, job_of, photo, run_embeds
from workers import scoring
from workers.execution import execute
from workers.feedback import evidence
from workers.scoring import score

COLOURS = ("red", "green", "blue", "yellow", "black", "white")


@pytest.fixture
def shop(runtime: Runtime, gallery: Gallery) -> Runtime:
    """Six products in the gallery of a model that understands nothing."""
    import_files(runtime, {f"{colour}.jpg": photo(colour) for colour in COLOURS})
    run_embeds(runtime)
    return runtime


def run_score(runtime: Runtime) -> Job:
    with runtime.database.write() as session:
        job_id = ensure_score(session, runtime.queue, "ann").id
    execute(runtime, "score", score, job_id, threading.Event())
    return job_of(runtime, job_id)


def test_every_candidate_gets_a_score_and_its_parts(shop: Runtime) -> None:
    kept = say(shop.database, "red", "but green", "green")
    gone = say(shop.database, "red", "but blue", "blue")
    with shop.database.write() as session:
        review(session, shop.queue, [gone], "rejected", "max")
    job = run_score(shop)
    assert (job.state, job.result, job.total) == ("done", {"scored": 1, "skipped": 0}, 1)
    scored = triplets(shop.database)
    assert 0 < scored[kept].score < 1
    assert scored[kept].score_parts.keys() == {"active", "zero_shot", "words", "direction"}
    assert scored[gone].score == UNSCORED


def test_a_second_scoring_says_the_same(shop: Runtime) -> None:
    say(shop.database, "red", "but green", "green")
    run_score(shop)
    before = {one.id: (one.score, one.score_parts) for one in triplets(shop.database).values()}
    run_score(shop)
    assert before == {
        one.id: (one.score, one.score_parts) for one in triplets(shop.database).values()
    }


def test_not_this_is_sure_where_the_other_verdict_would_not_be(shop: Runtime) -> None:
    yes = say(shop.database, "red", "but green", "green", session="one")
    run_score(shop)
    alone = triplets(shop.database)[yes].score
    no = say(shop.database, "red", "but green", "green", session="two", is_target=False)
    run_score(shop)
    both = triplets(shop.database)
    assert both[no].score == pytest.approx((1 - alone) / 2, abs=1e-3)
    assert both[yes].score == pytest.approx(alone / 2, abs=1e-3)
    assert both[yes].score_parts["opposite"] is True


def test_the_same_picture_on_both_sides_is_surely_wrong(shop: Runtime) -> None:
    again = say(shop.database, "red", "but green", "green")
    at = images(shop.database)
    with shop.database.write() as session:
        prepared = prepare_image(shop.decoder, photo("green"), name="green.jpg")
        store_image(shop.blobs, prepared)
        sha256 = shop.blobs.put(photo("green"))
        keep_picture(session, sha256, prepared)
        same = record(session, Said("greener", at["green"], reference_sha256=sha256), "ann")[0]
    run_score(shop)
    found = triplets(shop.database)
    assert (found[same].score, found[same].score_parts["same_picture"]) == (0, True)
    assert found[again].score > 0


def test_ones_own_picture_is_encoded_and_a_lost_one_is_skipped(shop: Runtime) -> None:
    at = images(shop.database)
    prepared = prepare_image(shop.decoder, photo("pink"), name="mine.jpg")
    sha256 = store_image(shop.blobs, prepared)
    with shop.database.write() as session:
        keep_picture(session, sha256, prepared)
        mine = record(session, Said("but green", at["green"], reference_sha256=sha256), "ann")[0]
    run_score(shop)
    assert triplets(shop.database)[mine].score > 0
    shop.blobs.delete(sha256)
    with pytest.raises(NotFound):
        shop.blobs.read(sha256)
    job = run_score(shop)
    assert (job.result, job.failed) == ({"scored": 0, "skipped": 1}, 1)


def test_an_image_that_is_not_embedded_yet_is_skipped(shop: Runtime) -> None:
    import_files(shop, {"pink.jpg": photo("pink")})
    late = say(shop.database, "red", "but pink", "pink")
    assert run_score(shop).result == {"scored": 0, "skipped": 1}
    run_embeds(shop)
    assert run_score(shop).result == {"scored": 1, "skipped": 0}
    assert triplets(shop.database)[late].score > 0


def test_many_candidates_are_scored_in_batches(
    shop: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.scoring.BATCH", 2)
    for colour in COLOURS[1:]:
        say(shop.database, "red", f"but {colour}", colour)
    assert run_score(shop).result == {"scored": 5, "skipped": 0}
    assert all(one.score > 0 for one in triplets(shop.database).values())


def test_a_composer_that_is_not_there_is_told(shop: Runtime) -> None:
    with shop.database.write() as session:
        version = session.query(ModelVersion).one()
        other = ModelVersion(
            **{
                column.name: getattr(version, column.name)
                for column in ModelVersion.__table__.columns
            }
            | {"id": "v2", "name": "other", "composer": "lost"}
        )
        session.add(other)
        session.flush()
        gallery_id = session.query(GalleryRow.id).scalar()
        session.add(
            Deployment(
                version_id="v2",
                gallery_id=gallery_id,
                actor="a",
                reason="r",
                created_at=clock.now(),
            )
        )
    say(shop.database, "red", "but green", "green")
    job = run_score(shop)
    assert (job.state, 'No composer is called "lost"' in (job.error or "")) == ("failed", True)


def test_asked_twice_it_is_one_job(shop: Runtime) -> None:
    with shop.database.write() as session:
        first = ensure_score(session, shop.queue, "ann").id
        assert ensure_score(session, shop.queue, "ann").id == first
    execute(shop, "score", score, first, threading.Event())
    with shop.database.write() as session:
        assert ensure_score(session, shop.queue, "ann").id != first


def test_a_sentence_that_was_edited_meanwhile_is_left_for_the_next_time(
    shop: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = say(shop.database, "red", "but green", "green")

    def examine(*_):
        with shop.database.write() as session:
            session.execute(update(Triplet).values(caption="but greener"))
        return real(*_)

    real = evidence.examine
    monkeypatch.setattr(scoring, "examine", examine)
    run_score(shop)
    assert triplets(shop.database)[kept].score == UNSCORED
