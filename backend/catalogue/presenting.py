"""The catalogue's rows as others see them: schemas for the API, payloads for the galleries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import BindParameter, Row, ScalarSelect, and_, bindparam, select
from sqlalchemy.orm import Session

from backend.blobs import RenditionKind
from backend.catalogue.schemas import ImageOut, ProductOut
from backend.catalogue.tables import Blob, Image, Product
from backend.gallery.port import Payload
from backend.registry.tables import Deployment, Embedding


def to_schema(session: Session, products: Sequence[Product]) -> list[ProductOut]:
    """The products with their images, in the same order; one statement for all images."""
    images = _images(session, [product.id for product in products])
    return [_product_out(product, images[product.id]) for product in products]


def products_by_ids(session: Session, ids: Sequence[str]) -> dict[str, ProductOut]:
    """Products by id; those that are not there are absent."""
    images = _images(session, ids)
    rows = session.execute(_PRODUCTS, {"ids": list(ids)}).mappings()
    return {
        row["id"]: ProductOut.model_validate({**row, "images": images[row["id"]]}) for row in rows
    }


def payload_of(product: Product, filterable: Collection[str]) -> Payload:
    """What a gallery stores beside the vector of each of the product's images.

    filterable: what `filterable_attributes` gives. Price is among the attributes, as a number.
    """
    values = product.attributes
    if product.price is not None:
        values = {**values, "price": float(product.price)}
    return {
        "product": product.id,
        "sku": product.sku,
        "category": product.category,
        "split": product.split,
        "attributes": {slug: value for slug, value in values.items() if slug in filterable},
    }


def picture_path(sha256: str, kind: RenditionKind) -> str:
    """Where the API serves a rendition; the same path always has the same content."""
    return f"/v1/pictures/{sha256}/{kind}"


def active_gallery() -> ScalarSelect[str]:
    """The id of the gallery that searches use today, as a subquery; NULL before the first one."""
    newest = select(Deployment.gallery_id).order_by(Deployment.id.desc()).limit(1)
    return newest.scalar_subquery()


_ImageRow = Row[str, str, str, int, int, bool, str | None]


def _images(session: Session, product_ids: Sequence[str]) -> dict[str, list[ImageOut]]:
    images: dict[str, list[ImageOut]] = defaultdict(list)
    for row in session.execute(_IMAGES, {"ids": list(product_ids)}):
        images[row[0]].append(_image_out(row))
    return images


def _image_out(row: _ImageRow) -> ImageOut:
    _, image_id, sha256, width, height, tried, problem = row
    return ImageOut(
        id=image_id,
        sha256=sha256,
        width=width,
        height=height,
        thumbnail=picture_path(sha256, "thumbnail"),
        preview=picture_path(sha256, "preview"),
        embedded=tried and problem is None,
        problem=problem,
    )


def _product_out(product: Product, images: list[ImageOut]) -> ProductOut:
    values = {name: getattr(product, name) for name in _COLUMNS}
    return ProductOut.model_validate({**values, "images": images})


_COLUMNS = tuple(name for name in ProductOut.model_fields if name != "images")

# Built once, and over tables instead of mapped classes: half of what these two cost a search was
# building the statements, and objects that are then read once.
_PRODUCT, _IMAGE, _BLOB, _EMBEDDING = (
    table.__table__.c for table in (Product, Image, Blob, Embedding)
)
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_PRODUCTS = select(*(_PRODUCT[name] for name in _COLUMNS)).where(_PRODUCT.id.in_(_IDS))
_IMAGES = (
    select(
        _IMAGE.product_id,
        _IMAGE.id,
        _IMAGE.sha256,
        _BLOB.width,
        _BLOB.height,
        _EMBEDDING.image_id.is_not(None),
        _EMBEDDING.error,
    )
    .select_from(Image.__table__)
    .join(Blob.__table__, _BLOB.sha256 == _IMAGE.sha256)
    .outerjoin(
        Embedding.__table__,
        and_(_EMBEDDING.image_id == _IMAGE.id, _EMBEDDING.gallery_id == active_gallery()),
    )
    .where(_IMAGE.product_id.in_(_IDS))
    .order_by(_IMAGE.position, _IMAGE.id)
)
