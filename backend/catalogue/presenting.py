"""The catalogue's rows as others see them: schemas for the API, payloads for the galleries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import Row, ScalarSelect, and_, select
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
    products = session.scalars(select(Product).where(Product.id.in_(ids))).all()
    return {product.id: product for product in to_schema(session, products)}


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
    in_gallery = and_(Embedding.image_id == Image.id, Embedding.gallery_id == active_gallery())
    rows = session.execute(
        select(
            Image.product_id,
            Image.id,
            Image.sha256,
            Blob.width,
            Blob.height,
            Embedding.image_id.is_not(None),
            Embedding.error,
        )
        .join(Blob, Blob.sha256 == Image.sha256)
        .outerjoin(Embedding, in_gallery)
        .where(Image.product_id.in_(product_ids))
        .order_by(Image.position, Image.id)
    )
    images: dict[str, list[ImageOut]] = defaultdict(list)
    for row in rows:
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
