"""The SQL of comparing a gallery: which images it is said to hold, and forgetting what it lacks."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.orm import Session

from backend.catalogue.attributes import filterable_attributes
from backend.catalogue.presenting import payload_of
from backend.catalogue.tables import Image, Product, Removal
from backend.gallery.port import Payload
from backend.jobs.schemas import EMBEDS
from backend.jobs.states import LIVE
from backend.jobs.tables import Job
from backend.registry.tables import Embedding


class ImageState(NamedTuple):
    """An image, and what SQL says of its point: the gallery holds it, written before an edit of
    which no embed job knows."""

    id: str
    held: bool
    behind: bool


class Told(NamedTuple):
    """What the point of an image is to say beside its vector, as of a revision of the image."""

    revision: int
    payload: Payload


def image_states(
    session: Session, gallery_id: str, after: str | None, limit: int
) -> list[ImageState]:
    """The next images in id order."""
    in_gallery = and_(Embedding.image_id == Image.id, Embedding.gallery_id == gallery_id)
    held = and_(Embedding.image_id.is_not(None), Embedding.error.is_(None))
    query = select(Image.id, held, and_(held, _behind())).outerjoin(Embedding, in_gallery)
    if after is not None:
        query = query.where(Image.id > after)
    rows = session.execute(query.order_by(Image.id).limit(limit))
    return [ImageState(id_, bool(is_held), bool(is_behind)) for id_, is_held, is_behind in rows]


def without_image(session: Session, image_ids: Collection[str]) -> list[str]:
    """Those ids that are no image's and that no embed job is told to remove."""
    images = set(session.scalars(select(Image.id).where(Image.id.in_(image_ids))))
    leaving = select(Removal.image_id).where(Removal.image_id.in_(image_ids))
    return sorted(set(image_ids) - images - set(session.scalars(leaving)))


def held(session: Session, gallery_id: str, image_ids: Collection[str]) -> list[str]:
    """Those images that SQL says the gallery holds."""
    query = select(Embedding.image_id).where(_held(gallery_id, image_ids))
    return list(session.scalars(query.order_by(Embedding.image_id)))


def forget_held(session: Session, gallery_id: str, image_ids: Collection[str]) -> None:
    """Say that the gallery does not hold these images, so that the embed job makes them again."""
    session.execute(delete(Embedding).where(_held(gallery_id, image_ids)))


def forget_gallery(session: Session, gallery_id: str) -> None:
    """Say that the gallery holds nothing."""
    session.execute(delete(Embedding).where(Embedding.gallery_id == gallery_id))


def told(session: Session, gallery_id: str, image_ids: Collection[str]) -> dict[str, Told]:
    """What points are to say, by image id; of those whose last edit has reached the gallery."""
    filterable = filterable_attributes(session)
    query = (
        select(Image.id, Image.revision, Product)
        .join(Product, Product.id == Image.product_id)
        .join(Embedding, Embedding.image_id == Image.id)
        .where(_held(gallery_id, image_ids), Embedding.image_revision == Image.revision)
    )
    return {
        image_id: Told(revision, payload_of(product, filterable))
        for image_id, revision, product in session.execute(query)
    }


def behind(session: Session, gallery_id: str, image_ids: Collection[str]) -> list[str]:
    """Those whose points were written before an edit of which no embed job knows."""
    query = select(Image.id).join(Embedding, Embedding.image_id == Image.id)
    query = query.where(_held(gallery_id, image_ids), _behind())
    return list(session.scalars(query.order_by(Image.id)))


def make_stale(session: Session, gallery_id: str, image_ids: Collection[str]) -> None:
    """Say that these points are older than their images, so that the embed job updates them."""
    session.execute(update(Embedding).where(_held(gallery_id, image_ids)).values(image_revision=0))


def has_embed_job(session: Session, gallery_id: str) -> bool:
    """Whether a job is there that will look at the whole gallery before it finishes."""
    query = select(Job.id).where(
        Job.kind.in_(EMBEDS), Job.subject == gallery_id, Job.state.in_(LIVE)
    )
    return session.execute(query.limit(1)).first() is not None


def count_images(session: Session) -> int:
    """How many images the catalogue has."""
    return session.scalar(select(func.count()).select_from(Image)) or 0


def _behind() -> ColumnElement[bool]:
    """An edit sets the revision that was written to 0, and so it is 0 or the image's."""
    return Embedding.image_revision.not_in([0, Image.revision])


def _held(gallery_id: str, image_ids: Collection[str]) -> ColumnElement[bool]:
    in_gallery = and_(Embedding.gallery_id == gallery_id, Embedding.image_id.in_(image_ids))
    return and_(in_gallery, Embedding.error.is_(None))
