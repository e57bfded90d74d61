"""Images are attached to products, and say what galleries need to know."""

from __future__ import annotations

from sqlalchemy import select

from backend.catalogue import service
from backend.catalogue.presenting import payload_of, products_by_ids, to_schema
from backend.catalogue.schemas import BulkEdit
from backend.catalogue.tables import Blob, Image
from backend.database import Database
from backend.jobs.broker import Queue
from tests.backend.catalogue.plans import asked
from tests.backend.catalogue.stock import (
    FACTS,
    count,
    embedded,
    gallery,
    product,
    sha,
)


def test_the_same_image_twice_on_one_product_changes_nothing(database: Database) -> None:
    with database.write() as session:
        tee, cap = product(session, "TEE"), product(session, "CAP")
        news = [
            service.attach_image(session, one, sha(number), FACTS)
            for one, number in [(tee, 1), (tee, 2), (tee, 1), (cap, 1)]
        ]
        assert news == [True, True, False, True]
        shown = products_by_ids(session, [tee.id, cap.id, "nobody"]).values()
    assert {one.sku: [image.sha256 for image in one.images] for one in shown} == {
        "TEE": [sha(1), sha(2)],
        "CAP": [sha(1)],
    }
    assert count(database, Blob) == 2


def test_an_image_says_whether_search_finds_it(database: Database) -> None:
    with database.write() as session:
        gallery(session, "gallery-a")
        product_id = product(session, "TEE", 1, 2, 3).id
        images = session.scalars(select(Image).order_by(Image.position)).all()
        embedded(session, images[0], "gallery-a")
        embedded(session, images[1], "gallery-a", error="It is all NaN.")
        (shown,) = to_schema(session, [service.get(session, product_id)])
        assert [(one.embedded, one.problem) for one in shown.images] == [
            (True, None),
            (False, "It is all NaN."),
            (False, None),
        ]
        gallery(session, "gallery-b")  # now active, and empty
        (shown,) = to_schema(session, [service.get(session, product_id)])
        assert [one.embedded for one in shown.images] == [False, False, False]
    assert (shown.images[0].width, shown.images[0].height) == (30, 40)
    assert shown.images[0].thumbnail == f"/v1/pictures/{sha(1)}/thumbnail"


def test_the_payload_holds_what_filters_need(database: Database) -> None:
    with database.write() as session:
        found = product(
            session, "TEE", price="19.90", currency="EUR", attributes={"colour": "red", "care": "x"}
        )
        assert payload_of(found, ["price", "colour"]) == {
            "product": found.id,
            "sku": "TEE",
            "category": "uncategorised",
            "split": "train",
            "attributes": {"colour": "red", "price": 19.9},
        }
        assert payload_of(product(session, "CAP"), ["price"])["attributes"] == {}


def test_an_edit_names_no_image_however_many_there_are(database: Database, queue: Queue) -> None:
    """PostgreSQL takes 65,535 parameters in a statement."""
    with database.write() as session:
        product_id = product(session, "TEE", *range(100)).id
    edit = BulkEdit(product_ids=[product_id], split="val")
    statements = asked(database, lambda session: service.bulk_edit(session, queue, edit))
    assert any("UPDATE images" in statement for statement, _ in statements)
    assert max(len(parameters) for _, parameters in statements) < 20
