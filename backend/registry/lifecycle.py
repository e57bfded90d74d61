"""How model versions come, change their state and go; SQL holds them to it (migration 0003)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend import clock
from backend.composition.card import ModelCard
from backend.errors import Conflict, InvalidInput, NotFound
from backend.registry.deployments import newest
from backend.registry.noting import facts, note_state, note_version
from backend.registry.service import free_name
from backend.registry.tables import GalleryRow, ModelVersion, Promotion


def version_row(session: Session, version_id: str, *, lock: bool = False) -> ModelVersion:
    """The version; with `lock` nobody changes it until this transaction ends.

    Raises:
        NotFound: no such version.
    """
    version = session.get(
        ModelVersion, version_id, with_for_update=lock or None, populate_existing=lock
    )
    if version is None:
        raise NotFound(
            f"There is no model version {version_id}: list them with `akin models list`."
        )
    return version


def register(
    session: Session, card: ModelCard, artefact: str, *, actor: str, name: str | None = None
) -> ModelVersion:
    """A version, ready, of an artefact that is in the blob store; its name is made unique.

    Its parent is the version of that name with the same towers, if there is one.
    """
    version = ModelVersion(
        id=str(uuid4()),
        name=free_name(session, name or card.name),
        **columns_of(card, artefact),
        recipe=card.recipe[:40],
        parent_id=_parent(session, card),
        figures={},
        state="ready",
        actor=actor,
        created_at=clock.now(),
    )
    session.add(version)
    session.flush()
    note_version(session, actor, "import", version, after=facts(version))
    return version


def measured(session: Session, version_id: str, held_out: dict[str, Any], *, actor: str) -> None:
    """What a finished version reaches on held-out triplets, in place of what was known before.

    Raises:
        NotFound: no such version.
        Conflict: if it has no weights to measure.
    """
    version = version_row(session, version_id, lock=True)
    check_finished(version)
    before, after = (_told_figures(one) for one in (version.figures.get("held_out"), held_out))
    version.figures = {**version.figures, "held_out": held_out}
    note_version(session, actor, "measure", version, before=before, after=after)


def check_finished(version: ModelVersion) -> None:
    """Raises Conflict if a version has no weights yet, or never will."""
    if version.state not in ("ready", "archived"):
        raise Conflict(
            f"{version.name} is {version.state}: only a version that is ready can be measured or "
            "compared."
        )


def archive(
    session: Session, version_id: str, *, actor: str, archived: bool = True
) -> ModelVersion:
    """Put a version away, or bring it back: an archived one cannot be promoted.

    Raises:
        NotFound: no such version.
        Conflict: if it answers today or is about to, or is neither ready nor archived.
    """
    version = version_row(session, version_id, lock=True)
    wanted, needed = ("archived", "ready") if archived else ("ready", "archived")
    if version.state != needed:
        raise Conflict(f"{version.name} is {version.state}, not {needed}: nothing was changed.")
    if archived:
        _refuse_in_use(session, version, "archived")
    version.state = wanted
    note_state(session, actor, "archive" if archived else "restore", version, needed)
    return version


def delete(session: Session, version_id: str, *, actor: str) -> str | None:
    """Delete a version; the artefact that no version has any more, for the caller to discard after
    its transaction.

    Raises:
        NotFound: no such version.
        Conflict: if it answers today or is about to, is in training, another version was trained
            from it, or a gallery is of its image tower alone.
    """
    version = version_row(session, version_id, lock=True)
    if version.state == "training":
        raise Conflict(f"{version.name} is being trained: cancel its job first.")
    _refuse_in_use(session, version, "deleted")
    _refuse_needed(session, version)
    artefact = version.artefact
    note_version(session, actor, "delete", version, before=facts(version))
    session.delete(version)
    session.flush()
    others = select(func.count()).where(ModelVersion.artefact == artefact)
    return artefact if artefact is not None and not session.scalar(others) else None


def rename(session: Session, version_id: str, name: str, *, actor: str) -> ModelVersion:
    """Call a version by another name.

    Raises:
        NotFound: no such version.
        Conflict: if another version has that name.
        InvalidInput: for a name of spaces alone.
    """
    version = version_row(session, version_id, lock=True)
    wanted = name.strip()
    if not wanted:
        raise InvalidInput("A model version needs a name: give at least one letter.")
    if wanted != version.name and free_name(session, wanted) != wanted:
        raise Conflict(f"There is a model version called {wanted} already: choose another name.")
    old, version.name = version.name, wanted
    note_version(session, actor, "rename", version, before={"name": old}, after={"name": wanted})
    return version


def _told_figures(held_out: dict[str, Any] | None) -> dict[str, Any]:
    if not held_out:
        return {}
    composed = {name: figure[0] for name, figure in held_out["ways"]["composed"].items()}
    return {"triplets": held_out["triplets"], "split": held_out["split"], **composed}


def columns_of(card: ModelCard, artefact: str) -> dict[str, Any]:
    """What a version's row says of the model that it is, once its artefact is stored."""
    return {
        "backbone": card.backbone.model_dump(mode="json"),
        "composer": card.composer.kind,
        "fingerprint": card.fingerprint,
        "text_fingerprint": card.text_fingerprint,
        "dim": card.dim,
        "card": card.model_dump(mode="json"),
        "artefact": artefact,
    }


def _parent(session: Session, card: ModelCard) -> str | None:
    if card.parent is None:
        return None
    found = select(ModelVersion).where(ModelVersion.name == card.parent)
    parent = session.scalars(found).one_or_none()
    return None if parent is None or parent.backbone != card.backbone.model_dump() else parent.id


def _refuse_in_use(session: Session, version: ModelVersion, what: str) -> None:
    now = newest(session)
    if now is not None and now.version_id == version.id:
        raise Conflict(
            f"{version.name} answers searches today and cannot be {what}: promote another first."
        )
    waits = select(Promotion.id).where(
        Promotion.version_id == version.id, Promotion.state == "waiting"
    )
    if session.scalar(waits) is not None:
        raise Conflict(
            f"{version.name} is being promoted and cannot be {what}: withdraw that first."
        )


def _refuse_needed(session: Session, version: ModelVersion) -> None:
    child = select(ModelVersion.name).where(ModelVersion.parent_id == version.id)
    if (name := session.scalar(child.limit(1))) is not None:
        raise Conflict(
            f"{version.name} cannot be deleted, because {name} was trained from it: delete that "
            "one first, or archive this one."
        )
    gallery = select(GalleryRow.id).where(GalleryRow.fingerprint == version.fingerprint)
    alike = select(func.count()).where(
        ModelVersion.fingerprint == version.fingerprint,
        ModelVersion.id != version.id,
        ModelVersion.state.in_(("ready", "archived")),
    )
    if (kept := session.scalar(gallery)) is not None and not session.scalar(alike):
        raise Conflict(
            f"{version.name} cannot be deleted, because the gallery {kept} is of its image tower "
            "alone: drop the gallery first, or archive this version."
        )
