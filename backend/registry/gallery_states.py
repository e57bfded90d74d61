"""How every gallery stands: what SQL says of it, what its store says, what was found last."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from backend.catalogue.tables import Image, Product
from backend.errors import AkinError
from backend.gallery.port import GalleryStore
from backend.jobs.reconciling import KIND as RECONCILE
from backend.jobs.schemas import EMBEDS, FINISHED, GALLERIES, JobOut
from backend.jobs.service import to_schema
from backend.jobs.tables import Job
from backend.registry.coverage import Coverage, coverage
from backend.registry.gallery_schemas import GalleriesOut, GalleryOut, RefusedImage
from backend.registry.service import galleries
from backend.registry.tables import Deployment, Embedding, GalleryRow, ModelVersion

SHOWN_REFUSALS = 50
SHOWN_VERSIONS = 20


@dataclass(frozen=True)
class GalleryState:
    """A gallery as SQL knows it, all of one moment."""

    row: GalleryRow
    active: bool
    coverage: Coverage
    versions: list[str]
    refusals: list[RefusedImage]
    job: JobOut | None


@dataclass(frozen=True)
class States:
    """What SQL says of all galleries and of their comparison with the catalogue."""

    galleries: list[GalleryState]
    reconciling: JobOut | None
    reconciled: JobOut | None


def read_states(session: Session) -> States:
    """What SQL knows; the stores are asked afterwards, outside of the transaction."""
    newest = select(Deployment.gallery_id).order_by(Deployment.id.desc()).limit(1)
    active = session.scalar(newest)
    finished = [Job.kind == RECONCILE, Job.state == "done"]
    under_way = [Job.kind == RECONCILE, Job.state.not_in(FINISHED)]
    return States(
        galleries=[_state(session, row, active) for row in galleries(session)],
        reconciling=_newest_job(session, *under_way),
        reconciled=_newest_job(session, *finished),
    )


def with_points(states: States, store: GalleryStore) -> GalleriesOut:
    """The same with the number of points in each: two calls to the store for each gallery. One that
    does not answer says so, and keeps nothing from the others."""
    told = states.reconciled.result.get(GALLERIES, {}) if states.reconciled else {}
    return GalleriesOut(
        galleries=[_shown(one, store, told.get(one.row.id)) for one in states.galleries],
        reconciling=states.reconciling,
        reconciled=states.reconciled,
    )


def refused_images(session: Session, gallery_id: str, limit: int) -> list[RefusedImage]:
    """The first of the images that the gallery cannot hold, by SKU, with the reasons."""
    rows = (
        select(Image.id, Product.id, Product.sku, Embedding.error)
        .join(Image, Image.id == Embedding.image_id)
        .join(Product, Product.id == Image.product_id)
        .where(Embedding.gallery_id == gallery_id, Embedding.error.is_not(None))
        .order_by(Product.sku, Image.id)
        .limit(limit)
    )
    return [
        RefusedImage(image_id=image, product_id=product, sku=sku, reason=reason)
        for image, product, sku, reason in session.execute(rows)
    ]


def _state(session: Session, row: GalleryRow, active: str | None) -> GalleryState:
    named = select(ModelVersion.name).where(ModelVersion.fingerprint == row.fingerprint)
    newest = named.order_by(ModelVersion.created_at.desc(), ModelVersion.id.desc())
    at_work = [Job.kind.in_(EMBEDS), Job.subject == row.id, Job.state.not_in(FINISHED)]
    return GalleryState(
        row=row,
        active=row.id == active,
        coverage=coverage(session, row.id),
        versions=list(session.scalars(newest.limit(SHOWN_VERSIONS))),
        refusals=refused_images(session, row.id, SHOWN_REFUSALS),
        job=_newest_job(session, *at_work),
    )


def _newest_job(session: Session, *which: ColumnElement[bool]) -> JobOut | None:
    newest = select(Job).where(*which).order_by(Job.created_at.desc(), Job.id.desc())
    job = session.scalars(newest.limit(1)).first()
    return None if job is None else to_schema(job)


def _shown(state: GalleryState, store: GalleryStore, found: dict[str, int] | None) -> GalleryOut:
    row, counts = state.row, state.coverage
    points, layout, problem = _kept(store, row.id)
    return GalleryOut(
        id=row.id,
        fingerprint=row.fingerprint,
        dim=row.dim,
        active=state.active,
        versions=state.versions,
        created_at=row.created_at,
        **counts._asdict(),
        share=counts.share,
        complete=counts.is_complete,
        held=counts.held,
        points=points,
        layout=layout,
        problem=problem,
        refusals=state.refusals,
        job=state.job,
        found=found,
    )


def _kept(store: GalleryStore, gallery_id: str) -> tuple[int | None, str | None, str | None]:
    """The number of points and the layout, or why there are none to tell."""
    try:
        gallery = store.open(gallery_id)
        return gallery.count(), gallery.laid().sentence, None
    except AkinError as error:
        return None, None, error.sentence
