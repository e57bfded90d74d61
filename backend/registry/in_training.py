"""Model versions while they are trained: begun, ready or failed, and trained on."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from backend import clock
from backend.composition.card import ModelCard
from backend.errors import Conflict
from backend.registry.lifecycle import columns_of, version_row
from backend.registry.noting import facts, note_state, note_version
from backend.registry.service import free_name
from backend.registry.tables import ModelVersion


def begin_training(
    session: Session,
    *,
    name: str | None,
    recipe: str,
    parent: ModelVersion,
    parameters: dict[str, Any],
    data: dict[str, Any],
    actor: str,
) -> ModelVersion:
    """A version in training. Until it is ready its towers are told as its parent's.

    Raises:
        Conflict: for a name that another version has.
    """
    if name is not None and free_name(session, name) != name:
        raise Conflict(f"There is a model version called {name} already: choose another name.")
    version = ModelVersion(
        id=str(uuid4()),
        name=name or free_name(session, f"{recipe} {clock.now():%Y-%m-%d}"),
        backbone=parent.backbone,
        composer=parent.composer,
        fingerprint=parent.fingerprint,
        text_fingerprint=parent.text_fingerprint,
        dim=parent.dim,
        recipe=recipe,
        parent_id=parent.id,
        card={"parameters": parameters, "data": data},
        figures={},
        state="training",
        actor=actor,
        created_at=clock.now(),
    )
    session.add(version)
    session.flush()
    asked = {"from": parent.name, "parameters": parameters, "data": data}
    note_version(session, actor, "train", version, after=facts(version) | asked)
    return version


def finish_training(
    session: Session, version_id: str, card: ModelCard, artefact: str, figures: dict[str, Any]
) -> None:
    """The version is ready: from now on it does not change."""
    version = _in_training(session, version_id)
    for column, value in columns_of(card, artefact).items():
        setattr(version, column, value)
    version.figures = figures
    version.error = None
    version.state = "ready"
    note_version(
        session, version.actor, "ready", version, before={"state": "training"}, after=facts(version)
    )


def fail_training(session: Session, version_id: str, error: str) -> None:
    """No model came of it, and why in one sentence."""
    version = _in_training(session, version_id)
    version.state, version.error = "failed", error
    note_state(session, version.actor, "fail", version, "training", error=error)


def resume_training(session: Session, version_id: str) -> None:
    """A failed version is trained on.

    Raises:
        Conflict: if it is in another state.
    """
    version = version_row(session, version_id, lock=True)
    if version.state != "failed":
        raise Conflict(f"{version.name} is {version.state}: only a failed one is trained on.")
    version.state, version.error = "training", None
    note_state(session, version.actor, "resume", version, "failed")


def _in_training(session: Session, version_id: str) -> ModelVersion:
    version = version_row(session, version_id, lock=True)
    if version.state != "training":
        raise Conflict(f"{version.name} is {version.state}, not in training: nothing was changed.")
    return version
