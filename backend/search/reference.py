"""The reference of a composed query: an image of the catalogue, or a picture of one's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Row, Select, and_, bindparam, select
from sqlalchemy.orm import Session

from backend.catalogue.field_types import sku_form
from backend.catalogue.service import get_by_sku
from backend.catalogue.tables import Image, Product
from backend.errors import Conflict, InvalidInput, NotFound
from backend.registry.tables import Embedding
from backend.search.schemas import SearchRequest

_ImageRow = Row[str, str, str, str | None, str | None]

# Built once: a search asks one of them, and building it took longer than its answer.
_IMAGES = (
    select(Image.sha256, Image.product_id, Image.id, Embedding.image_id, Embedding.error)
    .outerjoin(
        Embedding,
        and_(Embedding.image_id == Image.id, Embedding.gallery_id == bindparam("gallery")),
    )
    .order_by(Image.position, Image.id)
)
_OF_ID = _IMAGES.where(Image.id == bindparam("wanted"))
_OF_SKU = _IMAGES.join(Product, Product.id == Image.product_id).where(
    Product.sku == bindparam("wanted")
)


@dataclass(frozen=True, slots=True)
class KeptReference:
    """A reference without its pixels: uploads are known by their hash alone (Decision 14)."""

    sha256: str
    product_id: str | None = None
    image_id: str | None = None


def check_request(request: SearchRequest, *, has_picture: bool) -> None:
    """Raises InvalidInput for a query with nothing to look for, or with two references."""
    kinds = {
        "a SKU": request.reference_sku is not None,
        "an image id": request.reference_image_id is not None,
        "an uploaded picture": has_picture,
    }
    given = [kind for kind, is_given in kinds.items() if is_given]
    if len(given) > 1:
        raise InvalidInput(f"The query has {' and '.join(given)} as its reference: give one.")
    if given or request.text.strip():
        return
    if any(phrase.strip() for phrase in request.without):
        raise InvalidInput(
            "The query only says what to leave out: give a picture or words to look for as well."
        )
    raise InvalidInput("The query is empty: give a picture, a sentence, or both.")


def find_reference(
    session: Session, request: SearchRequest, picture: bytes | None, gallery_id: str
) -> KeptReference | None:
    """The reference that a checked request names; None where it has words alone.

    Of a product, its first image that the gallery holds is taken.

    Raises:
        NotFound: if there is no such product or image.
        Conflict: if the gallery does not hold it: not yet, or because it cannot be encoded.
    """
    if picture is not None:
        return KeptReference(hashlib.sha256(picture).hexdigest())
    if request.reference_sku is not None:
        return _image_by_sku(session, request.reference_sku, gallery_id)
    if request.reference_image_id is not None:
        return _image_by_id(session, request.reference_image_id, gallery_id)
    return None


def excluded_products(session: Session, reference: KeptReference | None) -> list[str]:
    """The products that show the reference itself, to be left out of its results."""
    if reference is None:
        return []
    if reference.product_id is not None:
        return [reference.product_id]
    same = select(Image.product_id).where(Image.sha256 == reference.sha256).distinct()
    return list(session.scalars(same))


def not_yet_embedded(what: str) -> Conflict:
    """What a reference that no gallery can answer for is told."""
    return Conflict(f"{what} is still being embedded: try again in a moment.")


def _image_by_sku(session: Session, sku: str, gallery_id: str) -> KeptReference:
    form = sku_form(sku)
    rows = _rows(session, _OF_SKU, form, gallery_id)
    if not rows:
        get_by_sku(session, sku)  # raises NotFound where there is no such product
    return _first_embedded(rows, f"Product '{form}'")


def _image_by_id(session: Session, image_id: str, gallery_id: str) -> KeptReference:
    rows = _rows(session, _OF_ID, image_id, gallery_id)
    if not rows:
        raise NotFound(f"There is no image {image_id}: it may have been deleted.")
    return _first_embedded(rows, f"Image {image_id}")


def _rows(
    session: Session,
    statement: Select[str, str, str, str | None, str | None],
    wanted: str,
    gallery_id: str,
) -> list[_ImageRow]:
    if "\0" in wanted:  # PostgreSQL refuses to look for a NUL
        return []
    return list(session.execute(statement, {"wanted": wanted, "gallery": gallery_id}))


def _first_embedded(rows: list[_ImageRow], what: str) -> KeptReference:
    if not rows:
        raise Conflict(f"{what} has no image yet: add one, or choose another reference.")
    for sha256, product_id, image_id, tried, problem in rows:
        if tried is not None and problem is None:
            return KeptReference(sha256, product_id, image_id)
    problems = [problem for *_, problem in rows]
    if None in problems:
        raise not_yet_embedded(what)
    reason = str(problems[0]).rstrip(".")
    raise Conflict(f"{what} cannot be a reference ({reason}): choose another one.")
