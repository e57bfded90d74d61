"""What the catalogue can be filtered by, and how full it is: counts in SQL, over products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.catalogue.listing import column, matching
from backend.catalogue.schemas import (
    AttributeKind,
    AttributeValue,
    CatalogueSummary,
    Facet,
    FacetValue,
)
from backend.catalogue.tables import SPLITS, Attribute, Image, Product
from backend.gallery.filters import Filter, Scalar
from backend.registry.tables import Embedding

MAX_VALUES = 30

_EXAMPLES: dict[AttributeKind, Scalar] = {
    "keyword": "",
    "integer": 0,
    "float": 0.0,
    "bool": False,
}
_FIELDS: tuple[tuple[str, str, AttributeKind], ...] = (
    ("category", "Category", "keyword"),
    ("split", "Split", "keyword"),
    ("price", "Price", "float"),
)


def facets(
    session: Session,
    filter: Filter | None = None,  # noqa: A002 (the gallery port's word)
) -> list[Facet]:
    """Every field that can be filtered by: its 30 most frequent values, or its range.

    A field is counted under the filters on the other fields, so that one can add to a choice
    within it. Integers have values and a range, floats a range only.
    """
    attributes = session.scalars(
        select(Attribute).where(Attribute.filterable).order_by(Attribute.created_at)
    )
    fields = [
        *_FIELDS,
        *((one.slug, one.label, cast(AttributeKind, one.kind)) for one in attributes),
    ]
    return [_facet(session, key, label, kind, filter) for key, label, kind in fields]


def summary(session: Session, gallery_id: str | None) -> CatalogueSummary:
    """How many products and images there are, and how many the gallery holds."""
    tried = (
        select(Embedding.error.is_(None), func.count())
        .where(Embedding.gallery_id == gallery_id)
        .group_by(Embedding.error.is_(None))
    )
    embedded = {bool(readable): count for readable, count in session.execute(tried)}
    splits = _counts(session, Product.split.expression)
    return CatalogueSummary(
        products=sum(splits.values()),
        images=session.scalar(select(func.count(Image.id))) or 0,
        embedded=embedded.get(True, 0),
        unreadable=embedded.get(False, 0),
        categories=_counts(session, Product.category.expression),
        splits={split: splits.get(split, 0) for split in SPLITS},
    )


def _facet(
    session: Session,
    key: str,
    label: str,
    kind: AttributeKind,
    filter: Filter | None,  # noqa: A002
) -> Facet:
    others = [one for one in (filter.conditions if filter else ()) if one.key != key]
    wanted = matching(Filter(conditions=tuple(others)))
    found = column(key, _EXAMPLES[kind])
    facet = Facet(key=key, label=label, kind=kind)
    if kind != "float":
        facet.values = _values(session, found, kind, wanted)
    if kind in ("integer", "float"):
        facet.minimum, facet.maximum = _range(session, found, wanted)
    return facet


def _values(
    session: Session,
    found: ColumnElement[Any],
    kind: AttributeKind,
    wanted: Sequence[ColumnElement[bool]],
) -> list[FacetValue]:
    # A subquery, since PostgreSQL does not see that two JSON paths sent as parameters are the same.
    rows = select(found.label("value")).where(*wanted, found.is_not(None)).subquery()
    count = func.count()
    counted = session.execute(
        select(rows.c.value, count)
        .group_by(rows.c.value)
        .order_by(count.desc(), rows.c.value)
        .limit(MAX_VALUES)
    )
    return [FacetValue(value=_exact(value, kind), count=number) for value, number in counted]


def _range(
    session: Session, found: ColumnElement[Any], wanted: Sequence[ColumnElement[bool]]
) -> tuple[float | None, float | None]:
    ends = session.execute(select(func.min(found), func.max(found)).where(*wanted)).one()
    low, high = (None if end is None else float(end) for end in ends)
    return low, high


def _exact(value: Any, kind: AttributeKind) -> AttributeValue:
    """Whole numbers are counted as floats, which is exact for all that an attribute may hold."""
    return int(value) if kind == "integer" else cast(AttributeValue, value)


def _counts(session: Session, found: ColumnElement[str]) -> dict[str, int]:
    counted = session.execute(select(found, func.count()).group_by(found).order_by(found))
    return {value: number for value, number in counted}  # noqa: C416 - Row is no plain pair
