"""Which model version answers, over which gallery; made at the first start (Decisions 1 and 11)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.tables import Image
from backend.composition.about import About, about_card
from backend.composition.artefact import offered_composers
from backend.composition.composer import COMPOSERS
from backend.errors import NotFound, SetupError
from backend.gallery.port import GalleryStore
from backend.jobs.service import ensure_embed
from backend.registry.deployments import Active, deploy, newest, one_at_a_time
from backend.registry.loading import LoadedVersion
from backend.registry.schemas import ComposerInfo, ModelInfo
from backend.registry.tables import Embedding, GalleryRow, ModelVersion
from backend.runtime import Runtime

if TYPE_CHECKING:
    from backend.encoding.backbone import Backbone

DEFAULT_COMPOSER = "sum"
_FOLDER = "local-dir:"  # how open_clip calls a folder of its own layout


def galleries(session: Session) -> list[GalleryRow]:
    """Every gallery that is to hold the whole catalogue, oldest first."""
    return list(session.scalars(select(GalleryRow).order_by(GalleryRow.created_at, GalleryRow.id)))


def model_info(now: Active, model: LoadedVersion) -> ModelInfo:
    """What answers today, for people and programs; `model` is the version this process loaded."""
    backbone = model.backbone
    return ModelInfo(
        version=now.version,
        backbone=backbone_label(asdict(backbone.spec)),
        composer=now.composer,
        composers=[ComposerInfo(**about._asdict()) for about in _offered(now, model)],
        fingerprint=now.fingerprint,
        dim=now.dim,
        context_length=backbone.context_length,
        demo=backbone.is_demo,
    )


def _offered(now: Active, model: LoadedVersion) -> list[About]:
    """Its own composer first where that was trained; it stands for a shipped one of its name."""
    others = offered_composers(model.backbone)
    if model.card is None or model.card.composer.kind in COMPOSERS:
        return others
    own = about_card(model.card.model_copy(update={"name": now.composer}))
    own = own._replace(label=f"{own.label}, of {now.version}")
    return [own, *(one for one in others if one.name != own.name)]


def ensure_active(
    session: Session, runtime: Runtime, backbone: Backbone, actor: str = "akin"
) -> Active:
    """See that a version is active, that the settings' backbone is one of the versions, and that
    every gallery is in the store.

    backbone: that of the settings. At the first start a version of it, its gallery and a
    deployment are made. Another one takes over as long as the catalogue has no images; later it
    only becomes a version that can be promoted, and the deployed one goes on answering. A gallery
    that the store has lost is made again and embedded anew.
    Call it last in a write transaction. The store's galleries are made and dropped inside it,
    against the rule that no file or network work is done there: this runs at start-up only, when
    nobody else writes yet, and so no image can come in between the look and the drop.

    Raises:
        SetupError: if the deployed version's backbone has other weights now.
    """
    one_at_a_time(session)
    now = newest(session)
    if now is not None and now.artefact is None and now.fingerprint != backbone.fingerprint:
        if not _is_filled(session):
            _forget_galleries(session, runtime.galleries)
            now = None
        elif now.backbone == asdict(backbone.spec):
            raise _other_weights(now)
    version = _version_of(session, backbone)
    if now is None or _is_the_same_under_another_name(now, backbone):
        gallery_id = gallery_of(session, version)
        session.flush()
        reason = "the backbone of the settings at start"
        now = deploy(session, version, gallery_id, actor=actor, reason=reason, action="start")
    for gallery in galleries(session):
        if _opened_empty(runtime.galleries, gallery.id, gallery.dim):
            session.execute(delete(Embedding).where(Embedding.gallery_id == gallery.id))
            if _is_filled(session):
                ensure_embed(session, runtime.queue, gallery.id)
    return now


def backbone_label(spec: dict[str, Any]) -> str:
    """A backbone as people call it: its name or folder, and the tag or file of its weights."""
    name, weights = spec["name"], spec["pretrained"]
    if name.startswith(_FOLDER):
        name = Path(name.removeprefix(_FOLDER)).name
    return f"{name} {Path(weights).name}" if weights else str(name)


def _version_of(session: Session, backbone: Backbone) -> ModelVersion:
    """The version of this backbone, made if there is none yet."""
    spec = asdict(backbone.spec)
    alike = select(ModelVersion).where(
        ModelVersion.fingerprint == backbone.fingerprint, ModelVersion.artefact.is_(None)
    )
    for version in session.scalars(alike):
        if version.backbone == spec and _reads_alike(version.text_fingerprint, backbone):
            return version
    version = ModelVersion(
        id=str(uuid4()),
        name=free_name(session, f"{backbone_label(spec)[:80]} · {DEFAULT_COMPOSER}"),
        backbone=spec,
        composer=DEFAULT_COMPOSER,
        fingerprint=backbone.fingerprint,
        text_fingerprint=backbone.text_fingerprint,
        dim=backbone.dim,
        state="ready",
        created_at=clock.now(),
    )
    session.add(version)
    return version


def free_name(session: Session, name: str) -> str:
    """The name, or with a number behind it where another version has it."""
    names, number, free = set(session.scalars(select(ModelVersion.name))), 1, name
    while free in names:
        number += 1
        free = f"{name} {number}"
    return free


def gallery_of(session: Session, version: ModelVersion) -> str:
    """The id of the gallery of a version's image tower, its row made if there is none yet."""
    gallery_id = f"g-{version.fingerprint[:12]}"
    if session.get(GalleryRow, gallery_id) is None:
        session.add(
            GalleryRow(
                id=gallery_id,
                fingerprint=version.fingerprint,
                dim=version.dim,
                created_at=clock.now(),
            )
        )
    return gallery_id


