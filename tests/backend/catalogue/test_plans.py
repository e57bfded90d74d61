"""No question about a large catalogue reads a whole table where an index should serve."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Index, PrimaryKeyConstraint, Table, UniqueConstraint, delete, insert, select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue import service
from backend.catalogue.facets import facets, summary
from backend.catalogue.intake import Batch, StoredPicture
from backend.catalogue.listing import list_products, read_filter
from backend.catalogue.presenting import payload_of, products_by_ids
from backend.catalogue.schemas import BulkEdit, ProductFields, ProductUpdate
from backend.catalogue.sorted_listing import products_at
from backend.catalogue.tables import Image, Product
from backend.database import Base, Database
from backend.jobs.broker import Queue
from backend.jobs.service import items
from backend.jobs.tables import Job, JobItem
from backend.paging import encode_cursor
from backend.registry.tables import Embedding
from tests.backend.catalogue.hundred_thousand import GALLERY, seed, settle
from tests.backend.catalogue.plans import asked, read_whole
from tests.backend.catalogue.stock import FACTS, sha
from workers.embedding_rows import (
    Wanted,
    anything_left,
    count_missing,
    missing_images,
    note_embedded,
    note_payloads,
    stale_images,
)
from workers.removing import removals

pytestmark = pytest.mark.long

PRODUCTS = 3000
JOB = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def shop(database: Database) -> Database:
    """Products, and a job with a report as long."""
    seed(database, PRODUCTS)
    add_report(database, PRODUCTS)
    settle(database)
    return database


def add_report(database: Database, lines: int) -> None:
    states = ("pending", "done", "failed")
    with database.write() as session:
        session.add(Job(id=JOB, kind="ingest", state="running", actor="a", created_at=clock.now()))
        session.flush()
        rows = [
            {
                "job_id": JOB,
                "position": number,
                "name": f"{number}",
                "state": states[number % 3],
                "payload": {},
            }
            for number in range(lines)
        ]
        session.execute(insert(JobItem), rows)


def questions(shop: Database, queue: Queue) -> dict[str, Callable[[Session], object]]:
    with shop.read() as session:
        ids = list(session.scalars(select(Product.id).limit(40)))
        image = session.scalars(select(Image)).first()
        cursor = list_products(session).next_cursor
        by_title = products_at(session, sort="title").next_cursor
        wanted = _wanted(session)
    listed = {f"list {' '.join(expressions)}": _listing(*expressions) for expressions in FILTERS}
    counted = {f"facets {' '.join(expressions)}": _facets(*expressions) for expressions in FILTERS}
    assert image is not None
    return {
        **listed,
        **counted,
        "next page": lambda session: list_products(session, cursor=cursor),
        "sorted by title": lambda session: products_at(session, sort="title", offset=1000),
        "sorted by SKU": lambda session: products_at(session, sort="sku", offset=1000),
        "sorted, next page": lambda session: products_at(session, sort="title", cursor=by_title),
        "words": lambda session: list_products(session, text="white dress"),
        "summary": lambda session: summary(session, GALLERY),
        "by SKU": lambda session: service.get_by_sku(session, "SKU-000007"),
        "by id": lambda session: service.get(session, ids[0], for_change=True),
        "by ids": lambda session: products_by_ids(session, ids),
        "change": lambda session: service.update_product(
            session, queue, ids[0], ProductUpdate(title="New", attributes={"colour": "new"})
        ),
        "bulk edit": lambda session: service.bulk_edit(
            session, queue, BulkEdit(product_ids=ids, category="new")
        ),
        "bulk delete": lambda session: service.delete_products(session, queue, ids),
        "delete image": lambda session: service.delete_image(
            session, queue, image.product_id, image.id
        ),
        "import": _import,
        "anything left": lambda session: anything_left(session, GALLERY),
        "count missing": lambda session: count_missing(session, GALLERY),
        "missing": _missing,
        "stale": lambda session: stale_images(session, GALLERY, 100),
        "removals": lambda session: removals(session, 100),
        "note embedded": lambda session: note_embedded(session, GALLERY, [(wanted, None)]),
        "note payloads": lambda session: note_payloads(session, GALLERY, [wanted]),
        "report": lambda session: items(session, JOB, cursor=encode_cursor([100])),
        "refusals": lambda session: items(session, JOB, state="failed"),
    }


FILTERS = [
    (),
    ("category=dress",),
    ("category!=dress", "split=train"),
    ("price=10..20",),
    ("sku=SKU-000001,SKU-000002",),
    ("colour=white",),
    ("colour=white,blue", "size>=40"),
    ("colour!=white",),
    ("weight=1..2", "washable=no", "category=dress"),
    ("weight!=1..2",),
]


def _wanted(session: Session) -> Wanted:
    image, product = session.execute(select(Image, Product).join(Product).limit(1)).one()
    payload = payload_of(product, ())
    return Wanted(image.id, image.revision, image.sha256, product.sku, payload, image.number)


def _listing(*expressions: str) -> Callable[[Session], object]:
    return lambda session: list_products(session, filter=read_filter(session, expressions))


def _facets(*expressions: str) -> Callable[[Session], object]:
    return lambda session: facets(session, read_filter(session, expressions))


def _missing(session: Session) -> None:
    """One of three thousand."""
    newest = select(Image.id).order_by(Image.number.desc()).limit(1).scalar_subquery()
    session.execute(delete(Embedding).where(Embedding.image_id == newest))
    assert len(missing_images(session, GALLERY, 2048)) == 1


def _import(session: Session) -> None:
    batch = Batch(session, ["SKU-000001", "NEW"])
    for sku in ("SKU-000001", "NEW"):
        fields = ProductFields(title="Other", attributes={"colour": "ultramarine"})
        pictures = [StoredPicture(sha(7), FACTS)]
        batch.take_row(sku, fields, pictures, on_conflict="update", defaults=ProductFields())
    batch.write()


_COUNTS = "counts all rows, over an index alone"
_MOST = "nearly every product is meant"
_UNTIL_FULL = "read from the newest until the page is full"
RIGHT: dict[str, dict[str, str]] = {
    "list ": {"products": _UNTIL_FULL},
    "list colour!=white": {"products": _UNTIL_FULL},
    "list weight!=1..2": {"products": _UNTIL_FULL},
    "sorted by title": {"products": _COUNTS},
    "sorted by SKU": {"products": _COUNTS},
    "words": {"products": "a word may be anywhere"},
    "facets ": {"products": _COUNTS, "product_values": _COUNTS},
    "facets category=dress": {"products": "counts the other categories, over an index alone"},
    "facets price=10..20": {"products": "the whole range of prices, over an index alone"},
    "facets category!=dress split=train": {"products": _MOST},
    "facets colour!=white": {"products": _MOST},
    "facets weight!=1..2": {"products": _MOST},
    "summary": {"products": _COUNTS, "images": _COUNTS},
    "count missing": {"images": _COUNTS},
    "anything left": {"images": _COUNTS},
    "missing": {"images": "read from the newest until all that are missing are found"},
}
"""What SQLite reads whole or from one end, and why that is right."""


def test_no_question_reads_a_large_table_whole(shop: Database, queue: Queue) -> None:
    unexpected = {
        (name, table): statement
        for name, question in questions(shop, queue).items()
        for table, statement in read_whole(shop, asked(shop, question)).items()
        if table not in RIGHT.get(name, {})
    }
    assert unexpected == {}


def test_an_index_serves_every_reference_to_a_row_that_may_go() -> None:
    """Else a deletion would look through all of a child table; promotions that waited are few."""
    served = {
        (table.name, columns[: len(key)])
        for table in Base.metadata.sorted_tables
        for columns in _indexed(table)
        for key in (constraint.column_keys for constraint in table.foreign_key_constraints)
    }
    unserved = {
        (table.name, *constraint.column_keys)
        for table in Base.metadata.sorted_tables
        for constraint in table.foreign_key_constraints
        if (table.name, tuple(constraint.column_keys)) not in served
    }
    assert unserved == {("promotions", "gallery_id")}


def _indexed(table: Table) -> list[tuple[str, ...]]:
    unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    indexes: list[Index | UniqueConstraint | PrimaryKeyConstraint] = [*table.indexes, *unique]
    return [tuple(column.name for column in one.columns) for one in [*indexes, table.primary_key]]
