"""Pages of the catalogue in an order of choice."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend import problems
from backend.catalogue.listing import read_filter
from backend.catalogue.routes import router
from backend.catalogue.schemas import ProductSort
from backend.catalogue.sorted_listing import products_at
from backend.database import Database
from backend.runtime import Runtime
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
            assert (page.total, page.next_cursor) == (4, None)


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
    app = FastAPI()
    app.state.runtime = runtime
    app.include_router(router)
    problems.install(app)
    http = TestClient(app)
    found = http.get("/v1/products?sort=sku&offset=1&limit=2").json()
    assert [one["sku"] for one in found["items"]] == ["B", "C"]
    newest = http.get("/v1/products?offset=3").json()
    assert [one["sku"] for one in newest["items"]] == ["C"]
    assert http.get("/v1/products?sort=price").status_code == 422
    assert http.get("/v1/products?offset=-1").status_code == 422
