"""Files and manifest rows become products, a batch of them in one go."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from backend.catalogue import service
from backend.catalogue.facets import facets
from backend.catalogue.intake import Batch, StoredPicture
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import ProductFields, ProductOut
from backend.catalogue.tables import Attribute, Blob, Product
from backend.database import Database
from backend.errors import AkinError
from tests.backend.catalogue.stock import FACTS, count, product, revisions, sha

NOTHING = ProductFields()


def pictures(*numbers: int) -> list[StoredPicture]:
    return [StoredPicture(sha(number), FACTS) for number in numbers]


def row(batch: Batch, sku: str, *images: int, conflict: Any = "update", **fields: Any) -> str:
    """What became of a manifest row, or the sentence that refuses it."""
    given = ProductFields.model_validate(fields)
    try:
        taken = batch.take_row(
            sku, given, pictures(*images), on_conflict=conflict, defaults=ProductFields(split="val")
        )
    except AkinError as error:
        return error.sentence
    return taken.outcome


def shown(database: Database, sku: str) -> ProductOut:
    with database.read() as session:
        return to_schema(session, [service.get_by_sku(session, sku)])[0]


def test_a_manifest_row_creates_then_updates_then_changes_nothing(database: Database) -> None:
    first = {"title": "Tee", "category": "t-shirt", "attributes": {"colour": "red"}}
    more = {"split": "test", "attributes": {"fit": "slim"}}
    outcomes = []
    for fields in (first, more, more, first):
        with database.write() as session:
            batch = Batch(session, ["TEE"])
            outcomes.append(row(batch, "TEE", **fields))
            batch.write()
    assert outcomes == ["created", "updated", "unchanged", "unchanged"]
    found = shown(database, "TEE")
    assert (found.title, found.category, found.split) == ("Tee", "t-shirt", "test")
    assert found.attributes == {"colour": "red", "fit": "slim"}


def test_rows_of_one_batch_see_what_those_before_them_did(database: Database) -> None:
    with database.write() as session:
        batch = Batch(session, ["TEE"])
        outcomes = [
            row(batch, "TEE", 2, attributes={"colour": "red"}),
            row(batch, "TEE", 2, attributes={"colour": "red"}),
            row(batch, "TEE", 1, attributes={"colour": "blue"}),
            row(batch, "CAP", 1),
            row(batch, "TEE", conflict="skip", title="Another"),
            row(batch, "TEE", conflict="error"),
        ]
        batch.write()
    assert outcomes[:-1] == ["created", "unchanged", "updated", "created", "skipped"]
    assert "SKU 'TEE' already: import with --on-conflict update or skip" in outcomes[-1]
    found = shown(database, "TEE")
    assert [image.sha256 for image in found.images] == [sha(2), sha(1)]
    assert (found.title, found.split, found.attributes) == ("TEE", "val", {"colour": "blue"})
    assert count(database, Blob) == 2


def test_a_refused_row_leaves_nothing(database: Database) -> None:
    with database.write() as session:
        batch = Batch(session, ["A", "B", "C"])
        told = [
            row(batch, "A", 1, price="9.90", attributes={"new": "x"}),
            row(batch, "B", 2, attributes={"size": 3}),
            row(batch, "C", 3, attributes={"size": "M", "other": "x"}),
            row(batch, "a\0b", 4),
        ]
        batch.write()
    assert told[1] == "created"
    assert "A price needs its currency" in told[0]
    assert "takes whole numbers" in told[2]
    assert "The sku holds a NUL character" in told[3]
    with database.read() as session:
        assert session.scalars(select(Product.sku)).all() == ["B"]
        assert session.scalars(select(Attribute.slug)).all() == ["size"]
        assert session.scalars(select(Blob.sha256)).all() == [sha(2)]


def test_a_changed_product_keeps_its_images_and_its_values_in_step(database: Database) -> None:
    with database.write() as session:
        product(session, "TEE", 1, attributes={"colour": "red", "fit": "slim"})
        product(session, "CAP", 3, attributes={"colour": "red"})
    with database.write() as session:
        batch = Batch(session, ["TEE", "CAP"])
        assert row(batch, "TEE", 1, 2, attributes={"colour": "blue"}, title="New") == "updated"
        assert row(batch, "CAP", 3, attributes={"colour": "red"}) == "unchanged"
        batch.write()
    assert revisions(database) == {sha(1): 2, sha(2): 1, sha(3): 1}
    with database.read() as session:
        colours = {one.key: one.values for one in facets(session)}["colour"]
    assert {value.value: value.count for value in colours} == {"red": 1, "blue": 1}
    assert [image.sha256 for image in shown(database, "TEE").images] == [sha(1), sha(2)]


def test_files_of_one_name_become_products_of_their_own(database: Database) -> None:
    def take(batch: Batch, number: int) -> str:
        return batch.take_file("TEE", NOTHING, pictures(number)[0]).outcome

    with database.write() as session:
        batch = Batch(session, ["TEE"])
        assert [take(batch, number) for number in (1, 1, 2)] == ["created", "unchanged", "created"]
        batch.write()
    with database.write() as session:
        product(session, "BARE")
        batch = Batch(session, ["TEE", "BARE"])
        assert [take(batch, number) for number in (2, 3)] == ["unchanged", "created"]
        assert batch.take_file("BARE", NOTHING, pictures(9)[0]).outcome == "updated"
        batch.write()
    with database.read() as session:
        skus = session.scalars(select(Product.sku).order_by(Product.number)).all()
    assert skus == ["TEE", f"TEE-{sha(2)[:6]}", "BARE", f"TEE-{sha(3)[:12]}"]


@pytest.mark.services
def test_a_batch_that_another_import_was_faster_with_fails_whole(
    postgres_database: Database,
) -> None:
    """The caller does it again and then finds the product there."""
    with postgres_database.write() as session:
        batch = Batch(session, ["TEE", "CAP"])
        with postgres_database.write() as other:
            product(other, "CAP")
        assert [row(batch, sku, 1) for sku in ("TEE", "CAP")] == ["created", "created"]
        with pytest.raises(IntegrityError):
            batch.write()
        session.rollback()
    with postgres_database.read() as session:
        assert session.scalars(select(Product.sku)).all() == ["CAP"]


@pytest.mark.services
def test_two_imports_of_the_same_new_values_and_pictures_do_not_deadlock(
    postgres_database: Database,
) -> None:
    """Each writes what both need in one order, whatever the order of its rows."""
    numbers = list(range(20))
    ready = threading.Barrier(2)
    outcomes: list[str] = []

    def take(prefix: str, order: list[int]) -> None:
        with postgres_database.write() as session:
            batch = Batch(session, [f"{prefix}{number}" for number in order])
            for number in order:
                given = {"colour": f"shade {number}", "size": number}
                outcomes.append(row(batch, f"{prefix}{number}", number, attributes=given))
            ready.wait(30)
            batch.write()

    with postgres_database.write() as session:
        product(session, "KINDS", attributes={"colour": "x", "size": 1})
    threads = [
        threading.Thread(target=take, args=(prefix, order))
        for prefix, order in (("A", numbers), ("B", numbers[::-1]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes == ["created"] * 40
    assert count(postgres_database, Product) == 41
    assert count(postgres_database, Blob) == 20
