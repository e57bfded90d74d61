"""What SQL knows about one gallery: which images it lacks, which points are stale or to go."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.attributes import filterable_attributes
from backend.catalogue.presenting import payload_of
from backend.catalogue.tables import Image, Product, Removal
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
    number: int


class Noted(NamedTuple):
    """What became of a batch: the ids of images that are there still, and stay so until the
    commit, and whether something is left to do; then the transaction ends with `ensure_embed`."""

    present: AbstractSet[str]
    unfinished: bool


def missing_images(session: Session, gallery_id: str, limit: int) -> list[Wanted]:
    """Images that the gallery neither holds nor has refused, the newest first.

    They are mostly the newest, so that the search ends where the last of them is found.
    """
    count = min(limit, count_missing(session, gallery_id))
    newest_first = _images().where(_missing(gallery_id)).order_by(Image.number.desc())
    return _wanted(session, newest_first.limit(count)) if count else []


def missing_between(session: Session, gallery_id: str, first: int, last: int) -> list[Wanted]:
    """Of the images with these numbers, both inclusive, those that `missing_images` would give."""
    there = _images().where(_missing(gallery_id), Image.number.between(first, last))
    return _wanted(session, there.order_by(Image.number.desc()))


def missing_numbers(
    session: Session, gallery_id: str, limit: int, above: int | None = None
) -> list[int]:
    """The numbers of images that `missing_images` would give; of those `above` one, if given."""
    missing = select(Image.number).where(_missing(gallery_id)).order_by(Image.number.desc())
    if above is not None:
        return list(session.scalars(missing.where(Image.number > above).limit(limit)))
    count = min(limit, count_missing(session, gallery_id))
    return list(session.scalars(missing.limit(count))) if count else []


def newest_image(session: Session) -> int:
    """The highest number of an image; 0 without any."""
    return session.scalar(select(func.max(Image.number))) or 0


def stale_images(session: Session, gallery_id: str, limit: int) -> list[Wanted]:
    """Images whose product was edited after their point was written."""
    query = _images().join(Embedding, Embedding.image_id == Image.id).where(_stale(gallery_id))
    return _wanted(session, query.order_by(Image.id).limit(limit))


def count_missing(session: Session, gallery_id: str) -> int:
    """How many images `missing_images` would give without a limit.

    Two counts over indexes, in one statement so that they are of one moment: what a gallery holds
    or has refused are images of the catalogue, since an embedding goes with its image.
    """
    return session.scalar(select(_missing_count(gallery_id))) or 0


def total_of(job_id: str, gallery_id: str) -> ColumnElement[int]:
    """How many images an embed job has done and has to do, of one moment while others count."""
    done = select(Job.done).where(Job.id == job_id)
    return done.scalar_subquery() + _missing_count(gallery_id)


def anything_left(session: Session, gallery_id: str) -> bool:
    """Whether the gallery is not in line with the catalogue."""
    queries = [select(Removal.image_id), select(Embedding.image_id).where(_stale(gallery_id))]
    some = any(session.execute(query.limit(1)).first() for query in queries)
    return some or count_missing(session, gallery_id) > 0


def imported(session: Session) -> int | None:
    """How many items the running imports have done so far; None where no import runs."""
    running = select(func.sum(Job.done)).where(Job.kind == "ingest", Job.state == "running")
    return session.scalar(running)


def note_embedded(
    session: Session, gallery_id: str, errors: Sequence[tuple[Wanted, str | None]]
) -> Noted:
    """Note that points were written, or why not; those of images deleted meanwhile are to go.

    The rows are read again here (Decision 10): an image gone since is left to the removals, and
    one that changed is stale from the start. So is one that another worker has noted too: nobody
    knows whose payload came last.
    """
    present = _revisions(session, [one for one, _ in errors])
    rows = [
        {
            "image_id": one.image_id,
            "gallery_id": gallery_id,
            "image_revision": one.revision if present[one.image_id] == one.revision else 0,
            "error": error,
            "created_at": clock.now(),
        }
        for one, error in errors
        if one.image_id in present
    ]
    gone = [one for one, _ in errors if one.image_id not in present]
    for one in gone:
        _remove_again(session, one)
    stale = bool(rows) and _note(session, rows)
    return Noted(present.keys(), stale or bool(gone))


def _note(session: Session, rows: Sequence[dict[str, Any]]) -> bool:
    """Insert rows of embeddings; those that are there become stale. Whether one is stale now.

    In one order, so that two workers cannot deadlock.
    """
    in_order = sorted(rows, key=lambda row: str(row["image_id"]))
    statement = _insert(session, Embedding).values(in_order)
    key = ["image_id", "gallery_id"]
    statement = statement.on_conflict_do_update(index_elements=key, set_={"image_revision": 0})
    revisions = session.scalars(statement.returning(Embedding.image_revision))
    return 0 in revisions.all()


def _revisions(session: Session, images: Sequence[Wanted]) -> dict[str, int]:
    """The revisions of those that are there as they are now, and stay until the commit.

    Else PostgreSQL could let an edit commit that looks for points to mark before ours is there.
    """
    ids = [one.image_id for one in images]
    there = select(Image.id, Image.revision).where(Image.id.in_(ids)).order_by(Image.id)
    rows = session.execute(there.with_for_update(read=True))
    return {image_id: revision for image_id, revision in rows}  # noqa: C416 - Row is no plain pair


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


def note_payloads(session: Session, gallery_id: str, written: Sequence[Wanted]) -> bool:
    """Note at which revisions the payloads of points were written; those edited since are stale.

    Also where another worker has written such a one anew meanwhile: ours may have come after it.
    Whether there is one that was edited; then the caller ends its transaction with `ensure_embed`.
    """
    now = _revisions(session, written)
    ids = [one.image_id for one in written if now.get(one.image_id) == one.revision]
    older = [one.image_id for one in written if now.get(one.image_id, one.revision) != one.revision]
    revision = select(Image.revision).where(Image.id == Embedding.image_id).scalar_subquery()
    for image_ids, value in ((ids, revision), (older, 0)):
        theirs = (Embedding.gallery_id == gallery_id, Embedding.image_id.in_(image_ids))
        session.execute(
            update(Embedding).where(*theirs).values(image_revision=value),
            execution_options={"synchronize_session": False},
        )
    return bool(older)


def _images() -> Select[Image, Product]:
    return select(Image, Product).join(Product, Product.id == Image.product_id)


def _wanted(session: Session, query: Select[Image, Product]) -> list[Wanted]:
    filterable = filterable_attributes(session)
    return [
        Wanted(
            image.id,
            image.revision,
            image.sha256,
            product.sku,
            payload_of(product, filterable),
            image.number,
        )
        for image, product in session.execute(query)
    ]


def _missing_count(gallery_id: str) -> ColumnElement[int]:
    tried = select(func.count()).where(Embedding.gallery_id == gallery_id)
    images = select(func.count()).select_from(Image)
    return images.scalar_subquery() - tried.scalar_subquery()


def _missing(gallery_id: str) -> ColumnElement[bool]:
    held = and_(Embedding.image_id == Image.id, Embedding.gallery_id == gallery_id)
    return ~exists().where(held)


def _stale(gallery_id: str) -> ColumnElement[bool]:
    """The 0 is written out, since an index of those only does not serve a parameter."""
    stale = Embedding.image_revision == literal_column("0")
    return and_(Embedding.gallery_id == gallery_id, stale)
