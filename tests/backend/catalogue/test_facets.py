from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from backend.catalogue.attributes import MAX_FILTERABLE
from backend.catalogue.facets import MAX_VALUES, facets, summary
from backend.catalogue.listing import read_filter
from backend.catalogue.schemas import Facet
from backend.catalogue.tables import Image
from backend.database import Database
from tests.backend.catalogue.stock import embedded, gallery, product


@pytest.fixture
def shop(database: Database) -> Database:
    with database.write() as session:
        for sku, category, price, colour, size, weight, washable in [
            ("A", "tee", "10", "red", 38, 0.5, True),
            ("B", "tee", "20.50", "red", 40, 1.5, False),
            ("C", "dress", "30", "blue", 40, None, True),
            ("D", "hat", None, None, None, None, None),
        ]:
            given = {"colour": colour, "Size": size, "weight": weight, "washable": washable}
            product(
                session,
                sku,
                category=category,
                price=price,
                currency=price and "EUR",
                attributes={key: value for key, value in given.items() if value is not None},
            )
    return database


def counted(shop: Database, *expressions: str) -> dict[str, Facet]:
    with shop.read() as session:
        return {one.key: one for one in facets(session, read_filter(session, expressions))}


def values(facet: Facet) -> list[tuple[Any, int]]:
    return [(one.value, one.count) for one in facet.values]


def test_fields_are_counted_over_products_the_most_frequent_value_first(shop: Database) -> None:
    found = counted(shop)
    assert list(found) == ["category", "split", "price", "colour", "size", "weight", "washable"]
    assert values(found["category"]) == [("tee", 2), ("dress", 1), ("hat", 1)]
    assert values(found["split"]) == [("train", 4)]
    assert values(found["colour"]) == [("red", 2), ("blue", 1)]
    assert values(found["size"]) == [(40, 2), (38, 1)]
    assert values(found["washable"]) == [(True, 2), (False, 1)]
    assert (found["size"].label, found["size"].kind) == ("Size", "integer")
    assert all(type(one.value) is int for one in found["size"].values)
    assert all(type(one.value) is bool for one in found["washable"].values)


def test_numbers_have_a_range(shop: Database) -> None:
    found = counted(shop)
    ranges = {key: (one.minimum, one.maximum) for key, one in found.items()}
    assert ranges == {
        "category": (None, None),
        "split": (None, None),
        "price": (10.0, 30.0),
        "colour": (None, None),
        "size": (38.0, 40.0),
        "weight": (0.5, 1.5),
        "washable": (None, None),
    }
    assert (found["price"].values, found["weight"].values) == ([], [])


def test_a_field_is_counted_under_the_filters_on_the_others(shop: Database) -> None:
    found = counted(shop, "colour=blue", "price>=15")
    assert values(found["colour"]) == [("blue", 1), ("red", 1)], "so red can be added to blue"
    assert (found["price"].minimum, found["price"].maximum) == (30.0, 30.0)
    assert values(found["category"]) == [("dress", 1)]
    assert values(found["size"]) == [(40, 1)]
    assert found["weight"].minimum is None


def test_an_empty_catalogue_has_its_fixed_fields(database: Database) -> None:
    found = counted(database)
    assert list(found) == ["category", "split", "price"]
    assert found["category"].values == []
    assert found["price"].minimum is None


def test_a_field_shows_its_30_most_frequent_values(database: Database) -> None:
    with database.write() as session:
        for number in range(MAX_VALUES + 5):
            product(session, f"P{number}", attributes={"code": f"c{number}"})
        product(session, "TWIN", attributes={"code": "c7"})
    found = values(counted(database)["code"])
    assert found[0] == ("c7", 2)
    assert len(found) == MAX_VALUES


def test_attributes_that_are_shown_only_have_no_facet(database: Database) -> None:
    with database.write() as session:
        many = {f"a{number:02d}": "x" for number in range(MAX_FILTERABLE + 1)}
        product(session, "P", attributes=many)
    found = counted(database)
    assert "a31" in found
    assert "a32" not in found


def test_the_summary_counts_what_search_can_find(shop: Database) -> None:
    with shop.write() as session:
        gallery(session, "gallery-a")
        gallery(session, "gallery-b")
        product(session, "E", 1, 2, 3, split="val")
        first, second, _ = session.scalars(select(Image).order_by(Image.position))
        embedded(session, first, "gallery-a")
        embedded(session, second, "gallery-a", error="It is all NaN.")
        embedded(session, first, "gallery-b")
    with shop.read() as session:
        found = summary(session, "gallery-a")
        assert summary(session, None).embedded == 0
    assert found.model_dump() == {
        "products": 5,
        "images": 3,
        "embedded": 1,
        "unreadable": 1,
        "categories": {"dress": 1, "hat": 1, "tee": 2, "uncategorised": 1},
        "splits": {"train": 4, "val": 1, "test": 0},
    }
