"""What SQL knows about one gallery: which images it lacks, which points are stale or to go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.blobs import BlobStore
from backend.catalogue.attributes import filterable_attributes
from backend.catalogue.presenting import payload_of
from backend.catalogue.tables import Blob, Image, Product, Removal
from backend.database import Base
from backend.gallery.port import Payload
from backend.jobs.tables import Job
from backend.registry.tables import Embedding


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image as it was read: what its point is to be, and at which revision."""

    image_id: str
    revision: int
    sha256: str
    sku: str
    payload: Payload


class Gone(NamedTuple):
    """A removal as it was read."""

    image_id: str
    sha256: str
    created_at: datetime


def missing_images(session: Session, gallery_id: str, limit: int) -> list[Wanted]:
    """Images that the gallery neither holds nor has refused."""
    return _wanted(session, _images().where(_missing(gallery_id)).limit(limit))


def stale_images(session: Session, gallery_id: str, limit: int) -> list[Wanted]:
    """Images whose product was edited after their point was written."""
    query = _images().join(Embedding, Embedding.image_id == Image.id).where(_stale(gallery_id))
    return _wanted(session, query.limit(limit))


def removals(session: Session, limit: int) -> list[Gone]:
    """Deleted images whose points, blobs and renditions may still be there."""
    rows = session.execute(
        select(Removal.image_id, Removal.sha256, Removal.created_at).limit(limit)
    )
    return [Gone(*row) for row in rows]


def count_missing(session: Session, gallery_id: str) -> int:
    """How many images `missing_images` would give without a limit."""
    query = select(func.count()).select_from(Image).where(_missing(gallery_id))
    return session.scalar(query) or 0


def anything_left(session: Session, gallery_id: str) -> bool:
    """Whether the gallery is not in line with the catalogue."""
    stale = select(Embedding.image_id).join(Image, Image.id == Embedding.image_id)
    queries = [
        select(Removal.image_id),
        select(Image.id).where(_missing(gallery_id)),
        stale.where(_stale(gallery_id)),
    ]
    return any(session.execute(query.limit(1)).first() for query in queries)


def imported(session: Session) -> int | None:
    """How many items the running imports have done so far; None where no import runs."""
    running = select(func.sum(Job.done)).where(Job.kind == "ingest", Job.state == "running")
    return session.scalar(running)


def note_embedded(
    session: Session, gallery_id: str, errors: Sequence[tuple[Wanted, str | None]]
) -> None:
    """Note that points were written, or why not; those of images deleted meanwhile are to go.

    The rows are read again here (Decision 10): an image gone since is left to the removals, and
    one that changed is noted at the revision that was written, so that it is stale.
    """
    ids = [one.image_id for one, _ in errors]
    # The lock keeps PostgreSQL from deleting an image between this look and the commit.
    there = select(Image.id).where(Image.id.in_(ids)).order_by(Image.id)
    present = set(session.scalars(there.with_for_update(read=True, key_share=True)))
    rows = [
        {
            "image_id": one.image_id,
            "gallery_id": gallery_id,
            "image_revision": one.revision,
            "error": error,
            "created_at": clock.now(),
        }
        for one, error in errors
        if one.image_id in present
    ]
    if rows:
        session.execute(_insert(session, Embedding).values(rows).on_conflict_do_nothing())
    for one, _ in errors:
        if one.image_id not in present:
            _remove_again(session, one)


def _remove_again(session: Session, gone: Wanted) -> None:
    """A removal that is there is dated anew: a worker that has just deleted the point, and not
    yet forgotten the removal, must not forget the point that was written meanwhile."""
    values = {"image_id": gone.image_id, "sha256": gone.sha256, "created_at": clock.now()}
    statement = _insert(session, Removal).values(values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["image_id"], set_={"created_at": values["created_at"]}
        )
    )


def _insert(session: Session, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite.insert(table) if on_sqlite else postgresql.insert(table)


def note_payloads(session: Session, gallery_id: str, written: Sequence[Wanted]) -> None:
    """Note at which revisions the payloads of points were written."""
    rows = [
        {"image_id": one.image_id, "gallery_id": gallery_id, "image_revision": one.revision}
        for one in written
    ]
    there = select(Embedding.image_id).where(
        Embedding.gallery_id == gallery_id,
        Embedding.image_id.in_([one.image_id for one in written]),
    )
    present = set(session.scalars(there.with_for_update()))
    rows = [row for row in rows if row["image_id"] in present]
    if rows:
        session.execute(update(Embedding), rows)


def forget_removals(session: Session, blobs: BlobStore, gone: Sequence[Gone]) -> None:
    """Delete the blobs no image refers to any more, and the removals unless dated anew since.

    The files go inside the transaction, against the rule: an import that comes upon the same
    bytes at this moment must find either both the row and the file, or neither.
    """
    hashes = sorted({one.sha256 for one in gone})
    of_these = Blob.sha256.in_(hashes)
    # Two statements, since PostgreSQL looks for references as of a statement's beginning.
    session.execute(select(Blob.sha256).where(of_these).order_by(Blob.sha256).with_for_update())
    unused = of_these & ~exists().where(Image.sha256 == Blob.sha256)
    for sha256 in session.scalars(delete(Blob).where(unused).returning(Blob.sha256)).all():
        blobs.delete(sha256)
    for one in gone:
        as_read = (Removal.image_id == one.image_id, Removal.created_at == one.created_at)
        session.execute(delete(Removal).where(*as_read))


def _images() -> Select[Image, Product]:
    return select(Image, Product).join(Product, Product.id == Image.product_id).order_by(Image.id)


def _wanted(session: Session, query: Select[Image, Product]) -> list[Wanted]:
    filterable = filterable_attributes(session)
    return [
        Wanted(image.id, image.revision, image.sha256, product.sku, payload_of(product, filterable))
        for image, product in session.execute(query)
    ]


def _missing(gallery_id: str) -> ColumnElement[bool]:
    held = and_(Embedding.image_id == Image.id, Embedding.gallery_id == gallery_id)
    return ~exists().where(held)


def _stale(gallery_id: str) -> ColumnElement[bool]:
    return and_(
        Embedding.gallery_id == gallery_id,
        Embedding.image_revision < Image.revision,
        Embedding.error.is_(None),
    )
