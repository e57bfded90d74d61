"""The catalogue as a list, newest first: filters and words become SQL.

A filter on an attribute is a list of product numbers read off an index, and lists go by number, so
that a page costs what it shows. How many products match is counted for the first page only; the
cursor carries it to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select
from sqlalchemy.orm import Session

from backend.catalogue.attributes import known_keys
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import ProductOut
from backend.catalogue.tables import SPLITS, Product, ProductValue, ValueRow
from backend.catalogue.unicode_forms import composed
from backend.catalogue.values import digest_of, has_one_of
from backend.errors import InvalidInput
from backend.gallery.filters import Condition, Filter, check_keys, parse_filter
from backend.paging import Page, decode_cursor, encode_cursor, is_number

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
    texts = [composed(expression) for expression in expressions]
    found = check_keys(parse_filter(texts), known_keys(session))
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
    """One page of the products that match, newest first; `total` is as of the first page.

    filter: with its values in their kinds, as `read_filter` gives it.
    text: words that must each occur in the title or the SKU, in either case.

    Raises:
        InvalidInput: for a cursor that this list did not give out.
    """
    wanted = matching(session, filter, text)
    if cursor is None:
        numbers, total = _first(session, wanted, limit + 1)
    else:
        last, total = _read(cursor)
        numbers = _newest(session, [*wanted, Product.number < last], limit + 1)
    shown = numbers[:limit]
    newest_first = select(Product).where(Product.number.in_(shown)).order_by(Product.number.desc())
    return Page(
        items=to_schema(session, session.scalars(newest_first).all()) if shown else [],
        next_cursor=encode_cursor([shown[-1], total]) if len(numbers) > limit else None,
        total=total,
    )


def _first(
    session: Session, wanted: Sequence[ColumnElement[bool]], limit: int
) -> tuple[list[int], int]:
    """The numbers of the newest products that match, and how many match; looked for once."""
    if not wanted:
        return _newest(session, wanted, limit), count(session, wanted)
    matched = select(Product.number).where(*wanted).cte("matched")
    total = select(func.count()).select_from(matched).scalar_subquery()
    newest_first = select(matched.c.number, total).order_by(matched.c.number.desc())
    rows = session.execute(newest_first.limit(limit)).all()
    return [row[0] for row in rows], rows[0][1] if rows else 0


def _newest(session: Session, wanted: Sequence[ColumnElement[bool]], limit: int) -> list[int]:
    newest_first = select(Product.number).where(*wanted).order_by(Product.number.desc())
    return list(session.scalars(newest_first.limit(limit)))


def count(session: Session, wanted: Sequence[ColumnElement[bool]]) -> int:
    """How many products meet the conditions that `matching` gives."""
    return session.scalar(select(func.count()).select_from(Product).where(*wanted)) or 0


def matching(
    session: Session,
    filter: Filter | None,  # noqa: A002
    text: str | None = None,
) -> list[ColumnElement[bool]]:
    """The SQL conditions over `Product` that a filter and words amount to."""
    conditions = filter.conditions if filter else ()
    words = composed(text or "").lower().split()
    return [*(_holds(session, one) for one in conditions), *map(_mentions, words)]


def _holds(session: Session, condition: Condition) -> ColumnElement[bool]:
    if condition.key not in _FIELDS:
        return _has_value(session, condition)
    found = _FIELDS[condition.key]
    test = _one_of(found, condition) if condition.values else _within(found, condition)
    return or_(found.is_(None), not_(test)) if condition.negate else and_(found.is_not(None), test)


def _has_value(session: Session, condition: Condition) -> ColumnElement[bool]:
    has = select(ProductValue.product_number).where(_meets(session, condition))
    if not condition.negate:
        return Product.number.in_(has)
    # SQLite reads the list once; PostgreSQL would for each product, were it long.
    if session.get_bind().dialect.name == "postgresql":
        return ~has.where(ProductValue.product_number == Product.number).exists()
    return Product.number.not_in(has)


def _meets(session: Session, condition: Condition) -> ColumnElement[bool]:
    """That a product's value meets a condition, without regard to its negation."""
    of_key = ValueRow.slug == condition.key
    if not condition.values:
        return has_one_of(session, of_key, _within(ValueRow.number.expression, condition))
    digests = [digest_of(value) for value in condition.values]
    return has_one_of(session, of_key, ValueRow.digest.in_(digests))


def _one_of(found: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    values = [value for value in condition.values if "\0" not in str(value)]
    is_price = condition.key == "price"
    return found.in_([Decimal(str(value)) for value in values] if is_price else values)


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
    return Product.words.contains(word, autoescape=True)


def _read(cursor: str) -> tuple[int, int]:
    """The number of the last product shown, and the total."""
    number, total = decode_cursor(cursor, 2)
    if not (is_number(number) and is_number(total)):
        raise InvalidInput(
            "The cursor is not one of the list of products: leave it away to start again."
        )
    return int(number), int(total)
