"""The catalogue as JSON lines, in the form that a manifest has: what comes out can go in again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.tables import Blob, Image, Product
from backend.database import Database

PAGE = 500
_SUFFIXES = {"JPEG": "jpg", "MPO": "jpg"}


def export_lines(database: Database) -> Iterator[str]:
    """One product a line, by SKU: its fields, its attributes, and the file names of its images.

    A file name is `images/`, the SHA-256 of the blob and the ending of its format. Each page has a
    transaction of its own, so that a slow reader holds nothing.
    """
    last = ""
    while True:
        with database.read() as session:
            after = select(Product).where(Product.sku > last).order_by(Product.sku).limit(PAGE)
            products = session.scalars(after).all()
            names = _image_names(session, [product.id for product in products])
            lines = [_line(product, names[product.id]) for product in products]
        yield from lines
        if len(products) < PAGE:
            return
        last = products[-1].sku


def image_name(sha256: str, form: str) -> str:
    """What an exported image is called: `images/<sha256>.jpg` for a JPEG."""
    return f"images/{sha256}.{_SUFFIXES.get(form, form.lower())}"


def _image_names(session: Session, product_ids: Sequence[str]) -> dict[str, list[str]]:
    rows = session.execute(
        select(Image.product_id, Image.sha256, Blob.format)
        .join(Blob, Blob.sha256 == Image.sha256)
        .where(Image.product_id.in_(product_ids))
        .order_by(Image.position, Image.id)
    )
    names: dict[str, list[str]] = defaultdict(list)
    for product_id, sha256, form in rows:
        names[product_id].append(image_name(sha256, form))
    return names


def _line(product: Product, images: list[str]) -> str:
    price = {} if product.price is None else {"price": f"{product.price}"}
    currency = {} if product.currency is None else {"currency": product.currency}
    record: dict[str, Any] = {
        "sku": product.sku,
        "title": product.title,
        "category": product.category,
        "split": product.split,
        **price,
        **currency,
        **product.attributes,
        "images": images,
    }
    # ASCII only: some readers take U+2028 or U+0085 inside a title for the end of the line.
    return json.dumps(record) + "\n"
