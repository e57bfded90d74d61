"""The SQL of comparing the blob store: which bytes the catalogue knows, and which it has lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from backend import clock
from backend.blobs import BlobStore
from backend.catalogue.imports import hold_claims, unclaimed
from backend.catalogue.lost_pictures import LOST_BYTES, lost_bytes
from backend.catalogue.tables import Blob, Image, Product, Removal
from backend.catalogue.writing import insert_if_new
from backend.feedback.service import unused_by_triplets
from backend.registry.tables import Embedding
from workers.reconciliation.ledger import Lost


class BlobRow(NamedTuple):
    """A blob as SQL knows it."""

    sha256: str
    size: int


def blob_rows(session: Session, after: str | None, limit: int) -> list[BlobRow]:
    """The next blobs in the order of their SHA-256."""
    query = select(Blob.sha256, Blob.size)
    if after is not None:
        query = query.where(Blob.sha256 > after)
    return [BlobRow(*row) for row in session.execute(query.order_by(Blob.sha256).limit(limit))]


def count_blobs(session: Session) -> int:
    """How many blobs the catalogue knows."""
    return session.scalar(select(func.count()).select_from(Blob)) or 0


def unknown(session: Session, sha256s: Collection[str]) -> list[str]:
    """Those that are no blob."""
    known = set(session.scalars(select(Blob.sha256).where(Blob.sha256.in_(sha256s))))
    return sorted(set(sha256s) - known)


def delete_unknown(session: Session, blobs: BlobStore, sha256: str) -> bool:
    """Delete the file of what is no blob; False if it is one by now.

    The file goes inside the transaction, against the rule, and while a row of ours takes its
    place: an import that is about to commit the same bytes waits for us, then finds the file gone
    and stores it again. One file a transaction, so that no two can wait for each other.
    """
    place = {"sha256": sha256, "size": 0, "format": "", "width": 0, "height": 0}
    if not insert_if_new(session, Blob, {**place, "created_at": clock.now()}, ["sha256"]):
        return False
    blobs.delete(sha256)
    session.execute(delete(Blob).where(Blob.sha256 == sha256))
    return True


def unused(session: Session, before: datetime, after: str, limit: int) -> list[str]:
    """The next blobs older than `before` that nothing shows and no embed job is to remove."""
    shown = exists().where(Image.sha256 == Blob.sha256)
    leaving = exists().where(Removal.sha256 == Blob.sha256)
    query = select(Blob.sha256).where(~shown, ~leaving, unused_by_triplets())
    query = query.where(Blob.created_at < before, Blob.sha256 > after)
    return list(session.scalars(query.order_by(Blob.sha256).limit(limit)))


def held_fast(session: Session, sha256s: Collection[str]) -> list[str]:
    """Those that are still blobs; none of them is deleted before the transaction ends."""
    query = select(Blob.sha256).where(Blob.sha256.in_(sha256s)).order_by(Blob.sha256)
    return list(session.scalars(query.with_for_update(read=True)))


def lost_images(session: Session, sha256s: Collection[str]) -> list[tuple[str, Lost]]:
    """The images whose bytes these were, by id, with what their people are told."""
    query = (
        select(Image.id, Product.sku)
        .join(Product, Product.id == Image.product_id)
        .where(Image.sha256.in_(sha256s))
        .order_by(Product.sku, Image.id)
    )
    return [(id_, Lost(sku, lost_bytes(sku))) for id_, sku in session.execute(query)]


def mark_lost(session: Session, images: Sequence[tuple[str, Lost]]) -> None:
    """Note the problem at every image; its points stay, so that search still finds the product."""
    for image_id, lost in images:
        session.execute(
            update(Embedding)
            .where(Embedding.image_id == image_id, Embedding.error.is_(None))
            .values(error=lost.sentence)
        )


def any_marked(session: Session) -> bool:
    """Whether any image is marked as lost."""
    return session.execute(select(Embedding.image_id).where(_marked()).limit(1)).first() is not None


def marked(session: Session, sha256s: Collection[str]) -> list[str]:
    """The images of these bytes that are marked as lost."""
    query = select(Image.id).join(Embedding, Embedding.image_id == Image.id)
    query = query.where(_marked(), Image.sha256.in_(sha256s)).distinct()
    return sorted(session.scalars(query))


def unmark(session: Session, image_ids: Collection[str]) -> None:
    """Take the marks away. Whether a gallery has a point of them is looked at afterwards."""
    session.execute(
        update(Embedding).where(_marked(), Embedding.image_id.in_(image_ids)).values(error=None)
    )


def staged_unclaimed(session: Session, sha256s: Collection[str], *, lock: bool) -> list[str]:
    """Those that no import may still need; with `lock` none claims one before the commit."""
    if lock:
        hold_claims(session)
    return sorted(unclaimed(session, sha256s))


def _marked() -> ColumnElement[bool]:
    return Embedding.error.startswith(LOST_BYTES, autoescape=True)
