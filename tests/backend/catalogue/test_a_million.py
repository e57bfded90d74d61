"""The rows that PostgreSQL copies are whole, and like those that are drawn."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, select, text

from backend.catalogue.tables import Blob, Image, Product
from backend.database import Database
from backend.migrating import upgrade
from backend.registry.coverage import coverage
from tests.backend.catalogue.a_million import DRAWN, seed_many
from tests.backend.catalogue.hundred_thousand import GALLERY


@pytest.mark.slow
def test_copies_are_whole_and_numbered_on(scratch_postgres_url: str) -> None:
    database = Database(scratch_postgres_url)
    upgrade(database)
    seed_many(database, 3 * DRAWN)
    with database.read() as session:
        counted = coverage(session, GALLERY)
        assert (counted.images, counted.embedded) == (3 * DRAWN, 3 * DRAWN)
        joined = select(func.count()).select_from(Image).join(Product).join(Blob)
        assert session.scalar(joined) == 3 * DRAWN
        last = session.scalars(select(Product).order_by(Product.number.desc()).limit(1)).one()
        assert (last.number, last.sku) == (3 * DRAWN, "SKU-029999")
        assert last.title.endswith(" number 29999")
        assert last.words == f"{last.title}\n{last.sku}".lower()
    with database.write() as session:
        session.execute(delete(Product).where(Product.number > 2 * DRAWN))  # with what hangs on it
        assert session.scalar(text("SELECT max(product_number) FROM product_values")) == 2 * DRAWN
    database.close()
