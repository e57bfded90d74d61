"""Facets counted in SQL against facets counted by looking at every product."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.catalogue.facets import facets
from backend.catalogue.listing import list_products
from backend.catalogue.schemas import Facet, ProductOut
from backend.database import Database
from backend.gallery.filters import Condition, Filter
from tests.backend.catalogue.test_listing import KINDS, conditions, fill, holds, products
from tests.services import LONG_ON_POSTGRES


@LONG_ON_POSTGRES
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stock=products, wanted=st.lists(conditions, max_size=3))
def test_sql_agrees_with_counting_by_hand(
    database: Database, stock: list[Any], wanted: list[Condition]
) -> None:
    with database.write() as session:
        fill(session, stock)
        every = list_products(session).items
        found = facets(session, Filter(conditions=tuple(wanted)))
        session.rollback()
    assert {one.key for one in found} == {"category", "split", "price", *KINDS}
    for facet in found:
        others = [condition for condition in wanted if condition.key != facet.key]
        left = [one for one in every if all(holds(condition, one) for condition in others)]
        assert counted(facet) == by_hand(facet, left), facet.key


def counted(facet: Facet) -> tuple[dict[Any, int], float | None, float | None]:
    values = {(type(one.value), one.value): one.count for one in facet.values}
    assert [one.count for one in facet.values] == sorted(values.values(), reverse=True)
    return values, facet.minimum, facet.maximum


def by_hand(
    facet: Facet, left: list[ProductOut]
) -> tuple[dict[Any, int], float | None, float | None]:
    values = [value for one in left if (value := value_of(one, facet.key)) is not None]
    listed = [] if facet.kind == "float" else [(type(value), value) for value in values]
    ends = values if facet.kind in ("integer", "float") else []
    return dict(Counter(listed)), min(ends, default=None), max(ends, default=None)


def value_of(one: ProductOut, key: str) -> Any:
    if key == "price":
        return None if one.price is None else float(one.price)
    return one.attributes.get(key) if key not in ("category", "split") else getattr(one, key)
