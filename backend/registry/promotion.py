"""Which version answers is changed here: promotion, its waiting for a gallery, and rollback.

Versions with one image tower share a gallery, so promoting among them appends a row and is done. A
new image tower waits until its gallery holds whatever the active one holds; then, in one
transaction that counts once more, the row is appended.
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import and_, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from backend import clock
from backend.errors import Conflict, InvalidInput, NotFound
from backend.jobs.broker import Queue
from backend.jobs.service import ensure_embed
from backend.registry.deployments import (
    RESTORES,
    Active,
    active,
    before,
    deploy,
    nothing_before,
    one_at_a_time,
)
from backend.registry.gate import Gate, judge
from backend.registry.lifecycle import version_row
from backend.registry.noting import note_version
from backend.registry.service import gallery_of
from backend.registry.tables import Embedding, ModelVersion, Promotion


def promote(
    session: Session,
    queue: Queue,
    version_id: str,
    *,
    actor: str,
    reason: str = "",
    override: bool = False,
) -> Active | Promotion:
    """Let a version answer: at once where its gallery holds the catalogue, else as soon as it does.

    override: although the metric gate is not met; a reason is needed then. Call it last in a write
    transaction.

    Raises:
        NotFound: no such version.
        InvalidInput: an override without a reason.
        Conflict: if it is not ready, answers already, the gate is not met, or another version is
            being promoted.
    """
    one_at_a_time(session)
    now, version, gate = candidate(session, version_id, reason=reason, override=override, lock=True)
    gallery_id = gallery_of(session, version)
    session.flush()
    if gallery_id == now.gallery_id or not lacking(session, gallery_id, now.gallery_id):
        return _deploy(session, version, gallery_id, gate, actor, reason)
    waiting = Promotion(
        id=str(uuid4()),
        version_id=version.id,
        gallery_id=gallery_id,
        state="waiting",
        override=override,
        reason=reason,
        actor=actor,
        created_at=clock.now(),
    )
    session.add(waiting)
    session.flush()
    asked = {"gallery": gallery_id, "reason": reason, "gate": gate.reason}
    note_version(session, actor, "promotion_ask", version, after=asked)
    ensure_embed(session, queue, gallery_id, actor, searched=False)
    return waiting


def candidate(
    session: Session,
    version_id: str,
    *,
    reason: str = "",
    override: bool = False,
    lock: bool = False,
) -> tuple[Active, ModelVersion, Gate]:
    """What answers, the version that is to take over from it, and what the gate says of that.

    Raises as `promote` does, which it is the first half of; who has much to do for a promotion asks
    it before, too.
    """
    if override and not reason.strip():
        raise InvalidInput("An override needs its reason: say why the gate does not hold here.")
    now = active(session)
    version = version_row(session, version_id, lock=lock)
    _check_promotable(session, version, now)
    return now, version, _passed(version, now, override=override)


def rollback(session: Session, *, actor: str, reason: str = "") -> Active:
    """Let the version answer again that answered before the active one.

    Raises:
        Conflict: if there is none whose gallery is kept.
    """
    one_at_a_time(session)
    now = active(session)
    earlier = before(session, now)
    if earlier is None:
        raise Conflict(nothing_before(now))
    version = version_row(session, earlier.version_id, lock=True)
    told = f"rollback from {now.version}" + (f": {reason}" if reason.strip() else "")
    gate = {RESTORES: earlier.deployment}
    return deploy(
        session,
        version,
        earlier.gallery_id,
        actor=actor,
        reason=told,
        gate=gate,
        action="rollback",
    )


def waiting_promotion(session: Session) -> Promotion | None:
    """The promotion that waits for its gallery; there is at most one."""
    return session.scalars(select(Promotion).where(Promotion.state == "waiting")).one_or_none()


def withdraw(session: Session, actor: str) -> Promotion:
    """Let the waiting promotion be; its gallery goes with the next round.

    Raises:
        NotFound: if none waits.
    """
    one_at_a_time(session)
    waiting = waiting_promotion(session)
    if waiting is None:
        raise NotFound("No promotion is waiting: nothing was changed.")
    _end(waiting, "withdrawn")
    version = version_row(session, waiting.version_id)
    told = {"gallery": waiting.gallery_id, "reason": waiting.reason}
    note_version(session, actor, "promotion_withdraw", version, before=told)
    return waiting


def switch(session: Session) -> Active | None:
    """Deploy the waiting version if its gallery holds all that the active one holds by now.

    What the gate says is asked again, for another version may have been promoted meanwhile: one
    that fails it is refused. None where nothing was deployed. Call it last in a write transaction.
    """
    one_at_a_time(session)
    waiting = waiting_promotion(session)
    if waiting is None or waiting.gallery_id is None:
        return None
    now = active(session)
    if lacking(session, waiting.gallery_id, now.gallery_id):
        return None
    version = version_row(session, waiting.version_id, lock=True)
    try:
        gate = _passed(version, now, override=waiting.override)
    except Conflict as refused:
        _end(waiting, "refused", refused.sentence)
        told = {"error": refused.sentence}
        note_version(session, "akin", "promotion_refuse", version, after=told)
        return None
    _end(waiting, "done")
    return _deploy(session, version, waiting.gallery_id, gate, waiting.actor, waiting.reason)


def lacking(session: Session, gallery_id: str, answering: str) -> int:
    """How many images `answering` holds that the gallery does not, or only as they were before.

    An image that just came and that neither holds yet is no reason to wait: no search is missing
    it for the switch. One that cannot be encoded counts as held: nothing more will come of it.
    """
    theirs, ours = aliased(Embedding), aliased(Embedding)
    stale = ours.image_revision == literal_column("0")
    held = and_(ours.image_id == theirs.image_id, ours.gallery_id == gallery_id)
    count = (
        select(func.count())
        .select_from(theirs)
        .outerjoin(ours, held)
        .where(
            theirs.gallery_id == answering,
            or_(
                ours.image_id.is_(None),
                and_(stale, ours.error.is_(None), theirs.image_revision != literal_column("0")),
            ),
        )
    )
    return session.scalar(count) or 0


def _check_promotable(session: Session, version: ModelVersion, now: Active) -> None:
    if version.state != "ready":
        raise Conflict(
            f"{version.name} is {version.state}: only a version that is ready can be promoted."
        )
    if version.id == now.version_id:
        raise Conflict(f"{version.name} answers searches already: nothing was changed.")
    waiting = waiting_promotion(session)
    if waiting is not None:
        name = version_row(session, waiting.version_id).name
        raise Conflict(f"{name} is being promoted already: wait for it, or withdraw it first.")


def _passed(version: ModelVersion, now: Active, *, override: bool) -> Gate:
    gate = judge(version, now)
    if gate.passed:
        return gate
    if not override:
        raise Conflict(
            f"{version.name} does not pass the gate ({gate.reason}); an admin can override that "
            "with a reason."
        )
    return gate.model_copy(update={"overridden": True})


def _deploy(
    session: Session,
    version: ModelVersion,
    gallery_id: str,
    gate: Gate,
    actor: str,
    reason: str,
) -> Active:
    told = reason.strip() or gate.reason
    return deploy(
        session, version, gallery_id, actor=actor, reason=told, gate=gate.model_dump(mode="json")
    )


def _end(waiting: Promotion, state: str, error: str | None = None) -> None:
    waiting.state, waiting.error, waiting.ended_at = state, error, clock.now()
