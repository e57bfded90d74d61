"""The lines that the registry leaves in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from backend.audit.service import Subject, note
from backend.registry.tables import ModelVersion


def note_version(
    session: Session,
    actor: str,
    action: str,
    version: ModelVersion,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down what was done to a version; action: without the `model.` that all begin with."""
    subject = Subject("model", version.id, version.name)
    note(session, actor, f"model.{action}", subject, before=before, after=after)


def note_state(
    session: Session, actor: str, action: str, version: ModelVersion, before: str, **more: str
) -> None:
    """Write down that a version is in another state now."""
    after = {"state": version.state, **more}
    note_version(session, actor, action, version, before={"state": before}, after=after)


def facts(version: ModelVersion) -> dict[str, Any]:
    """What is told of a version that came or is gone."""
    return {
        "name": version.name,
        "state": version.state,
        "recipe": version.recipe,
        "composer": version.composer,
        "image tower": version.fingerprint[:12],
    }
