"""What SQL knows about a gallery, also while others write."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from backend.catalogue import service
from backend.catalogue.schemas import BulkEdit, ProductUpdate
from backend.catalogue.tables import Image
from backend.database import Database
from backend.jobs.broker import Queue
from backend.registry.tables import Embedding
from tests.backend.catalogue.stock import gallery, product, sha
from workers.embedding_rows import (
    Wanted,
    anything_left,
    count_missing,
    missing_images,
    note_embedded,
    note_payloads,
    stale_images,
)

HERE, OTHER = "gallery-a", "gallery-b"


@pytest.fixture
def shop(database: Database) -> Database:
    """Two galleries, and three products with two images each, numbered in their order."""
    with database.write() as session:
        gallery(session, HERE)
        gallery(session, OTHER)
        for number in range(3):
            product(session, f"P{number}", 2 * number, 2 * number + 1)
    return database


def missing(shop: Database, limit: int = 100) -> list[Wanted]:
    with shop.read() as session:
        return missing_images(session, HERE, limit)


def note(shop: Database, images: list[Wanted], error: str | None = None) -> None:
    with shop.write() as session:
        note_embedded(session, HERE, [(one, error) for one in images])


def stale(shop: Database) -> list[str]:
    with shop.read() as session:
        return sorted(one.sha256 for one in stale_images(session, HERE, 100))


def edit(shop: Database, queue: Queue, sku: str) -> None:
    with shop.write() as session:
        product_id = service.get_by_sku(session, sku).id
        service.update_product(session, queue, product_id, ProductUpdate(title="New"))


def test_the_newest_are_given_first_and_none_is_left_out(shop: Database) -> None:
    assert [one.sha256 for one in missing(shop)] == [sha(number) for number in (5, 4, 3, 2, 1, 0)]
    note(shop, [one for one in missing(shop) if one.sha256 != sha(1)])
    note(shop, [])
    assert [one.sha256 for one in missing(shop, 3)] == [sha(1)]
    with shop.read() as session:
        assert (count_missing(session, HERE), count_missing(session, OTHER)) == (1, 6)
        assert anything_left(session, HERE)


def test_refused_images_are_not_missing(shop: Database) -> None:
    note(shop, missing(shop, 2), "It is all NaN.")
    note(shop, missing(shop))
    with shop.read() as session:
        assert missing_images(session, HERE, 100) == []
        assert not anything_left(session, HERE)


def test_edits_make_points_stale_until_their_payloads_are_written(
    shop: Database, queue: Queue
) -> None:
    note(shop, missing(shop))
    edit(shop, queue, "P1")
    assert stale(shop) == [sha(2), sha(3)]
    with shop.write() as session:
        ids = [service.get_by_sku(session, sku).id for sku in ("P0", "P1")]
        service.bulk_edit(session, queue, BulkEdit(product_ids=ids, split="val"))
    assert stale(shop) == [sha(number) for number in range(4)]
    with shop.read() as session:
        read = stale_images(session, HERE, 100)
        assert {one.sku: one.payload["split"] for one in read} == {"P0": "val", "P1": "val"}
    edit(shop, queue, "P0")
    with shop.write() as session:
        note_payloads(session, HERE, read)
    assert stale(shop) == [sha(0), sha(1)], "edited again since they were read"
    with shop.read() as session:
        assert session.scalars(
            select(Embedding.image_revision).where(Embedding.image_revision > 1)
        ).all() == [3, 3]


def test_an_image_edited_after_it_was_read_is_stale_at_once(shop: Database, queue: Queue) -> None:
    read = missing(shop)
    edit(shop, queue, "P2")
    note(shop, read)
    assert stale(shop) == [sha(4), sha(5)]


def test_what_two_workers_note_is_stale_for_nobody_knows_who_wrote_last(shop: Database) -> None:
    read = missing(shop, 3)
    with shop.write() as session:
        assert not note_embedded(session, HERE, [(one, None) for one in read[:2]]).unfinished
    with shop.write() as session:
        assert note_embedded(session, HERE, [(one, None) for one in reversed(read)]).unfinished
    assert stale(shop) == [sha(4), sha(5)]


def test_what_is_noted_says_whether_something_is_left_to_do(shop: Database, queue: Queue) -> None:
    read = missing(shop)
    edit(shop, queue, "P0")
    with shop.write() as session:
        service.delete_products(session, queue, [service.get_by_sku(session, "P1").id])
    by_product = [[one for one in read if one.sku == f"P{number}"] for number in range(3)]
    left = []
    for images in by_product:
        with shop.write() as session:
            noted = note_embedded(session, HERE, [(one, None) for one in images])
            left.append(noted.unfinished)
            assert noted.present == (
                set() if images == by_product[1] else {one.image_id for one in images}
            )
    assert left == [True, True, False]


def test_payloads_of_images_deleted_meanwhile_are_passed_over(shop: Database, queue: Queue) -> None:
    note(shop, missing(shop))
    edit(shop, queue, "P0")
    with shop.write() as session:
        read = stale_images(session, HERE, 100)
        service.delete_products(session, queue, [service.get_by_sku(session, "P0").id])
    with shop.write() as session:
        note_payloads(session, HERE, read)
    assert stale(shop) == []


@pytest.mark.parametrize("noted_first", [True, False])
def test_an_edit_at_the_moment_of_noting_is_never_missed(
    shop: Database, queue: Queue, noted_first: bool
) -> None:
    """Whichever commits last sees the other."""
    read = missing(shop)

    def second() -> None:
        if noted_first:
            edit(shop, queue, "P1")
        else:
            note(shop, read)

    thread = threading.Thread(target=second)
    with shop.write() as session:
        if noted_first:
            note_embedded(session, HERE, [(one, None) for one in read])
        else:
            product_id = service.get_by_sku(session, "P1").id
            service.update_product(session, queue, product_id, ProductUpdate(title="New"))
        session.flush()
        thread.start()
        thread.join(0.2)
        assert thread.is_alive(), "it waits for the first to commit"
    thread.join(30)
    assert stale(shop) == [sha(2), sha(3)]


def test_the_invariant_that_an_index_relies_on(shop: Database, queue: Queue) -> None:
    """A point whose payload is older than its image has revision 0, and only such a one."""
    note(shop, missing(shop))
    for sku in ("P0", "P1", "P0"):
        edit(shop, queue, sku)
    with shop.write() as session:
        note_payloads(session, HERE, stale_images(session, HERE, 3))
        older = (
            select(Embedding.image_id)
            .join(Image, Image.id == Embedding.image_id)
            .where(Embedding.image_revision < Image.revision)
        )
        zero = select(Embedding.image_id).where(Embedding.image_revision == 0)
        assert set(session.scalars(older)) == set(session.scalars(zero))
        assert len(set(session.scalars(zero))) == 1
