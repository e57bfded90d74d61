"""How much of the catalogue a gallery holds."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.catalogue import service
from backend.catalogue.schemas import ProductUpdate
from backend.catalogue.tables import Image
from backend.database import Database
from backend.jobs.broker import Queue
from backend.registry.coverage import Coverage, coverage
from tests.backend.catalogue.hundred_thousand import GALLERY, seed, settle
from tests.backend.catalogue.plans import asked, read_whole
from tests.backend.catalogue.stock import embedded, gallery, product
from workers.embedding_rows import anything_left


def test_every_image_is_in_its_place(database: Database, queue: Queue) -> None:
    with database.write() as session:
        gallery(session, "gallery-a")
        gallery(session, "gallery-b")
        product(session, "HELD", 1)
        edited = product(session, "EDITED", 2, 3).id
        product(session, "NEW", 4, 5, 6)
        product(session, "BROKEN", 7)
        images = {image.sha256: image for image in session.scalars(select(Image))}
        held = [images[f"{number:064x}"] for number in (1, 2, 3, 7)]
        for image in held[:2]:
            embedded(session, image, "gallery-a")
        for image in held[2:]:
            embedded(session, image, "gallery-a", error="It is no picture.")
        embedded(session, held[0], "gallery-b")
    with database.write() as session:
        service.update_product(session, queue, edited, ProductUpdate(title="Edited"))
    with database.read() as session:
        found = coverage(session, "gallery-a")
        assert found == Coverage(images=7, embedded=1, stale=2, missing=3, refused=2)
        assert found.share == 1 / 7
        assert coverage(session, "gallery-b") == Coverage(7, 1, 0, 6, 0)
        assert coverage(session, "nowhere") == Coverage(7, 0, 0, 7, 0)


def test_complete_is_what_the_embed_job_has_nothing_left_of(
    database: Database, queue: Queue
) -> None:
    def complete(session: Session) -> bool:
        is_complete = coverage(session, "gallery-a").is_complete
        assert is_complete is not anything_left(session, "gallery-a")
        return is_complete

    with database.write() as session:
        gallery(session, "gallery-a")
        assert complete(session)
        tee = product(session, "TEE", 1, 2).id
        assert not complete(session)
        for error, image in zip((None, "No picture."), session.scalars(select(Image)), strict=True):
            embedded(session, image, "gallery-a", error)
        assert complete(session)
        service.update_product(session, queue, tee, ProductUpdate(title="Other"))
        assert not complete(session)


def test_an_empty_catalogue_is_held_whole(database: Database) -> None:
    with database.write() as session:
        gallery(session, "gallery-a")
        found = coverage(session, "gallery-a")
    assert (found.share, found.is_complete) == (1.0, True)


def test_it_is_counted_over_indexes_alone(database: Database) -> None:
    seed(database, 3000)
    settle(database)
    with database.write() as session:
        newest = select(Image.id).order_by(Image.number.desc()).limit(5)
        session.execute(delete(Image).where(Image.id.in_(newest.scalar_subquery())))
        assert coverage(session, GALLERY) == Coverage(2995, 2995, 0, 0, 0)
        session.rollback()
    statements = asked(database, lambda session: coverage(session, GALLERY))
    whole = read_whole(database, statements)
    assert whole.keys() <= {"images"}, "all images are counted, over an index"
    if database.is_sqlite:
        with database.engine.connect() as connection:
            ((statement, parameters),) = (one for one in statements if "count" in one[0])
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            assert any("SCAN images USING COVERING INDEX" in str(row[-1]) for row in plan)
