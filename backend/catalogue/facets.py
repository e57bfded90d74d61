"""What the catalogue can be filtered by, and how full it is: counts in SQL, over products.

All fields that have no filter of their own are counted in one statement, attributes by the ids of
their values; each field that has one needs a statement of its own, without that filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    Double,
    Select,
    Text,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session

from backend.catalogue.listing import matching
from backend.catalogue.schemas import (
    AttributeKind,
    AttributeValue,
    CatalogueSummary,
    Facet,
    FacetValue,
)
from backend.catalogue.tables import SPLITS, Attribute, Image, Product, ProductValue, ValueRow
from backend.catalogue.values import has_one_of
from backend.gallery.filters import Filter
from backend.registry.tables import Embedding

MAX_VALUES = 30

_FIELDS: tuple[tuple[str, str, AttributeKind], ...] = (
    ("category", "Category", "keyword"),
    ("split", "Split", "keyword"),
    ("price", "Price", "float"),
)
_BUILT_IN = tuple(key for key, _, _ in _FIELDS)


def facets(
    session: Session,
    filter: Filter | None = None,  # noqa: A002 (the gallery port's word)
) -> list[Facet]:
    """Every field that can be filtered by: its 30 most frequent values, or its range.

    A field is counted under the filters on the other fields, so that one can add to a choice
    within it. Integers have values and a range, floats a range only.
    """
    given = filter or Filter()
    attributes = select(Attribute.slug, Attribute.label, Attribute.kind).where(Attribute.filterable)
    fields = [*_FIELDS, *session.execute(attributes.order_by(Attribute.created_at))]
    found = {key: Facet(key=key, label=label, kind=kind) for key, label, kind in fields}
    own = {condition.key for condition in given.conditions} & found.keys()
    _count(session, found, [key for key in found if key not in own], given)
    for key in own:
        others = Filter(conditions=tuple(one for one in given.conditions if one.key != key))
        _count(session, found, [key], others)
    return list(found.values())


def summary(session: Session, gallery_id: str | None) -> CatalogueSummary:
    """How many products and images there are, and how many the gallery holds."""
    tried = select(func.count()).where(Embedding.gallery_id == gallery_id)
    refused = session.scalar(tried.where(Embedding.error.is_not(None))) or 0
    splits = _counts(session, Product.split.expression)
    return CatalogueSummary(
        products=sum(splits.values()),
        images=session.scalar(select(func.count()).select_from(Image)) or 0,
        embedded=(session.scalar(tried) or 0) - refused,
        unreadable=refused,
        categories=_counts(session, Product.category.expression),
        splits={split: splits.get(split, 0) for split in SPLITS},
    )


class _Row(NamedTuple):
    """A value with its place among those of its field, or, in place 0, a range."""

    key: str
    place: int
    products: int
    text: str | None
    low: float | None
    high: float | None


_Rows = Select[str, int, int, str | None, float | None, float | None]


def _count(
    session: Session, found: Mapping[str, Facet], keys: Sequence[str], given: Filter
) -> None:
    """Give the facets of these fields what a filter leaves them, in one statement."""
    wanted = matching(session, given)
    parts = list(_parts(session, found, keys, _Matched(wanted) if wanted else None))
    if not parts:
        return
    for row in sorted(map(_Row._make, session.execute(union_all(*parts))), key=_place):
        facet = found[row.key]
        if row.place:
            facet.values.append(FacetValue(value=_exact(row, facet.kind), count=row.products))
        else:
            facet.minimum, facet.maximum = row.low, row.high


def _place(row: _Row) -> int:
    return row.place


def _parts(
    session: Session, found: Mapping[str, Facet], keys: Sequence[str], matched: _Matched | None
) -> Iterator[_Rows]:
    for key in ("category", "split"):
        if key in keys:
            yield _frequent(key, matched)
    if "price" in keys:
        yield _price_range(matched)
    slugs = [key for key in keys if key not in _BUILT_IN]
    if slugs:
        counted = _counted(session, slugs, matched).cte("counted")
        listed = [slug for slug in slugs if found[slug].kind != "float"]
        ranged = [slug for slug in slugs if found[slug].kind in ("integer", "float")]
        if listed:
            yield _top(counted, listed)
        if ranged:
            yield _ranges(counted, ranged)


class _Matched:
    """The products that a filter leaves, found once for all the fields counted under it."""

    def __init__(self, wanted: Sequence[ColumnElement[bool]]) -> None:
        columns = (Product.number, Product.category, Product.split, Product.price)
        self.table = select(*columns).where(*wanted).cte("matched")
        self.columns = self.table.c


def _column(key: str, matched: _Matched | None) -> ColumnElement[Any]:
    return Product.__table__.c[key] if matched is None else matched.columns[key]


def _frequent(key: str, matched: _Matched | None) -> _Rows:
    value, times = _column(key, matched), func.count()
    place = func.row_number().over(order_by=(times.desc(), value)).label("place")
    ranked = select(place, times.label("times"), value.label("value")).group_by(value).subquery()
    columns = (literal(key), ranked.c.place, ranked.c.times, ranked.c.value)
    return select(*columns, _NO_NUMBER, _NO_NUMBER).where(ranked.c.place <= MAX_VALUES)


def _price_range(matched: _Matched | None) -> _Rows:
    price = _column("price", matched)
    ends = (cast_to(func.min(price), Double), cast_to(func.max(price), Double))
    return select(literal("price"), literal(0), literal(0), _NO_TEXT, *ends)


def _counted(session: Session, slugs: Sequence[str], matched: _Matched | None) -> Select[int, int]:
    """How many products have each value; how many have none stands at NULL, or not there.

    For one attribute all its values are read, for many all the values of each product.
    """
    links = select(ProductValue.value_id, func.count().label("times"))
    links = links.group_by(ProductValue.value_id)
    if len(slugs) == 1:
        links = links.where(has_one_of(session, ValueRow.slug == slugs[0]))
    if matched is None:
        return links
    number = matched.columns.number
    if len(slugs) == 1:
        # The sum keeps SQLite from looking for each pair of a value and a product.
        return links.where((ProductValue.product_number + 0).in_(select(number)))
    # An outer join, so that SQLite begins with the products.
    its_values = ProductValue.product_number == number
    return links.select_from(matched.table).outerjoin(ProductValue, its_values)


def _top(counted: CTE, slugs: Sequence[str]) -> _Rows:
    order = (counted.c.times.desc(), ValueRow.text, ValueRow.number)
    place = func.row_number().over(partition_by=ValueRow.slug, order_by=order).label("place")
    ranked = (
        select(ValueRow.slug, place, counted.c.times, ValueRow.text, ValueRow.number)
        .join(counted, counted.c.value_id == ValueRow.id)
        .where(ValueRow.slug.in_(slugs))
        .subquery()
    )
    columns = (ranked.c.slug, ranked.c.place, ranked.c.times, ranked.c.text)
    ends = (ranked.c.number.label("low"), ranked.c.number.label("high"))
    return select(*columns, *ends).where(ranked.c.place <= MAX_VALUES)


def _ranges(counted: CTE, slugs: Sequence[str]) -> _Rows:
    ends = (func.min(ValueRow.number), func.max(ValueRow.number))
    return (
        select(ValueRow.slug, literal(0), literal(0), _NO_TEXT, *ends)
        .join(counted, counted.c.value_id == ValueRow.id)
        .where(ValueRow.slug.in_(slugs))
        .group_by(ValueRow.slug)
    )


def _exact(row: _Row, kind: AttributeKind) -> AttributeValue:
    """Whole numbers are kept as floats, which is exact for all that an attribute may hold."""
    if row.low is None:
        return row.text or ""
    return bool(row.low) if kind == "bool" else int(row.low)


def _counts(session: Session, column: ColumnElement[str]) -> dict[str, int]:
    counted = session.execute(select(column, func.count()).group_by(column).order_by(column))
    return {value: number for value, number in counted}  # noqa: C416 - Row is no plain pair


_NO_TEXT: ColumnElement[str | None] = cast_to(null(), Text)
_NO_NUMBER: ColumnElement[float | None] = cast_to(null(), Double)
