"""The catalogue as a list, newest first: filters and words become SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select, tuple_
from sqlalchemy.orm import Session

from backend.catalogue.attributes import known_keys
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import ProductOut
from backend.catalogue.tables import SPLITS, Product
from backend.errors import InvalidInput
from backend.gallery.filters import Condition, Filter, Scalar, check_keys, parse_filter
from backend.paging import Page, decode_cursor, encode_cursor

_FIELDS: dict[str, ColumnElement[Any]] = {
    "category": Product.category.expression,
    "split": Product.split.expression,
    "sku": Product.sku.expression,
    "product": Product.id.expression,
    "price": Product.price.expression,
}


def read_filter(session: Session, expressions: Sequence[str]) -> Filter:
    """The filter that expressions such as `colour=red,blue` describe, its values in their kinds.

    Raises:
        InvalidInput: for an expression that cannot be read, an unknown key, a value of another
            kind than its key's, or a split that there is not.
    """
    found = check_keys(parse_filter(expressions), known_keys(session))
    for condition in found.conditions:
        wrong = set(map(str, condition.values)) - set(SPLITS)
        if condition.key == "split" and wrong:
            raise InvalidInput(f"There is no split '{min(wrong)}': use train, val or test.")
    return found


def list_products(
    session: Session,
    *,
    filter: Filter | None = None,  # noqa: A002 (the gallery port's word)
    text: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ProductOut]:
    """One page of the products that match, newest first.

    filter: with its values in their kinds, as `read_filter` gives it.
    text: words that must each occur in the title or the SKU, in either case.

    Raises:
        InvalidInput: for a cursor that this list did not give out.
    """
    wanted = matching(filter, text)
    after = [] if cursor is None else [_after(cursor)]
    newest_first = select(Product).order_by(Product.created_at.desc(), Product.id.desc())
    products = session.scalars(newest_first.where(*wanted, *after).limit(limit + 1)).all()
    shown = products[:limit]
    return Page(
        items=to_schema(session, shown),
        next_cursor=_cursor(shown[-1]) if len(products) > limit else None,
        total=session.scalar(select(func.count(Product.id)).where(*wanted)) or 0,
    )


def matching(
    filter: Filter | None,  # noqa: A002
    text: str | None = None,
) -> list[ColumnElement[bool]]:
    """The SQL conditions over `Product` that a filter and words amount to."""
    conditions = filter.conditions if filter else ()
    words = (text or "").split()
    return [*map(_holds, conditions), *map(_mentions, words)]


def column(key: str, example: Scalar = "") -> ColumnElement[Any]:
    """The SQL expression of a field or attribute, read as the type of `example`."""
    if key in _FIELDS:
        return _FIELDS[key]
    attribute: Any = Product.attributes[key]
    if isinstance(example, bool):
        found = attribute.as_boolean()
    else:
        found = attribute.as_float() if isinstance(example, int | float) else attribute.as_string()
    return cast(ColumnElement[Any], found)


def _holds(condition: Condition) -> ColumnElement[bool]:
    values = condition.values
    found = column(condition.key, values[0] if values else 0.0)
    test = _one_of(found, condition) if values else _within(found, condition)
    return or_(found.is_(None), not_(test)) if condition.negate else and_(found.is_not(None), test)


def _one_of(found: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    values = [value for value in condition.values if "\0" not in str(value)]
    if condition.key == "price":
        return found.in_([Decimal(str(value)) for value in values])
    return found.in_([float(one) if type(one) is int else one for one in values])


def _within(found: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    is_price = condition.key == "price"
    low, high = (
        Decimal(str(end)) if is_price and end is not None else end
        for end in (condition.gte, condition.lte)
    )
    ends = [] if low is None else [found >= low]
    return and_(*ends, *([] if high is None else [found <= high]))


def _mentions(word: str) -> ColumnElement[bool]:
    if "\0" in word:  # no field holds a NUL, and PostgreSQL would refuse it
        return false()
    return or_(
        Product.title.icontains(word, autoescape=True),
        Product.sku.icontains(word, autoescape=True),
    )


def _cursor(product: Product) -> str:
    return encode_cursor([product.created_at.isoformat(), product.id])


def _after(cursor: str) -> ColumnElement[bool]:
    moment, product_id = decode_cursor(cursor, 2)
    try:
        created_at = datetime.fromisoformat(moment).astimezone(UTC)
        UUID(product_id)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            "The cursor is not one of the list of products: leave it away to start again."
        ) from error
    return tuple_(Product.created_at, Product.id) < (created_at, product_id)
