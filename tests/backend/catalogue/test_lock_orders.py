"""Those who change the same products at the same moment wait for one another, and never both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue import service
from backend.catalogue.intake import Batch
from backend.catalogue.schemas import BulkEdit, ProductFields
from backend.catalogue.tables import Product
from backend.database import Database
from backend.jobs.broker import Queue
from tests.locks import wait_for

pytestmark = pytest.mark.services


def plain(session: Session, product_id: str) -> None:
    fields = {"title": "T", "category": "c", "split": "train", "attributes": {}}
    moment = clock.now()
    session.add(
        Product(id=product_id, sku=product_id, **fields, created_at=moment, updated_at=moment)
    )
    session.flush()


@pytest.mark.parametrize("delete", [False, True])
def test_an_import_and_an_edit_of_many_lock_products_in_one_order(
    postgres_database: Database, queue: Queue, delete: bool
) -> None:
    """The ids of the products are in the opposite order of their numbers."""
    database = postgres_database
    with database.write() as session:
        plain(session, "z")
        plain(session, "a")

    def importing() -> None:
        with database.write() as session:
            batch = Batch(session, ["a", "z"])
            fields = ProductFields(category="hat")
            batch.take_row("z", fields, [], on_conflict="update", defaults=fields)
            batch.write()

    def editing() -> None:
        change = {"delete": True} if delete else {"split": "val"}
        with database.write() as session:
            edit = BulkEdit.model_validate({"product_ids": ["a", "z"], **change})
            service.bulk_edit(session, queue, edit)

    with ThreadPoolExecutor(2) as pool:
        with database.write() as session:
            session.scalars(select(Product).where(Product.id == "z").with_for_update()).one()
            done = []
            for work in (importing, editing):
                done.append(pool.submit(work))
                wait_for(database, len(done))
        for one in done:
            one.result(60)
