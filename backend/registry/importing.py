"""A model from outside becomes a version: read without executing any of it, and tried once."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select

from backend.composition.artefact_files import TOWERS
from backend.composition.card import CARD, BackboneCard, ModelCard, read_card
from backend.errors import InvalidInput
from backend.registry.lifecycle import register
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime


def import_version(
    runtime: Runtime,
    packed: BinaryIO,
    actor: str,
    name: str | None = None,
) -> str:
    """Keep a packed artefact as a new version, ready to be promoted; its id.

    The backbone that the artefact names is taken from a version that is here already: a file
    from outside opens no path and loads nothing from a hub.

    Raises InvalidInput for what is no artefact, is damaged, does not fit its backbone, or has one
    that is not here; TooLarge; NoSpace.
    """
    with runtime.artefacts.unpacked(packed, runtime.settings.max_upload_bytes) as folder:
        card = read_card(folder)
        card = card.model_copy(update={"backbone": _known_backbone(runtime, folder, card)})
        (folder / CARD).write_text(f"{card.model_dump_json(indent=1)}\n")
        runtime.models.try_out(folder)
        artefact = runtime.artefacts.keep(folder)
    with runtime.database.write() as session:
        return register(session, card, artefact, actor=actor, name=name).id


def _known_backbone(runtime: Runtime, folder: Path, card: ModelCard) -> BackboneCard:
    """The backbone of a version here with the artefact's towers, or that it changes."""
    plain = ModelVersion.artefact.is_(None)
    towers = select(ModelVersion.backbone).where(
        plain,
        ModelVersion.fingerprint == card.fingerprint,
        ModelVersion.text_fingerprint == card.text_fingerprint,
    )
    with runtime.database.read() as session:
        twin = session.scalars(towers.limit(1)).first()
        known = session.scalars(select(ModelVersion.backbone).where(plain)).all()
    if twin is not None and not (folder / TOWERS).is_file():
        return BackboneCard.model_validate(twin)
    if card.backbone.model_dump(mode="json") in known:
        return card.backbone
    named = " ".join(filter(None, (card.backbone.name, card.backbone.pretrained)))
    raise InvalidInput(
        f"The model {card.name} was trained on the backbone {named}, which no version here has: "
        "start Akin once with AKIN_BACKBONE and AKIN_PRETRAINED set to it, then import again."
    )
