"""The SQL of a large catalogue: milliseconds a question.

100,000 products on both databases, or with `--products N` as many more on PostgreSQL alone, which
makes most of them itself.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from statistics import median

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue import service
from backend.catalogue.exporting import export_lines
from backend.catalogue.facets import facets, summary
from backend.catalogue.intake import Batch, StoredPicture
from backend.catalogue.listing import list_products, read_filter
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import BulkEdit, ProductFields
from backend.catalogue.sorted_listing import products_at
from backend.catalogue.tables import Product
from backend.database import Database
from backend.jobs.broker import Queue
from backend.jobs.service import items
from backend.jobs.tables import Job, JobItem
from backend.migrating import upgrade
from backend.registry.coverage import coverage
from benchmarks.tables import Table, write
from tests.backend.catalogue.a_million import seed_many
from tests.backend.catalogue.hundred_thousand import GALLERY, KINDS, seed, settle
from tests.conftest import scratch_postgres
from workers.embedding_rows import anything_left, missing_images, stale_images

PRODUCTS = 100_000
TIMES, FEW_TIMES = 9, 3
JOB = "11111111-1111-1111-1111-111111111111"
FILTERS: tuple[tuple[str, ...], ...] = (
    (),
    ("category=dress",),
    ("colour=white",),
    ("category=dress", "colour=white"),
    ("category=dress", "colour=white", "size>=40"),
    ("price=10..60",),
    ("weight=1..1.5",),
    ("colour!=black",),
    ("washable=yes",),
)

Question = Callable[[Session], object]
Figures = dict[str, float]


def main(products: int = PRODUCTS) -> None:
    """Seed the databases and ask; nothing else should run on the machine meanwhile."""
    is_usual = products <= PRODUCTS
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        urls = {"SQLite": f"sqlite:///{folder / 'akin.sqlite3'}"} if is_usual else {}
        urls["PostgreSQL"] = opened.enter_context(scratch_postgres())
        figures = {name: _measured(Database(url), products) for name, url in urls.items()}
    rows = [
        (question, *(figures[name][question] for name in urls))
        for question in figures["PostgreSQL"]
    ]
    caption = (
        f"Median of {_times(products)}, in milliseconds unless it says otherwise; {products:,} "
        f"products with {len(KINDS)} attributes and one embedded image each, a report of "
        f"{PRODUCTS:,} lines."
    )
    table = Table(("question", *urls), rows, caption)
    name = "catalogue_sql" if products == PRODUCTS else f"catalogue_sql_{products}"
    command = f"catalogue_sql --products {products}"
    write(name, f"SQL at {products:,} products", table, command=command)


def _times(products: int) -> int:
    return TIMES if products <= PRODUCTS else FEW_TIMES


def _measured(database: Database, products: int) -> Figures:
    upgrade(database)
    begun = time.perf_counter()
    (seed if products <= PRODUCTS else seed_many)(database, products)
    _add_report(database)
    figures = {"to make it all, s": time.perf_counter() - begun}
    with closing(Queue("memory://")) as queue:
        for name, question in _questions(database, queue, products).items():
            figures[name] = _median(database, question, _times(products))
        figures |= dict(_imports(database))
    begun = time.perf_counter()
    lines = sum(1 for _ in islice(export_lines(database), PRODUCTS))
    figures["export, µs a line"] = 1e6 * (time.perf_counter() - begun) / lines
    database.close()
    return figures


def _add_report(database: Database) -> None:
    with database.write() as session:
        job = Job(id=JOB, kind="ingest", state="done", actor="a", created_at=clock.now())
        session.add(job)
        session.flush()
        rows = [
            {"job_id": JOB, "position": n, "name": f"row {n}", "state": "done", "payload": {}}
            for n in range(PRODUCTS)
        ]
        session.execute(insert(JobItem), rows)
    settle(database)


def _questions(database: Database, queue: Queue, products: int) -> dict[str, Question]:
    with database.read() as session:
        ids = list(session.scalars(select(Product.id).order_by(Product.id).limit(1000)))
        cursor = list_products(session).next_cursor
    return {
        **{f"page: {_named(filters)}": _page(filters) for filters in FILTERS},
        "page: the second": lambda session: list_products(session, cursor=cursor),
        "page: by title, in the middle": lambda session: products_at(
            session, sort="title", offset=products // 2
        ),
        "page: words, frequent": lambda session: list_products(session, text="white dress"),
        "page: words, rare": lambda session: list_products(session, text="number 99123"),
        **{f"facets: {_named(filters)}": _facets(filters) for filters in FILTERS},
        "coverage": lambda session: coverage(session, GALLERY),
        "summary": lambda session: summary(session, GALLERY),
        "product by SKU": lambda session: service.get_by_sku(session, "SKU-050000"),
        "report, a page": lambda session: items(session, JOB, limit=100),
        "is anything left to embed": lambda session: anything_left(session, GALLERY),
        "images to embed, none": lambda session: missing_images(session, GALLERY, 2048),
        "payloads to update, none": lambda session: stale_images(session, GALLERY, 256),
        "change 1,000": lambda session: service.bulk_edit(
            session, queue, BulkEdit(product_ids=ids, category="new")
        ),
        "delete 1,000": lambda session: service.delete_products(session, queue, ids),
    }


def _named(filters: tuple[str, ...]) -> str:
    return " ".join(filters) or "no filter"


def _page(filters: tuple[str, ...]) -> Question:
    return lambda session: list_products(session, filter=read_filter(session, filters))


def _facets(filters: tuple[str, ...]) -> Question:
    return lambda session: facets(session, read_filter(session, filters))


def _median(database: Database, question: Question, times: int) -> float:
    """Of the time inside the transaction; what a question changes is not kept."""
    taken = []
    for _ in range(times):
        with database.write() as session:
            begun = time.perf_counter()
            question(session)
            session.flush()
            taken.append(time.perf_counter() - begun)
            session.rollback()
            session.info.clear()
    return 1000 * median(taken)


def _imports(database: Database) -> Iterator[tuple[str, float]]:
    """Rows of a manifest in the batches of an import: new ones, and the same again."""
    batches = [range(64 * number, 64 * number + 64) for number in range(TIMES)]
    for name in ("import, new, a row", "import, unchanged, a row"):
        taken = [_import(database, numbers) for numbers in batches]
        yield name, 1000 * median(taken) / 64


def _import(database: Database, numbers: range) -> float:
    with database.write() as session:
        begun = time.perf_counter()
        batch = Batch(session, [f"NEW-{number}" for number in numbers])
        for number in numbers:
            sha256 = hashlib.sha256(str(number).encode()).hexdigest()
            picture = StoredPicture(sha256, ImageFacts(60_000, "JPEG", 800, 1000))
            batch.take_row(
                f"NEW-{number}",
                _fields(number),
                [picture],
                on_conflict="update",
                defaults=ProductFields(),
            )
        batch.write()
        return time.perf_counter() - begun


def _fields(number: int) -> ProductFields:
    attributes = {
        "colour": "white",
        "pattern": "plain",
        "sleeve": "long",
        "brand": f"Brand {number % 300}",
        "material": "wool",
        "size": 30 + number % 30,
        "weight": number % 5000 / 1000,
        "washable": True,
    }
    return ProductFields(title=f"Product {number}", category="dress", attributes=attributes)
