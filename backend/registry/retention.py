"""How long a gallery that nothing searches any more is kept: it makes a rollback instant."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend import clock
from backend.audit.service import Subject, note
from backend.database import after_commit, take_as_long_as_needed
from backend.errors import Conflict
from backend.gallery.port import GalleryStore
from backend.jobs.lease import move
from backend.jobs.schemas import EMBEDS
from backend.jobs.states import LIVE
from backend.jobs.tables import Job
from backend.registry.coverage import coverage
from backend.registry.deployments import active, newest, one_at_a_time
from backend.registry.promotion import waiting_promotion
from backend.registry.service import gallery_row
from backend.registry.tables import Deployment, GalleryRow

OURS = re.compile("g-[0-9a-f]{12}")


def drop_gallery(
    session: Session, store: GalleryStore, gallery_id: str, actor: str = "akin"
) -> None:
    """Forget a gallery and all its points; the store's part goes after the commit.

    Raises:
        NotFound: no such gallery.
        Conflict: if searches are answered from it, or a promotion waits for it.
    """
    one_at_a_time(session)
    row = gallery_row(session, gallery_id)
    if active(session).gallery_id == gallery_id:
        raise Conflict(
            f"Searches are answered from the gallery {gallery_id}: promote a version with another "
            "image tower first."
        )
    waiting = waiting_promotion(session)
    if waiting is not None and waiting.gallery_id == gallery_id:
        raise Conflict(f"A promotion waits for the gallery {gallery_id}: withdraw it first.")
    _stop_embedding(session, gallery_id)
    held = {"images": coverage(session, gallery_id).held, "image tower": row.fingerprint[:12]}
    note(session, actor, "gallery.drop", Subject("gallery", row.id, row.id), before=held)
    take_as_long_as_needed(session)  # a row for each of its images goes along
    session.delete(row)
    session.flush()
    after_commit(session, lambda: store.drop(gallery_id))


def droppable(session: Session, days: float) -> list[str]:
    """The galleries that nothing needs: not active, not waited for, and last searched more than
    `days` ago, or never."""
    now = newest(session)
    waiting = waiting_promotion(session)
    kept = {now.gallery_id if now else None, waiting.gallery_id if waiting else None}
    oldest = clock.now() - timedelta(days=days)
    found = []
    for gallery in session.scalars(select(GalleryRow).order_by(GalleryRow.created_at)):
        left = searched_until(session, gallery.id)
        if gallery.id not in kept and (left is None or left < oldest):
            found.append(gallery.id)
    return found


def searched_until(session: Session, gallery_id: str) -> datetime | None:
    """When a version over another gallery took over from the gallery's last; None for one that
    was never searched, and now for the active one."""
    last = session.scalar(
        select(func.max(Deployment.id)).where(Deployment.gallery_id == gallery_id)
    )
    if last is None:
        return None
    after = select(func.min(Deployment.created_at)).where(Deployment.id > last)
    return session.scalar(after) or clock.now()


def _stop_embedding(session: Session, gallery_id: str) -> None:
    """Let no job write into it any more; one that is at it ends at its next batch."""
    jobs = select(Job).where(
        Job.kind.in_(EMBEDS),
        Job.subject == gallery_id,
        Job.state.in_(LIVE),
    )
    for job in session.scalars(jobs.with_for_update()):
        move(job, "cancel")


def drop_orphans(session: Session, store: GalleryStore) -> list[str]:
    """Drop what the store still holds of galleries that SQL has forgotten; which they were.

    For an embedded start, where the store is nobody else's: a process may have been killed between
    the two halves of a drop.
    """
    known = set(session.scalars(select(GalleryRow.id)))
    orphans = [name for name in store.names() if OURS.fullmatch(name) and name not in known]
    for name in orphans:
        store.drop(name)
    return orphans
