"""Products are created and changed by hand."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest

from backend.catalogue import service
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import ProductCreate, ProductUpdate
from backend.catalogue.tables import Product
from backend.database import Database
from backend.errors import AkinError, Conflict, InvalidInput, NotFound
from backend.jobs.broker import Queue
from tests.backend.catalogue.stock import (
    count,
    embed_jobs,
    product,
    revisions,
    sha,
    stocked,
)
from tests.conftest import MovableClock

# Creating


def test_a_product_comes_back_as_it_was_created(database: Database) -> None:
    new = ProductCreate(
        sku="TEE-0042",
        title="Red striped T-shirt",
        category="t-shirt",
        split="val",
        price=Decimal("19.90"),
        currency="EUR",
        attributes={"Colour": "red", "Weight (g)": "180"},
    )
    with database.write() as session:
        product_id = service.create_product(session, new).id

    with database.read() as session:
        found = service.get(session, product_id)
        assert service.get_by_sku(session, "TEE-0042") is found
        (shown,) = to_schema(session, [found])
    assert shown.model_dump(exclude={"id", "created_at", "updated_at"}) == {
        **new.model_dump(),
        "attributes": {"colour": "red", "weight_g": 180},
        "images": [],
    }
    assert shown.created_at == shown.updated_at


def test_a_sku_is_taken_once(database: Database) -> None:
    with database.write() as session:
        product(session, "TEE")
    with (
        pytest.raises(Conflict, match="product with the SKU 'TEE' already: change that one, or"),
        database.write() as session,
    ):
        product(session, "TEE")


def test_of_two_who_create_one_sku_at_once_one_wins(database: Database) -> None:
    ready = threading.Barrier(6)
    outcomes: list[str] = []

    def create() -> None:
        ready.wait()
        try:
            with database.write() as session:
                product(session, "TEE")
            outcomes.append("created")
        except Conflict as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["conflict"] * 5 + ["created"]
    assert count(database, Product) == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"price": "9.90"}, "A price needs its currency: give three letters such as EUR"),
        ({"currency": "EUR"}, "A currency needs its price: give one, or leave EUR away"),
        ({"title": "a\0b"}, "The title holds a NUL character: remove it"),
        ({"attributes": {"sku": "1"}}, "'sku' is a field of every product"),
    ],
)
def test_what_a_product_cannot_be(
    sqlite_database: Database, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence), sqlite_database.write() as session:
        product(session, "TEE", **fields)
    assert count(sqlite_database, Product) == 0


def test_what_is_not_there(sqlite_database: Database) -> None:
    with sqlite_database.read() as session:
        with pytest.raises(NotFound, match="no product 17: it may have been deleted"):
            service.get(session, "17")
        with pytest.raises(NotFound, match="no product with the SKU 'X': look it up"):
            service.get_by_sku(session, "X")
        assert service.find(session, "X") is None
        assert service.find(session, "a\0b") is None


# Changing


def test_an_update_changes_what_is_given_and_tells_every_gallery(
    database: Database, queue: Queue, clock: MovableClock
) -> None:
    product_id = stocked(database)
    clock.advance(60)
    change = ProductUpdate(split="test", attributes={"colour": "blue", "Fit": "slim"})
    with database.write() as session:
        service.update_product(session, queue, product_id, change)

    with database.read() as session:
        found = service.get(session, product_id)
        assert (found.split, found.title, found.price) == ("test", "Title of TEE", Decimal("19.90"))
        assert found.attributes == {"colour": "blue", "fit": "slim"}
        assert (found.updated_at - found.created_at).total_seconds() == 60
    assert revisions(database) == {sha(1): 2, sha(2): 2}
    assert embed_jobs(database) == ["gallery-a", "gallery-b"]
    assert queue.waiting("embed") + queue.waiting("reembed") == 2


def test_an_update_that_changes_nothing_has_no_consequence(
    database: Database, queue: Queue
) -> None:
    product_id = stocked(database)
    same = ProductUpdate(price=Decimal("19.9"), attributes={"COLOUR": "red", "fit": None})
    with database.write() as session:
        service.update_product(session, queue, product_id, same)
    assert revisions(database) == {sha(1): 1, sha(2): 1}
    assert embed_jobs(database) == []


def test_null_takes_an_attribute_and_the_price_away(
    sqlite_database: Database, queue: Queue
) -> None:
    product_id = stocked(sqlite_database)
    change = ProductUpdate.model_validate({"price": None, "attributes": {"Colour": None}})
    with sqlite_database.write() as session:
        found = service.update_product(session, queue, product_id, change)
        assert (found.price, found.currency, found.attributes) == (None, None, {})


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"title": None}, InvalidInput, "title of 'TEE' cannot be taken away: give another"),
        ({"category": None}, InvalidInput, "category of 'TEE' cannot be taken away"),
        ({"currency": None}, InvalidInput, "A price needs its currency"),
        ({"price": None, "currency": "USD"}, InvalidInput, "A currency needs its price"),
        ({"category": "a\0"}, InvalidInput, "The category holds a NUL character"),
        ({"attributes": {"category": "x"}}, InvalidInput, "is a field of every product"),
    ],
)
def test_changes_that_are_refused(
    sqlite_database: Database,
    queue: Queue,
    change: dict[str, Any],
    error: type[AkinError],
    sentence: str,
) -> None:
    product_id = stocked(sqlite_database)
    with pytest.raises(error, match=sentence), sqlite_database.write() as session:
        service.update_product(session, queue, product_id, ProductUpdate.model_validate(change))
    assert embed_jobs(sqlite_database) == []


def test_concurrent_changes_of_different_attributes_are_all_kept(
    database: Database, queue: Queue
) -> None:
    product_id = stocked(database)
    names = [f"a{number}" for number in range(8)]

    def change(name: str) -> None:
        with database.write() as session:
            service.update_product(
                session, queue, product_id, ProductUpdate(attributes={name: "x"})
            )

    threads = [threading.Thread(target=change, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as session:
        assert set(service.get(session, product_id).attributes) == {"colour", *names}
    assert revisions(database) == {sha(1): 9, sha(2): 9}
