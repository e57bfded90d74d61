"""Which version answers, over which gallery: the newest row of `deployments` (Decision 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from backend import clock
from backend.errors import Unavailable
from backend.registry.noting import note_version
from backend.registry.tables import Deployment, ModelVersion

RESTORES = "restores"
"""The key in a rollback's `gate` of the number of the deployment that it went back to."""


@dataclass(frozen=True)
class Active:
    """The version that answers and the gallery it searches: one row, so they always agree."""

    version_id: str
    version: str
    gallery_id: str
    composer: str
    fingerprint: str
    dim: int
    text_fingerprint: str | None = None
    artefact: str | None = None
    backbone: dict[str, Any] = field(default_factory=dict, hash=False)
    deployment: int = field(default=0, compare=False)
    """Number of the row: it grows with every promotion and rollback."""


def active(session: Session) -> Active:
    """What answers today: the newest deployment.

    Raises:
        Unavailable: before the first start has deployed a version.
    """
    found = newest(session)
    if found is None:
        raise Unavailable("No model version is active yet: start Akin once with `akin up`.")
    return found


def newest(session: Session) -> Active | None:
    """What answers today, or None before the first start."""
    row = session.execute(_rows().order_by(Deployment.id.desc()).limit(1)).one_or_none()
    return None if row is None else to_active(row[0], row[1])


def before(session: Session, now: Active) -> Active | None:
    """What answered before the active version did and still can: its gallery is kept, and it is
    not archived. None if there is nothing to go back to.

    After a rollback that is what answered before the version gone back to, not the one left.
    """
    gate = session.scalar(select(Deployment.gate).where(Deployment.id == now.deployment)) or {}
    older = _rows().where(
        Deployment.id < gate.get(RESTORES, now.deployment),
        Deployment.version_id != now.version_id,
        ModelVersion.state == "ready",
    )
    row = session.execute(older.order_by(Deployment.id.desc()).limit(1)).one_or_none()
    return None if row is None else to_active(row[0], row[1])


def nothing_before(now: Active) -> str:
    """What is told where `before` finds nothing."""
    return (
        f"There is nothing to go back to from {now.version}: no earlier version has its "
        "gallery still. Promote one, which embeds the catalogue anew."
    )


def deploy(
    session: Session,
    version: ModelVersion,
    gallery_id: str,
    *,
    actor: str,
    reason: str,
    gate: dict[str, Any] | None = None,
    action: str = "promote",
) -> Active:
    """Let a version answer from now on; action: what the audit log calls it."""
    before = newest(session)
    row = Deployment(
        version_id=version.id,
        version=version.name,
        gallery_id=gallery_id,
        actor=actor,
        reason=reason,
        gate=gate or {},
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    told = {"answering": version.name, "gallery": gallery_id, "reason": reason}
    if row.gate.get("overridden"):
        told["overridden"] = row.gate["reason"]
    old = {"answering": before.version, "gallery": before.gallery_id} if before else None
    note_version(session, actor, action, version, before=old, after=told)
    return to_active(version, row)


def one_at_a_time(session: Session) -> None:
    """Nobody else deploys until this transaction ends (SQLite has one writer at a time anyway)."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE deployments IN SHARE ROW EXCLUSIVE MODE"))


def to_active(version: ModelVersion, row: Deployment) -> Active:
    """A version and the deployment that made it the active one, as plain facts."""
    return Active(
        version_id=version.id,
        version=version.name,
        gallery_id=str(row.gallery_id),
        composer=version.composer,
        fingerprint=version.fingerprint,
        dim=version.dim,
        text_fingerprint=version.text_fingerprint,
        artefact=version.artefact,
        backbone=version.backbone,
        deployment=row.id,
    )


def _rows() -> Select[ModelVersion, Deployment]:
    return (
        select(ModelVersion, Deployment)
        .join(Deployment, Deployment.version_id == ModelVersion.id)
        .where(Deployment.gallery_id.is_not(None))
    )
