"""What a click becomes, and what a review may do with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from backend import clock
from backend.catalogue import service as catalogue
from backend.catalogue.renditions import PreparedImage
from backend.catalogue.tables import Blob, Removal
from backend.database import Database
from backend.errors import Conflict, InvalidInput, NotFound
from backend.feedback import service
from backend.feedback.saying import keep_picture
from backend.feedback.schemas import TripletUpdate
from backend.feedback.service import Said, record
from backend.feedback.tables import UNSCORED, Triplet
from backend.jobs.broker import Queue
from tests.backend.catalogue.stock import FACTS, count, embed_jobs, gallery, sha
from tests.backend.feedback.stock import images, say, stocked, triplets
from workers.reconciliation import blob_rows
from workers.removing import delete_unused_blobs, forget_removals, removals

UPLOADED = sha(77)


def test_a_click_is_a_candidate_with_the_words_as_typed(database: Database) -> None:
    stocked(database, "A", "B")
    number = say(database, "A", "in red", "B", session="visit", rank=3, without=("dots",))
    (kept,) = triplets(database).values()
    assert (kept.id, kept.state, kept.caption, kept.text) == (
        number,
        "candidate",
        "in red",
        "in red",
    )
    assert (kept.source, kept.rank, kept.without, kept.score) == (
        "feedback",
        3,
        ["dots"],
        UNSCORED,
    )


def test_the_same_click_twice_changes_nothing_and_another_visit_counts(database: Database) -> None:
    stocked(database, "A", "B")
    first = say(database, "A", "in red", "B", session="one")
    assert say(database, "A", "in red", "B", session="one") == first
    assert say(database, "A", "in red", "B", session="two") != first
    assert count(database, Triplet) == 2


def test_the_other_verdict_takes_the_first_ones_place_until_the_review(
    database: Database, queue: Queue
) -> None:
    stocked(database, "A", "B")
    kept = say(database, "A", "in red", "B", session="one")
    say(database, "A", "in red", "B", session="one", is_target=False)
    assert not triplets(database)[kept].is_target
    with database.write() as session:
        service.review(session, queue, [kept], "accepted", "max")
    say(database, "A", "in red", "B", session="one", is_target=True)
    assert not triplets(database)[kept].is_target


def test_two_pictures_of_one_product_are_no_triplet(database: Database) -> None:
    with database.write() as session:
        gallery(session)
    stocked(database, "A", "B")
    with pytest.raises(InvalidInput, match="pictures of one product, and a triplet needs two"):
        say(database, "A", "in red", "A")


@pytest.mark.parametrize("image_id", ["nobody", "nob\0dy"])
def test_an_image_that_is_gone_is_told(database: Database, image_id: str) -> None:
    at = stocked(database, "A")
    with database.write() as session, pytest.raises(NotFound, match="may have been deleted"):
        record(session, Said("red", at["A"], reference_image_id=image_id), "ann")


@pytest.mark.parametrize("facts", [{"text": "a\0"}, {"session": "\0"}, {"without": ("\0", "dots")}])
def test_words_that_no_database_holds_are_told(database: Database, facts: dict[str, Any]) -> None:
    at = stocked(database, "A", "B")
    said: dict[str, Any] = {"text": "red", "target_image_id": at["B"]}
    with database.write() as session, pytest.raises(InvalidInput, match="holds a NUL character"):
        record(session, Said(**{**said, **facts}), "ann")


def test_a_review_says_who_and_when_and_can_be_taken_back(database: Database, queue: Queue) -> None:
    stocked(database, "A", "B")
    kept = say(database, "A", "in red", "B")
    with database.write() as session:
        assert service.review(session, queue, [kept, "nobody", "\0"], "accepted", "max") == 1
        assert service.review(session, queue, [kept], "accepted", "eve") == 0
    done = triplets(database)[kept]
    assert (done.state, done.reviewed_by) == ("accepted", "max")
    with database.write() as session:
        service.review(session, queue, [kept], "candidate", "eve")
    back = triplets(database)[kept]
    assert (back.state, back.reviewed_by, back.reviewed_at) == ("candidate", None, None)


def test_an_edited_sentence_keeps_what_was_typed_and_is_to_be_scored_again(
    database: Database, queue: Queue
) -> None:
    stocked(database, "A", "B")
    kept = say(database, "A", "in rde", "B")
    with database.write() as session:
        session.execute(update(Triplet).values(score=0.5, score_parts={"active": 0.5}))
        edit = TripletUpdate(caption=" in red ", state="accepted")
        service.change(session, queue, kept, edit, "max")
    now = triplets(database)[kept]
    assert (now.caption, now.text, now.state) == ("in red", "in rde", "accepted")
    assert (now.score, now.score_parts) == (UNSCORED, {})


def test_a_triplet_that_is_not_there_is_told(database: Database, queue: Queue) -> None:
    with database.write() as session, pytest.raises(NotFound, match="There is no triplet nobody"):
        service.change(session, queue, "nobody", TripletUpdate(state="accepted"), "max")


def test_sql_itself_holds_to_the_rules(database: Database) -> None:
    stocked(database, "A", "B")
    say(database, "A", "in red", "B")
    for wrong in (
        {"state": "accepted"},  # reviewed by nobody
        {"state": "elsewhere"},
        {"score": 1.5},
        {"reference_image_id": None},
        {"source": "rumour"},
    ):
        with pytest.raises(IntegrityError), database.write() as session:
            session.execute(update(Triplet).values(wrong))


def uploaded(database: Database, target: str) -> str:
    """A triplet whose reference is a picture that a shopper left with it."""
    at = images(database)
    with database.write() as session:
        keep_picture(session, UPLOADED, PreparedImage(b"", FACTS, {}))
        said = Said("in red", at[target], reference_sha256=UPLOADED)
        return record(session, said, "ann")[0]


def left_to_remove(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Removal.sha256)))


def test_a_picture_that_a_triplet_shows_is_no_unused_blob(database: Database, runtime) -> None:
    stocked(database, "A")
    uploaded(database, "A")
    with database.write() as session:
        tomorrow = clock.now() + timedelta(days=1)
        assert blob_rows.unused(session, tomorrow, "", 10) == []
        assert delete_unused_blobs(session, runtime.blobs, [UPLOADED]) == []


def test_a_rejected_triplet_lets_its_picture_go_for_good(
    database: Database, queue: Queue, runtime
) -> None:
    with database.write() as session:
        gallery(session)
    stocked(database, "A", "B")
    first, second = uploaded(database, "A"), uploaded(database, "B")
    with database.write() as session:
        service.review(session, queue, [first], "rejected", "max")
    assert left_to_remove(database) == {UPLOADED}
    assert embed_jobs(database) == ["gallery-a"]
    with database.write() as session:
        forget_removals(session, runtime.blobs, removals(session, 10))
        assert session.get(Blob, UPLOADED) is not None, "the other triplet shows it"
    with database.write() as session:
        service.review(session, queue, [second], "rejected", "max")
        forget_removals(session, runtime.blobs, removals(session, 10))
        assert session.get(Blob, UPLOADED) is None
    with (
        database.write() as session,
        pytest.raises(Conflict, match="uploaded for it is deleted: it cannot be taken back"),
    ):
        service.review(session, queue, [first], "accepted", "max")


def test_a_deleted_product_takes_its_triplets_and_their_pictures_with_it(
    database: Database, queue: Queue, runtime
) -> None:
    stocked(database, "A", "B")
    uploaded(database, "A")
    say(database, "B", "in blue", "A")
    with database.write() as session:
        product = catalogue.get_by_sku(session, "A")
        catalogue.delete_products(session, queue, [product.id])
    assert count(database, Triplet) == 0
    assert UPLOADED in left_to_remove(database)
    with database.write() as session:
        forget_removals(session, runtime.blobs, removals(session, 10))
        assert session.get(Blob, UPLOADED) is None
