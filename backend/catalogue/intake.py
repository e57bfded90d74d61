"""How stored pictures and manifest rows become products (DESIGN, Decision 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.naming import skus_for, title_of
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import OnConflict, ProductFields
from backend.catalogue.service import Outcome, attach_image, find, upsert_fields
from backend.catalogue.tables import Image
from backend.errors import Conflict


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture whose bytes are in the blob store."""

    sha256: str
    facts: ImageFacts


def take_file(session: Session, sku: str, fields: ProductFields, picture: StoredPicture) -> Outcome:
    """A picture that no manifest describes: a product of its own, unless it is there already.

    fields: those of the new product. While the SKU belongs to other pictures, digits of the hash
    are added to it.
    """
    for candidate in skus_for(sku, picture.sha256):
        product = find(session, candidate, for_change=True)
        if product is None:
            new = _titled(candidate, fields)
            product, _ = upsert_fields(session, candidate, new, "error")
            attach_image(session, product, picture.sha256, picture.facts)
            return "created"
        images = set(session.scalars(select(Image.sha256).where(Image.product_id == product.id)))
        if picture.sha256 in images:
            return "unchanged"
        if not images:
            attach_image(session, product, picture.sha256, picture.facts)
            return "updated"
    raise Conflict(f"Every SKU that could be made for '{sku}' is taken: rename the file.")


def take_row(
    session: Session,
    sku: str,
    fields: ProductFields,
    pictures: Sequence[StoredPicture],
    *,
    on_conflict: OnConflict,
    defaults: ProductFields,
) -> Outcome:
    """A manifest row: its product is created or changed, and given the pictures it lacks.

    defaults: what a new product has where `fields` says nothing.

    Raises:
        Conflict: if the product is there and `on_conflict` is error.
        InvalidInput: for fields that the catalogue refuses.
    """
    if find(session, sku) is None:
        given = defaults.model_dump(exclude_none=True) | fields.model_dump(exclude_none=True)
        fields = _titled(sku, ProductFields(**given))
    product, outcome = upsert_fields(session, sku, fields, on_conflict)
    if outcome == "skipped":
        return outcome
    new = [attach_image(session, product, p.sha256, p.facts) for p in pictures]
    return "updated" if outcome == "unchanged" and any(new) else outcome


def _titled(sku: str, fields: ProductFields) -> ProductFields:
    title = fields.title or title_of(sku, fields.category)
    return fields.model_copy(update={"title": title})
