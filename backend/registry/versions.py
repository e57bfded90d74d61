"""The model versions there are, newest first, and which of them answers."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from backend.errors import InvalidInput, NotFound
from backend.paging import Page, decode_cursor, encode_cursor
from backend.registry.schemas import VersionOut, VersionState
from backend.registry.service import backbone_label
from backend.registry.tables import Deployment, GalleryRow, ModelVersion


def list_versions(
    session: Session,
    *,
    state: VersionState | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[VersionOut]:
    """One page of the versions, newest first.

    Raises:
        InvalidInput: a cursor this list did not give out.
    """
    chosen = [] if state is None else [ModelVersion.state == state]
    total = session.scalar(select(func.count()).select_from(ModelVersion).where(*chosen)) or 0
    found = _read(session, [*chosen, *_older_than(session, cursor)], limit + 1)
    further = encode_cursor([found[limit - 1].id]) if len(found) > limit else None
    return Page(items=found[:limit], next_cursor=further, total=total)


def find_version(session: Session, version_id: str) -> VersionOut:
    """One version; raises NotFound."""
    found = _read(session, [ModelVersion.id == version_id], 1)
    if not found:
        raise NotFound(
            f"There is no model version {version_id}: list them with `akin models list`."
        )
    return found[0]


def _read(session: Session, chosen: list[ColumnElement[bool]], limit: int) -> list[VersionOut]:
    parent = aliased(ModelVersion)
    promoted = (
        select(func.max(Deployment.created_at))
        .where(Deployment.version_id == ModelVersion.id)
        .scalar_subquery()
    )
    rows = (
        select(ModelVersion, parent.name, GalleryRow.id, promoted)
        .outerjoin(parent, parent.id == ModelVersion.parent_id)
        .outerjoin(GalleryRow, GalleryRow.fingerprint == ModelVersion.fingerprint)
        .where(*chosen)
        .order_by(ModelVersion.created_at.desc(), ModelVersion.id.desc())
        .limit(limit)
    )
    newest = select(Deployment.version_id).order_by(Deployment.id.desc()).limit(1)
    active = session.scalar(newest)
    return [
        VersionOut(
            id=version.id,
            name=version.name,
            state=version.state,
            active=version.id == active,
            recipe=version.recipe,
            backbone=backbone_label(version.backbone),
            composer=version.composer,
            parent=name,
            gallery=gallery,
            fingerprint=version.fingerprint,
            text_fingerprint=version.text_fingerprint,
            dim=version.dim,
            parameters=(version.card or {}).get("parameters", {}),
            data=(version.card or {}).get("data", {}),
            figures=version.figures,
            error=version.error,
            actor=version.actor,
            created_at=version.created_at,
            promoted_at=when,
        )
        for version, name, gallery, when in session.execute(rows)
    ]


def _older_than(session: Session, cursor: str | None) -> list[ColumnElement[bool]]:
    if cursor is None:
        return []
    last = session.get(ModelVersion, decode_cursor(cursor, 1)[0])
    if last is None:
        raise InvalidInput("The version that the cursor stands at is gone: start anew without it.")
    place = tuple_(ModelVersion.created_at, ModelVersion.id)
    return [place < tuple_(last.created_at, last.id)]
