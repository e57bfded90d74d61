"""The values that products are filtered by, as rows: kept in step with the products' attributes.

Values that nobody has any more after an edit stay: they are small, and most come back. Those that
only a deleted product had go with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.catalogue.schemas import AttributeValue
from backend.catalogue.tables import Attribute, Product, ProductValue, ValueRow

_Key = tuple[str, str]  # slug and digest


def digest_of(value: AttributeValue) -> str:
    """What a value is known by within its attribute; numbers that are equal have the same."""
    form = value if isinstance(value, str) else repr(as_number(value))
    data = form.encode(errors="surrogatepass")  # a filter may ask for what no product can have
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def as_number(value: float) -> float:
    """A number or a boolean as values are stored and compared; of zeros there is one."""
    return float(value) + 0.0


def link_values(session: Session, products: Sequence[Product], *, new: bool = False) -> None:
    """Say which values these products have, by their attributes; they have been flushed.

    new: they have just been inserted, so that there is nothing to forget.
    """
    slugs = set(session.scalars(select(Attribute.slug).where(Attribute.filterable)))
    values = {product.number: _filterable(product, slugs) for product in products}
    ids = _ids(session, {key: value for one in values.values() for key, value in one.items()})
    links = {(number, ids[key]) for number, one in values.items() for key in one}
    if not new:
        links -= _forget_others(session, values, links)
    if links:
        rows = [{"product_number": number, "value_id": value_id} for number, value_id in links]
        session.execute(insert(ProductValue), rows)


def has_one_of(session: Session, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    """That a row of `ProductValue` is of one of these values.

    Their ids are looked up beforehand unless they are many: PostgreSQL then sees how frequent each
    is, and plans better by far.
    """
    ids = select(ValueRow.id).where(*which)
    few = session.scalars(ids.order_by(ValueRow.id).limit(_FEW + 1)).all()
    return ProductValue.value_id.in_(few if len(few) <= _FEW else ids)


def values_of(session: Session, product_ids: Sequence[str]) -> list[int]:
    """The ids of the values that these products have."""
    theirs = select(ProductValue.value_id).join(
        Product, Product.number == ProductValue.product_number
    )
    return list(session.scalars(theirs.where(Product.id.in_(product_ids)).distinct()))


def forget_unused(session: Session, value_ids: Sequence[int]) -> None:
    """Delete those of these values that no product has.

    Those that somebody holds are about to be had; not waiting for them, this cannot deadlock.
    """
    for start in range(0, len(value_ids), _AT_ONCE):
        some = ValueRow.id.in_(value_ids[start : start + _AT_ONCE])
        free = select(ValueRow.id).where(some).with_for_update(skip_locked=True)
        ids = session.scalars(free).all()
        # Another statement, since PostgreSQL looks for links as of a statement's beginning.
        unused = ~exists().where(ProductValue.value_id == ValueRow.id)
        session.execute(delete(ValueRow).where(ValueRow.id.in_(ids), unused))


_AT_ONCE = 500
_FEW = 1000


def _filterable(product: Product, slugs: set[str]) -> dict[_Key, AttributeValue]:
    return {
        (slug, digest_of(value)): value
        for slug, value in product.attributes.items()
        if slug in slugs
    }


def _forget_others(
    session: Session, numbers: Mapping[int, object], links: set[tuple[int, int]]
) -> set[tuple[int, int]]:
    """The links that are there, after those are gone that are not in `links`."""
    columns = (ProductValue.product_number, ProductValue.value_id)
    theirs = select(*columns).where(ProductValue.product_number.in_(numbers))
    there = {(number, value_id) for number, value_id in session.execute(theirs)}
    for number, value_id in there - links:
        old = (ProductValue.product_number == number, ProductValue.value_id == value_id)
        session.execute(delete(ProductValue).where(*old))
    return there & links


def _ids(session: Session, values: Mapping[_Key, AttributeValue]) -> dict[_Key, int]:
    """The ids of the values' rows; those that are not there yet are written down."""
    ids = _known(session, values)
    new = sorted(values.keys() - ids.keys())  # in one order, so that two writers cannot deadlock
    if not new:
        return ids
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    statement = sqlite.insert(ValueRow) if on_sqlite else postgresql.insert(ValueRow)
    rows = [_row(key, values[key]) for key in new]
    session.execute(statement.on_conflict_do_nothing(), rows)
    return ids | _known(session, new)


def _known(session: Session, keys: Iterable[_Key]) -> dict[_Key, int]:
    """The ids of those that are there; they stay until the commit."""
    wanted = set(keys)
    query = select(ValueRow.slug, ValueRow.digest, ValueRow.id).where(
        ValueRow.digest.in_({digest for _, digest in wanted})
    )
    rows = session.execute(query.with_for_update(read=True, key_share=True))
    return {(slug, digest): value_id for slug, digest, value_id in rows if (slug, digest) in wanted}


def _row(key: _Key, value: AttributeValue) -> dict[str, Any]:
    is_text = isinstance(value, str)
    return {
        "slug": key[0],
        "digest": key[1],
        "text": value if is_text else None,
        "number": None if isinstance(value, str) else as_number(value),
    }
