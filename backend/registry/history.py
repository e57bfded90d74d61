"""What answered when, and how far a promotion that waits is."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.errors import NotFound
from backend.jobs.schemas import EMBEDS
from backend.jobs.tables import Job
from backend.paging import Page, decode_number, encode_cursor
from backend.registry.deployments import Active, active, before, nothing_before
from backend.registry.promotion import lacking, waiting_promotion
from backend.registry.schemas import DeploymentOut, PromotionOut
from backend.registry.tables import Deployment, Embedding, ModelVersion, Promotion


def list_deployments(
    session: Session, *, cursor: str | None = None, limit: int = 50
) -> Page[DeploymentOut]:
    """One page of the deployments, newest first.

    Raises:
        InvalidInput: a cursor this list did not give out.
    """
    total = session.scalar(select(func.count()).select_from(Deployment)) or 0
    rows = select(Deployment).order_by(Deployment.id.desc()).limit(limit + 1)
    if cursor is not None:
        rows = rows.where(Deployment.id < decode_number(cursor))
    found = session.scalars(rows).all()
    further = encode_cursor([found[limit - 1].id]) if len(found) > limit else None
    shown = [_deployment_out(row) for row in found[:limit]]
    return Page(items=shown, next_cursor=further, total=total)


def way_back(session: Session) -> DeploymentOut:
    """The deployment that a rollback would bring back.

    Raises:
        NotFound: if there is nothing to go back to.
    """
    now = active(session)
    earlier = before(session, now)
    if earlier is None:
        raise NotFound(nothing_before(now))
    row = _deployment_out(session.get_one(Deployment, earlier.deployment))
    return row.model_copy(update={"version": earlier.version})


def deployed(session: Session, now: Active) -> PromotionOut:
    """A version that has just become the active one."""
    row = session.get_one(Deployment, now.deployment)
    images = _held(session, now.gallery_id)
    return PromotionOut(
        version_id=now.version_id,
        version=now.version,
        state="deployed",
        gallery=now.gallery_id,
        held=images,
        images=images,
        reason=row.reason,
        actor=row.actor,
        created_at=row.created_at,
    )


def last_promotion(session: Session) -> PromotionOut:
    """The promotion that waits for its gallery, else the last one that did.

    Raises:
        NotFound: if none ever did.
    """
    row = waiting_promotion(session)
    if row is None:
        newest = select(Promotion).order_by(Promotion.created_at.desc()).limit(1)
        row = session.scalars(newest).first()
    if row is None:
        raise NotFound("No promotion has waited for a gallery yet.")
    return promoting(session, row)


def promoting(session: Session, row: Promotion) -> PromotionOut:
    """How far a promotion is."""
    answering = active(session).gallery_id
    images = _held(session, answering)
    missing = lacking(session, row.gallery_id, answering) if row.gallery_id else images
    job = select(Job.id).where(Job.kind.in_(EMBEDS), Job.subject == row.gallery_id)
    return PromotionOut(
        version_id=row.version_id,
        version=session.get_one(ModelVersion, row.version_id).name,
        state="deployed" if row.state == "done" else row.state,
        gallery=row.gallery_id,
        held=max(images - missing, 0),
        images=images,
        job=session.scalar(job.order_by(Job.created_at.desc()).limit(1)),
        error=row.error,
        reason=row.reason,
        actor=row.actor,
        created_at=row.created_at,
    )


def _deployment_out(row: Deployment) -> DeploymentOut:
    return DeploymentOut(
        id=row.id,
        version_id=row.version_id,
        version=row.version,
        gallery=row.gallery_id,
        actor=row.actor,
        reason=row.reason,
        gate=row.gate,
        created_at=row.created_at,
    )


def _held(session: Session, gallery_id: str) -> int:
    count = select(func.count()).where(Embedding.gallery_id == gallery_id)
    return session.scalar(count) or 0
