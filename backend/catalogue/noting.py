"""What the audit log is told of the catalogue's changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.audit.service import Subject, note
from backend.catalogue.tables import Image, Product

Fields = Mapping[str, Any]

_FIELDS = ("title", "category", "split", "price", "currency")
_MANY = Subject("products", "", "many products")


def fields_of(product: Product) -> dict[str, Any]:
    """A product's fields side by side, each attribute as one of them."""
    attributes = {f"attributes.{slug}": value for slug, value in product.attributes.items()}
    return {name: getattr(product, name) for name in _FIELDS} | attributes


def note_created(session: Session, product: Product, actor: str) -> None:
    """A product is there."""
    note(session, actor, "product.create", _subject(product), after=fields_of(product))


def note_updated(session: Session, product: Product, before: Fields, actor: str) -> None:
    """A product's fields are others than they were."""
    subject, after = _subject(product), fields_of(product)
    note(session, actor, "product.update", subject, before=before, after=after)


def note_image(session: Session, product: Product, action: str, sha256: str, actor: str) -> None:
    """A product has a picture that it had not, or has it no more: image.add, .remove, .restore."""
    side = "before" if action == "image.remove" else "after"
    note(session, actor, action, _subject(product), **{side: {"picture": sha256}})


def note_edited(session: Session, ids: Sequence[str], given: Fields, actor: str) -> None:
    """Products are about to be given these fields; what they had is counted."""
    columns = [getattr(Product, name) for name in given]
    rows = session.execute(
        select(Product.sku, *columns).where(Product.id.in_(ids)).order_by(Product.number)
    ).all()
    counts = {name: Counter(getattr(row, name) for row in rows).most_common() for name in given}
    before = {name: {str(value): count for value, count in counts[name]} for name in given}
    after = {**given, "products": len(rows), "skus": [row.sku for row in rows]}
    note(session, actor, "products.bulk_edit", _MANY, before=before, after=after)


def note_deleting(session: Session, ids: Sequence[str], actor: str) -> None:
    """Products are about to go, with their images: one is told whole, many by number and SKU."""
    products = session.scalars(
        select(Product).where(Product.id.in_(ids)).order_by(Product.number)
    ).all()
    if len(products) == 1:
        (product,) = products
        pictures = select(Image.sha256).where(Image.product_id == product.id)
        shown = session.scalars(pictures.order_by(Image.position)).all()
        before = fields_of(product) | {"pictures": list(shown)}
        note(session, actor, "product.delete", _subject(product), before=before)
    elif products:
        gone = {"products": len(products), "skus": [product.sku for product in products]}
        note(session, actor, "products.bulk_delete", _MANY, before=gone)


def _subject(product: Product) -> Subject:
    return Subject("product", product.id, product.sku)
