"""What is left of deleted images goes: points, features, blobs with their renditions, mentions.

A deletion leaves a removal for each image, which is forgotten once all of that is done.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from backend.blobs import BlobStore
from backend.catalogue.imports import release_staged
from backend.catalogue.tables import Blob, Image, Removal
from backend.feedback.service import unused_by_triplets
from workers.mentions import forget_mentions
from workers.run import Run
from workers.training_leftovers import forget_features

ROWS = 256  # of removals in one transaction
AT_ONCE = 32 * ROWS  # for all of which mentions are looked for once


class Gone(NamedTuple):
    """A removal as it was read."""

    image_id: str
    sha256: str
    created_at: datetime


def remove_deleted(run: Run) -> bool:
    """Remove what is left of all images that were deleted; whether there was any.

    Raises:
        Stopped: if the run is to stop.
        LeaseLost: if another worker may have the job by now.
    """
    removed = False
    while True:
        with run.read() as session:
            gone = removals(session, run.at_once(AT_ONCE))
        if not gone:
            if removed:
                _release_ended(run)
            return removed
        removed = True
        _remove(run, gone)


def _remove(run: Run, gone: Sequence[Gone]) -> None:
    chunks = [gone[at : at + ROWS] for at in range(0, len(gone), ROWS)]
    for chunk in chunks:
        _delete_points(run, chunk)
    # Of a picture that another product shows too they are worked out again.
    hashes = {one.sha256 for one in gone}
    forget_features(run.runtime, hashes)
    forget_mentions(run, hashes)
    for chunk in chunks:
        run.checkpoint()
        with run.write() as session:
            run.progress(session, stage="removing", moved=True)
            forget_removals(session, run.runtime.blobs, chunk)


def _delete_points(run: Run, gone: Sequence[Gone]) -> None:
    run.checkpoint()
    store = run.runtime.galleries
    for name in store.names():
        store.open(name).delete([one.image_id for one in gone])


def removals(session: Session, limit: int) -> list[Gone]:
    """Deleted images whose points, blobs and renditions may still be there."""
    rows = session.execute(
        select(Removal.image_id, Removal.sha256, Removal.created_at).limit(limit)
    )
    return [Gone(*row) for row in rows]


def forget_removals(session: Session, blobs: BlobStore, gone: Sequence[Gone]) -> None:
    """Delete the blobs no image refers to any more, and the removals unless dated anew since.

    The files go inside the transaction, against the rule: an import that comes upon the same
    bytes at this moment must find either both the row and the file, or neither.
    """
    delete_unused_blobs(session, blobs, {one.sha256 for one in gone})
    for one in gone:
        as_read = (Removal.image_id == one.image_id, Removal.created_at == one.created_at)
        session.execute(delete(Removal).where(*as_read))


def delete_unused_blobs(session: Session, blobs: BlobStore, sha256s: Collection[str]) -> list[str]:
    """Delete rows and files of those blobs that no image and no triplet shows; which they were."""
    of_these = Blob.sha256.in_(sha256s)
    # Two statements, since PostgreSQL looks for references as of a statement's beginning.
    session.execute(select(Blob.sha256).where(of_these).order_by(Blob.sha256).with_for_update())
    shown = exists().where(Image.sha256 == Blob.sha256)
    unused = of_these & ~shown & unused_by_triplets()
    deleted = session.scalars(delete(Blob).where(unused).returning(Blob.sha256)).all()
    for sha256 in deleted:
        blobs.delete(sha256)
    return list(deleted)


def _release_ended(run: Run) -> None:
    """Files of imports that are over go now, not only once the next import ends."""
    while True:
        run.checkpoint()
        with run.write() as session:
            if not release_staged(session, run.runtime.blobs):
                return
