"""The large catalogue of the tests and measurements is one that Akin could have written."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.catalogue.facets import facets, summary
from backend.catalogue.listing import list_products
from backend.catalogue.tables import Attribute, Image, Product, ProductValue, ValueRow, words_of
from backend.catalogue.values import link_values
from backend.database import Database
from tests.backend.catalogue.hundred_thousand import GALLERY, KINDS, seed
from tests.backend.catalogue.stock import product
from workers.embedding_rows import anything_left

PRODUCTS = 200


def values(session: Session) -> set[tuple[object, ...]]:
    columns = (ProductValue.product_number, ValueRow.slug, ValueRow.text, ValueRow.number)
    joined = select(*columns).join(ValueRow, ValueRow.id == ProductValue.value_id)
    return {tuple(row) for row in session.execute(joined)}


def test_its_rows_are_those_that_the_catalogue_writes(database: Database) -> None:
    seed(database, PRODUCTS)
    with database.write() as session:
        seeded = values(session)
        products = session.scalars(select(Product)).all()
        session.execute(delete(ProductValue))
        session.execute(delete(ValueRow))
        link_values(session, products, new=True)
        assert values(session) == seeded
        assert all(one.words == words_of(one.title, one.sku) for one in products)
        kinds = dict(session.execute(select(Attribute.slug, Attribute.kind)).all())
    assert kinds == KINDS
    assert len(products) == PRODUCTS


def test_it_is_embedded_and_can_be_added_to(database: Database) -> None:
    seed(database, PRODUCTS)
    with database.write() as session:
        assert not anything_left(session, GALLERY)
        assert summary(session, GALLERY).embedded == PRODUCTS
        assert product(session, "NEW", 7, attributes={"colour": "new"}).number == PRODUCTS + 1
        assert session.scalars(select(Image.number).order_by(Image.number.desc())).first() == 201
        assert anything_left(session, GALLERY)
        assert list_products(session).items[0].sku == "NEW"
        colours = {one.key: one.values for one in facets(session)}["colour"]
    assert {value.value for value in colours} > {"new", "black"}
