"""How much of the catalogue a gallery holds, counted exactly (Decision 10)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from backend.catalogue.tables import Image
from backend.registry.tables import Embedding


class Coverage(NamedTuple):
    """The catalogue's images as one gallery has them, all counted at one moment.

    An image that cannot be encoded is `refused`, and counts as `stale` too once its product was
    edited: nothing is written for it, but the edit is still to be looked at.
    """

    images: int
    """In the catalogue."""
    embedded: int
    """Held at their current revision."""
    stale: int
    """Edited since the gallery last looked at them."""
    missing: int
    """Neither held nor refused."""
    refused: int
    """Tried, and not to be encoded."""

    @property
    def tried(self) -> int:
        """Held, in whatever state, or refused."""
        return self.images - self.missing

    @property
    def is_complete(self) -> bool:
        """Whether nothing more can be done: what is refused stays so until it is imported anew."""
        return self.missing == 0 and self.stale == 0

    @property
    def held(self) -> int:
        """Of which SQL says that the gallery has a point, stale ones too."""
        return self.images - self.missing - self.refused

    @property
    def share(self) -> float:
        """The part of the images that is embedded, 0 to 1; 1 of an empty catalogue."""
        return self.embedded / self.images if self.images else 1.0


def coverage(session: Session, gallery_id: str) -> Coverage:
    """How much of the catalogue the gallery holds; all zero but the images for one that is not.

    One statement of counts over indexes: every embedding is of an image of the catalogue, since
    it goes with it.
    """
    # The 0 is written out, since an index of those only does not serve a parameter.
    is_stale = Embedding.image_revision == literal_column("0")
    is_refused = Embedding.error.is_not(None)
    row = session.execute(
        select(
            select(func.count()).select_from(Image).scalar_subquery(),
            _count(gallery_id),
            _count(gallery_id, is_stale),
            _count(gallery_id, is_refused),
            _count(gallery_id, is_stale, is_refused),
        )
    ).one()
    images, tried, stale, refused, both = row
    return Coverage(
        images=images,
        embedded=tried - stale - refused + both,
        stale=stale,
        missing=images - tried,
        refused=refused,
    )


def _count(gallery_id: str, *which: ColumnElement[bool]) -> ColumnElement[int]:
    counted = select(func.count()).where(Embedding.gallery_id == gallery_id, *which)
    return counted.scalar_subquery()