def gallery_row(session: Session, gallery_id: str) -> GalleryRow:
    """The gallery; raises NotFound."""
    row = session.get(GalleryRow, gallery_id)
    if row is None:
        raise NotFound(f"There is no gallery {gallery_id}: it may have been dropped.")
    return row


def version_of_gallery(session: Session, gallery_id: str) -> ModelVersion:
    """A version with the image tower of a gallery: any of them encodes pictures for it.

    Raises:
        NotFound: if there is no such gallery.
        SetupError: if no version has its image tower.
    """
    row = gallery_row(session, gallery_id)
    # One that needs no artefact first: it is the quickest to load.
    alike = select(ModelVersion).where(
        ModelVersion.fingerprint == row.fingerprint, ModelVersion.state.in_(("ready", "archived"))
    )
    version = session.scalars(alike.order_by(ModelVersion.artefact.is_not(None))).first()
    if version is None:
        raise SetupError(
            f"No model version has the image tower of the gallery {gallery_id} "
            f"({row.fingerprint[:12]}): import a version that has it, or drop the gallery."
        )
    session.expunge(version)
    return version


def _opened_empty(store: GalleryStore, gallery_id: str, dim: int) -> bool:
    """Open the gallery; whether it had to be made for that.

    SQL and the store share no transaction: a crash between them leaves the gallery without its
    row, and a lost store leaves the row without its gallery.
    """
    is_there = gallery_id in store.names()
    if is_there:
        store.open(gallery_id)
    else:
        store.create(gallery_id, dim)
    return not is_there


def _is_filled(session: Session) -> bool:
    return bool(session.scalar(select(exists(select(Image.id)))))


def _is_the_same_under_another_name(now: Active, backbone: Backbone) -> bool:
    """Whether the settings call the deployed backbone by another name than it was deployed by."""
    is_same = now.artefact is None and now.fingerprint == backbone.fingerprint
    is_same = is_same and _reads_alike(now.text_fingerprint, backbone)
    return is_same and now.backbone != asdict(backbone.spec)


def _reads_alike(text_fingerprint: str | None, backbone: Backbone) -> bool:
    return text_fingerprint in (None, backbone.text_fingerprint)


def _other_weights(now: Active) -> SetupError:
    return SetupError(
        f"The weights of {backbone_label(now.backbone)} are not those this catalogue was embedded "
        "with: put the old ones back, or empty the catalogue with `akin reset`."
    )


def _forget_galleries(session: Session, store: GalleryStore) -> None:
    """Let go of the galleries of an empty catalogue, so that nobody embeds into them again."""
    for gallery in galleries(session):
        session.delete(gallery)
        store.drop(gallery.id)
    session.flush()
