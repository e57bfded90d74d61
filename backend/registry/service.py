"""Which model version answers, over which gallery; made at the first start (Decisions 1 and 11)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import delete, exists, select, text
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.tables import Image
from backend.composition.artefact import offered_composers
from backend.errors import SetupError, Unavailable
from backend.gallery.port import GalleryStore
from backend.jobs.service import ensure_embed
from backend.registry.schemas import ComposerInfo, ModelInfo
from backend.registry.tables import Deployment, Embedding, GalleryRow, ModelVersion
from backend.runtime import Runtime

if TYPE_CHECKING:
    from backend.encoding.backbone import Backbone

DEFAULT_COMPOSER = "sum"
_FOLDER = "local-dir:"  # how open_clip calls a folder of its own layout
_SETTINGS = {"name": "BACKBONE", "pretrained": "PRETRAINED", "preprocessing": "PREPROCESSING"}


@dataclass(frozen=True)
class Active:
    """The version that answers and the gallery it searches: one row, so they always agree."""

    version_id: str
    version: str
    gallery_id: str
    composer: str
    fingerprint: str
    dim: int


def active(session: Session) -> Active:
    """What answers today: the newest deployment.

    Raises:
        Unavailable: before the first start has deployed a version.
    """
    found = _newest(session)
    if found is None:
        raise Unavailable("No model version is active yet: start Akin once with `akin up`.")
    version, gallery_id = found
    return _active(version, gallery_id)


def galleries(session: Session) -> list[GalleryRow]:
    """Every gallery that is to hold the whole catalogue, oldest first."""
    return list(session.scalars(select(GalleryRow).order_by(GalleryRow.created_at, GalleryRow.id)))


def model_info(session: Session, backbone: Backbone) -> ModelInfo:
    """What answers today, for people and programs; `backbone` is the one this process loaded."""
    now = active(session)
    return ModelInfo(
        version=now.version,
        backbone=backbone_label(asdict(backbone.spec)),
        composer=now.composer,
        composers=[ComposerInfo(**about._asdict()) for about in offered_composers(backbone)],
        fingerprint=now.fingerprint,
        dim=now.dim,
        context_length=backbone.context_length,
        demo=backbone.is_demo,
    )


def ensure_active(
    session: Session, runtime: Runtime, backbone: Backbone, actor: str = "akin"
) -> Active:
    """See that a version of this backbone is active and that its gallery is in the store.

    At the first start a version, its gallery and a deployment are made. A backbone whose image
    tower is the deployed one's shares its gallery; another image tower takes over only while the
    catalogue has no images. A gallery that the store has lost is made again and embedded anew.
    Call it last in a write transaction. The store's galleries are made and dropped inside it,
    against the rule that no file or network work is done there: this runs at start-up only, when
    nobody else writes yet, and so no image can come in between the look and the drop.

    Raises:
        SetupError: if the catalogue was embedded with another image tower.
    """
    _one_start_at_a_time(session)
    found = _newest(session)
    if found is not None and found[0].fingerprint != backbone.fingerprint:
        _refuse_if_filled(session, found[0], backbone)
        _forget_galleries(session, runtime.galleries)
        found = None
    if found is None or found[0].backbone != asdict(backbone.spec):
        found = _deploy(session, backbone, actor)
    version, gallery_id = found
    if _opened_empty(runtime.galleries, gallery_id, version.dim):
        session.execute(delete(Embedding).where(Embedding.gallery_id == gallery_id))
        if _is_filled(session):
            ensure_embed(session, runtime.queue, gallery_id)
    return _active(version, gallery_id)


def backbone_label(spec: dict[str, Any]) -> str:
    """A backbone as people call it: its name or folder, and the tag or file of its weights."""
    name, weights = spec["name"], spec["pretrained"]
    if name.startswith(_FOLDER):
        name = Path(name.removeprefix(_FOLDER)).name
    return f"{name} {Path(weights).name}" if weights else str(name)


def _newest(session: Session) -> tuple[ModelVersion, str] | None:
    newest = (
        select(ModelVersion, Deployment.gallery_id)
        .join(Deployment, Deployment.version_id == ModelVersion.id)
        .order_by(Deployment.id.desc())
        .limit(1)
    )
    row = session.execute(newest).one_or_none()
    return None if row is None else (row[0], row[1])


def _active(version: ModelVersion, gallery_id: str) -> Active:
    return Active(
        version_id=version.id,
        version=version.name,
        gallery_id=gallery_id,
        composer=version.composer,
        fingerprint=version.fingerprint,
        dim=version.dim,
    )


def _deploy(session: Session, backbone: Backbone, actor: str) -> tuple[ModelVersion, str]:
    version = _version_of(session, backbone)
    gallery_id = _gallery_of(session, backbone)
    session.flush()
    session.add(
        Deployment(
            version_id=version.id,
            gallery_id=gallery_id,
            actor=actor,
            reason="the backbone of the settings at start",
            created_at=clock.now(),
        )
    )
    session.flush()
    return version, gallery_id


def _version_of(session: Session, backbone: Backbone) -> ModelVersion:
    """The version of this backbone, made if there is none yet."""
    spec = asdict(backbone.spec)
    alike = select(ModelVersion).where(ModelVersion.fingerprint == backbone.fingerprint)
    for version in session.scalars(alike):
        if version.backbone == spec:
            return version
    version = ModelVersion(
        id=str(uuid4()),
        name=_free_name(session, f"{backbone_label(spec)[:80]} · {DEFAULT_COMPOSER}"),
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


def _free_name(session: Session, name: str) -> str:
    names, number, free = set(session.scalars(select(ModelVersion.name))), 1, name
    while free in names:
        number += 1
        free = f"{name} {number}"
    return free


def _gallery_of(session: Session, backbone: Backbone) -> str:
    """The id of the gallery of this image tower, its row made if there is none yet."""
    gallery_id = f"g-{backbone.fingerprint[:12]}"
    if session.get(GalleryRow, gallery_id) is None:
        session.add(
            GalleryRow(
                id=gallery_id,
                fingerprint=backbone.fingerprint,
                dim=backbone.dim,
                created_at=clock.now(),
            )
        )
    return gallery_id


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


def _refuse_if_filled(session: Session, deployed: ModelVersion, backbone: Backbone) -> None:
    """Raises SetupError if there are images; else the galleries are dropped in this transaction,
    `ensure_active` says why."""
    if not _is_filled(session):
        return
    if deployed.backbone == asdict(backbone.spec):
        raise SetupError(
            f"The weights of {backbone_label(deployed.backbone)} are not those this catalogue was "
            "embedded with: put the old ones back, or empty the catalogue with `akin reset`."
        )
    raise SetupError(
        f"This catalogue was embedded with {_told(deployed.backbone, deployed.fingerprint)}, and "
        f"the settings ask for {_told(asdict(backbone.spec), backbone.fingerprint)}: start with "
        "the first, or empty the catalogue with `akin reset`."
    )


def _told(spec: dict[str, Any], fingerprint: str) -> str:
    """A backbone as the settings that name it, and the image tower that they led to."""
    settings = " ".join(f"AKIN_{_SETTINGS[key]}={value}" for key, value in spec.items() if value)
    return f"{settings} (image tower {fingerprint[:12]})"


def _forget_galleries(session: Session, store: GalleryStore) -> None:
    """Let go of the galleries of an empty catalogue, so that nobody embeds into them again."""
    for gallery in galleries(session):
        session.execute(delete(Deployment).where(Deployment.gallery_id == gallery.id))
        session.delete(gallery)
        store.drop(gallery.id)
    session.flush()


def _one_start_at_a_time(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        session.execute(text("LOCK TABLE deployments IN SHARE ROW EXCLUSIVE MODE"))
