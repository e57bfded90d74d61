"""The catalogue in an order of choice, at any place of it: for people who turn pages."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from backend.catalogue.listing import count, matching
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import ProductOut, ProductSort
from backend.catalogue.tables import Product
from backend.gallery.filters import Filter
from backend.paging import Page

_ORDERS: dict[ProductSort, list[ColumnElement[Any]]] = {
    "newest": [Product.number.desc()],
    "oldest": [Product.number.asc()],
    "sku": [Product.sku.asc()],
    "title": [Product.title.asc(), Product.number.asc()],
}


def products_at(
    session: Session,
    *,
    filter: Filter | None = None,  # noqa: A002 (the gallery port's word)
    text: str | None = None,
    sort: ProductSort = "newest",
    offset: int = 0,
    limit: int = 50,
) -> Page[ProductOut]:
    """`limit` products after the first `offset` of those that match, in the order of `sort`.

    It has no cursor: the next page is `limit` further on. What is added or deleted meanwhile moves
    the places of the others.
    """
    wanted = matching(session, filter, text)
    total = count(session, wanted)
    # Only numbers are skipped over, not whole products.
    numbers = select(Product.number).where(*wanted).order_by(*_ORDERS[sort])
    page = session.scalars(numbers.offset(offset).limit(limit)).all() if offset < total else []
    found = session.scalars(select(Product).where(Product.number.in_(page))).all()
    places = {number: place for place, number in enumerate(page)}
    shown = sorted(found, key=lambda product: places[product.number])
    return Page(items=to_schema(session, shown), next_cursor=None, total=total)
