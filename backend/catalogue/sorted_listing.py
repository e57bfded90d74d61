"""The catalogue in an order of choice, at any place of it: for people who turn pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session

from backend.catalogue.listing import count, matching
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import ProductOut, ProductSort
from backend.catalogue.tables import Product
from backend.errors import InvalidInput
from backend.gallery.filters import Filter
from backend.paging import Page, decode_cursor, encode_cursor, is_number

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
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ProductOut]:
    """`limit` products after the first `offset` of those that match, in the order of `sort`; or
    after those of the page before, whose `next_cursor` is `cursor`.

    By cursor a page costs what it shows, and what is added or deleted meanwhile moves nothing. By
    offset, for people who jump to a page, all before it are passed over, in an index.

    Raises:
        InvalidInput: for a cursor that this list did not give out in this order.
    """
    wanted = matching(session, filter, text)
    if cursor is None:
        total = count(session, wanted)
    else:
        after, total = _read(cursor, sort)
        wanted = [*wanted, after]
    # Only numbers are skipped over, not whole products.
    numbers = select(Product.number).where(*wanted).order_by(*_ORDERS[sort])
    found = session.scalars(numbers.offset(offset).limit(limit + 1)).all() if total else []
    shown = _products(session, found[:limit])
    return Page(
        items=to_schema(session, shown),
        next_cursor=_cursor(sort, shown[-1], total) if len(found) > limit else None,
        total=total,
    )


def _products(session: Session, numbers: Sequence[int]) -> list[Product]:
    found = session.scalars(select(Product).where(Product.number.in_(numbers))).all()
    places = {number: place for place, number in enumerate(numbers)}
    return sorted(found, key=lambda product: places[product.number])


def _cursor(sort: ProductSort, last: Product, total: int) -> str:
    if sort == "newest":  # as `list_products` takes it
        return encode_cursor([last.number, total])
    return encode_cursor([sort, last.sku if sort == "sku" else last.title, last.number, total])


def _read(cursor: str, sort: ProductSort) -> tuple[ColumnElement[bool], int]:
    """The condition that holds of what comes after, and how many match."""
    order, text, *numbers = decode_cursor(cursor, 4)
    if order != sort or not all(map(is_number, numbers)):
        raise InvalidInput(
            "The cursor is not one this list gave out in this order: leave it away to start from "
            "the first page."
        )
    number, total = map(int, numbers)
    after: dict[str, ColumnElement[bool]] = {
        "oldest": Product.number > number,
        "sku": Product.sku > text,
        "title": tuple_(Product.title, Product.number) > (text, number),
    }
    return after[sort], total
