"""What is deleted leaves removals, one by one and many at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import select

from backend.catalogue import service
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import BulkEdit
from backend.catalogue.tables import Blob, Image, Product, Removal
from backend.database import Database
from backend.errors import InvalidInput, NotFound
from backend.jobs.broker import Queue
from backend.registry.tables import Embedding
from tests.backend.catalogue.stock import (
    FACTS,
    count,
    embed_jobs,
    embedded,
    product,
    revisions,
    sha,
    stocked,
)


def test_a_deleted_product_leaves_a_removal_for_each_image(
    database: Database, queue: Queue
) -> None:
    product_id = stocked(database)
    with database.write() as session:
        images = session.scalars(select(Image)).all()
        ids = {image.id: image.sha256 for image in images}
        embedded(session, images[0], "gallery-a")
        product(session, "CAP", 1)

    with database.write() as session:
        assert service.delete_products(session, queue, [product_id, "nobody", "\0"]) == 1

    with database.read() as session:
        left = {one.image_id: one.sha256 for one in session.scalars(select(Removal))}
        assert [one.sku for one in session.scalars(select(Product))] == ["CAP"]
    assert left == ids
    assert count(database, Image) == 1
    assert count(database, Embedding) == 0
    assert embed_jobs(database) == ["gallery-a", "gallery-b"]


def test_deleting_nobody_has_no_consequence(database: Database, queue: Queue) -> None:
    stocked(database)
    with database.write() as session:
        assert service.delete_products(session, queue, ["nobody"]) == 0
    assert embed_jobs(database) == []


def test_an_image_taken_off_leaves_its_removal(database: Database, queue: Queue) -> None:
    product_id = stocked(database)
    with database.write() as session:
        first = session.scalars(select(Image.id).where(Image.sha256 == sha(1))).one()
        service.delete_image(session, queue, product_id, first)
        service.attach_image(session, service.get(session, product_id), sha(3), FACTS)
        (shown,) = to_schema(session, [service.get(session, product_id)])
        assert [image.sha256 for image in shown.images] == [sha(2), sha(3)]
        assert session.scalars(select(Removal.image_id)).all() == [first]
        with pytest.raises(NotFound, match=f"'TEE' has no image {first}: it may be deleted"):
            service.delete_image(session, queue, product_id, first)
    assert embed_jobs(database) == ["gallery-a", "gallery-b"]


# Many at once


def test_a_bulk_edit_counts_what_it_changed(database: Database, queue: Queue) -> None:
    first = stocked(database)
    with database.write() as session:
        second = product(session, "CAP", 3, split="val", category="hat").id
    edit = BulkEdit(product_ids=[first, second, "nobody"], split="val", category="hat")

    with database.write() as session:
        assert service.bulk_edit(session, queue, edit) == 1
    with database.write() as session:
        assert service.bulk_edit(session, queue, edit) == 0
        assert {one.category for one in session.scalars(select(Product))} == {"hat"}
    assert revisions(database) == {sha(1): 2, sha(2): 2, sha(3): 1}
    assert embed_jobs(database) == ["gallery-a", "gallery-b"]


def test_a_bulk_edit_deletes(database: Database, queue: Queue) -> None:
    edit = BulkEdit(product_ids=[stocked(database), "nobody"], delete=True)
    with database.write() as session:
        assert service.bulk_edit(session, queue, edit) == 1
    assert count(database, Product) == 0
    assert count(database, Removal) == 2


@pytest.mark.parametrize("says", [{}, {"split": "val", "delete": True}])
def test_a_bulk_edit_says_one_thing(
    sqlite_database: Database, queue: Queue, says: dict[str, Any]
) -> None:
    edit = BulkEdit(product_ids=["x"], **says)
    with (
        pytest.raises(InvalidInput, match="either a new split or category, or delete: true"),
        sqlite_database.write() as session,
    ):
        service.bulk_edit(session, queue, edit)


def test_an_image_cannot_be_added_to_a_product_that_is_being_deleted(
    database: Database, queue: Queue
) -> None:
    """Either the image is there first and leaves a removal, or the product is already gone."""
    for round_ in range(5):
        with database.write() as session:
            product_id = product(session, f"TEE-{round_}", 10 * round_ + 1).id
        ready = threading.Barrier(2)

        def add(
            product_id: str = product_id,
            number: int = 10 * round_ + 2,
            ready: threading.Barrier = ready,
        ) -> None:
            ready.wait()
            try:
                with database.write() as session:
                    found = service.get(session, product_id, for_change=True)
                    service.attach_image(session, found, sha(number), FACTS)
            except NotFound:
                return

        adding = threading.Thread(target=add)
        adding.start()
        ready.wait()
        with database.write() as session:
            assert service.delete_products(session, queue, [product_id]) == 1
        adding.join()

    with database.read() as session:
        blobs = set(session.scalars(select(Blob.sha256)))
        assert set(session.scalars(select(Removal.sha256))) == blobs
        assert session.scalars(select(Image.id)).all() == []
