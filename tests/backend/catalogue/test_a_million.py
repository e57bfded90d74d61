"""What PostgreSQL does at a million products, and that they are made as fewer are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, func, select, text

from backend.catalogue.tables import Blob, Image, Product
from backend.database import Database
from backend.jobs.broker import Queue
from backend.migrating import upgrade
from backend.registry.coverage import coverage
from tests.backend.catalogue.a_million import DRAWN, seed_many
from tests.backend.catalogue.hundred_thousand import GALLERY, settle
from tests.backend.catalogue.plans import asked, read_whole
from tests.backend.catalogue.test_plans import RIGHT, add_report, questions
from tests.conftest import scratch_postgres

MANY = 1_000_000


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


@pytest.fixture(scope="module")
def million() -> Iterator[Database]:
    with scratch_postgres() as url:
        database = Database(url)
        upgrade(database)
        seed_many(database, MANY)
        add_report(database, MANY // 10)
        settle(database)
        yield database
        database.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of it make the rows
def test_no_question_reads_a_table_of_a_million_whole(million: Database, queue: Queue) -> None:
    unexpected = {
        (name, table): statement
        for name, question in questions(million, queue).items()
        for table, statement in read_whole(
            million, asked(million, question), as_it_likes=True
        ).items()
        if table not in RIGHT.get(name, {})
    }
    assert unexpected == {}
