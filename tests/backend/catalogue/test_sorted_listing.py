"""Pages of the catalogue in an order of choice."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, update

from backend.catalogue.listing import read_filter
from backend.catalogue.routes import router
from backend.catalogue.schemas import ProductSort
from backend.catalogue.sorted_listing import products_at
from backend.catalogue.tables import Product
from backend.database import Database
from backend.errors import InvalidInput
from backend.paging import encode_cursor
from backend.runtime import Runtime
from backend.whole_numbers import LARGEST
from tests.api import api_of
from tests.backend.catalogue.stock import product

TITLES = {"C": "Apron", "A": "Cap", "D": "Belt", "B": "Cap"}


def filled(database: Database) -> None:
    with database.write() as session:
        for number, (sku, title) in enumerate(TITLES.items()):
            product(session, sku, number, title=title, category="hat" if sku < "C" else "other")


@pytest.mark.parametrize(
    ("sort", "order"),
    [("newest", "BDAC"), ("oldest", "CADB"), ("sku", "ABCD"), ("title", "CDAB")],
)
def test_every_order_at_every_place(database: Database, sort: ProductSort, order: str) -> None:
    filled(database)
    with database.read() as session:
        for offset in range(6):
            page = products_at(session, sort=sort, offset=offset, limit=2)
            assert "".join(one.sku for one in page.items) == order[offset : offset + 2]
            assert (page.total, page.next_cursor is None) == (4, offset >= 2)


@pytest.mark.parametrize(
    ("sort", "order"), [("oldest", "CADB"), ("sku", "ABCD"), ("title", "CDAB")]
)
def test_pages_by_cursor_miss_and_repeat_nothing_while_others_come_and_go(
    database: Database, sort: ProductSort, order: str
) -> None:
    filled(database)
    with database.read() as session:
        first = products_at(session, sort=sort, limit=2)
    with database.write() as session:  # the first is gone: an offset would pass over one too many
        session.execute(delete(Product).where(Product.sku == order[0]))
    with database.read() as session:
        second = products_at(session, sort=sort, cursor=first.next_cursor, limit=2)
    assert "".join(one.sku for one in [*first.items, *second.items]) == order
    assert (second.next_cursor, second.total) == (None, 4)


def test_a_cursor_holds_for_its_own_order_alone(database: Database) -> None:
    filled(database)
    with database.read() as session:
        cursor = products_at(session, sort="sku", limit=2).next_cursor
        with pytest.raises(InvalidInput, match="not one this list gave out in this order"):
            products_at(session, sort="title", cursor=cursor)
        with pytest.raises(InvalidInput, match="not one this list gave out"):
            products_at(session, sort="title", cursor=encode_cursor(["title", "x", "y", 1]))


@pytest.mark.parametrize("sort", ["oldest", "title"])
def test_a_catalogue_may_have_had_a_thousand_million_products(
    database: Database, sort: ProductSort
) -> None:
    """Numbers grow with every product, also with those that are gone."""
    filled(database)
    late = {"A": 2 * 10**9, "B": LARGEST}
    with database.write() as session:
        for sku, number in late.items():
            session.execute(update(Product).where(Product.sku == sku).values(number=number))
    found, cursor = "", None
    with database.read() as session:
        while cursor or not found:
            page = products_at(session, sort=sort, cursor=cursor, limit=1)
            found, cursor = found + page.items[0].sku, page.next_cursor
        strange = encode_cursor([sort, "Cap", LARGEST + 1, 4])
        with pytest.raises(InvalidInput, match="not one this list gave out in this order"):
            products_at(session, sort=sort, cursor=strange)
    assert found == "CDAB"


def test_filters_and_words_hold(database: Database) -> None:
    filled(database)
    with database.read() as session:
        wanted = read_filter(session, ["category=hat"])
        hats = products_at(session, filter=wanted, sort="sku")
        caps = products_at(session, text="cap", sort="oldest")
    assert ([one.sku for one in hats.items], hats.total) == (["A", "B"], 2)
    assert [one.sku for one in caps.items] == ["A", "B"]


def test_over_http_pages_go_by_offset(runtime: Runtime) -> None:
    filled(runtime.database)
    http = TestClient(api_of(runtime, router))
    found = http.get("/v1/products?sort=sku&offset=1&limit=2").json()
    assert [one["sku"] for one in found["items"]] == ["B", "C"]
    newest = http.get("/v1/products?offset=3").json()
    assert [one["sku"] for one in newest["items"]] == ["C"]
    jumped = http.get("/v1/products?offset=1&limit=1").json()
    for sort, page in (("sku", found), ("newest", jumped)):  # and on from there by cursor
        asked = {"sort": sort, "limit": 1, "cursor": page["next_cursor"]}
        onward = http.get("/v1/products", params=asked).json()
        assert [one["sku"] for one in onward["items"]] == ["D" if sort == "sku" else "A"]
    assert http.get("/v1/products?sort=price").status_code == 422
    assert http.get("/v1/products?offset=-1").status_code == 422
