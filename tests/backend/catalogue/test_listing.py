from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from backend.catalogue.listing import list_products, read_filter
from backend.catalogue.schemas import ProductOut
from backend.database import Database
from backend.errors import InvalidInput
from backend.gallery.filters import Condition, Filter
from backend.paging import encode_cursor
from tests.backend.catalogue.stock import product, sha
from tests.conftest import MovableClock
from tests.services import LONG_ON_POSTGRES

STOCK: list[dict[str, Any]] = [
    {
        "sku": "TEE-1",
        "title": "Red Tee",
        "category": "t-shirt",
        "price": "19.90",
        "currency": "EUR",
        "attributes": {"colour": "red", "size": 38, "weight": 0.5, "washable": True},
    },
    {
        "sku": "TEE-2",
        "title": "Blue tee",
        "category": "t-shirt",
        "split": "val",
        "price": "29.90",
        "currency": "EUR",
        "attributes": {"colour": "blue", "size": 40, "weight": 1.5, "washable": False},
    },
    {
        "sku": "DRESS_1",
        "title": "100% silk dress",
        "category": "dress",
        "split": "test",
        "price": "0",
        "currency": "EUR",
        "attributes": {"colour": 'dark "red", matt', "size": 2**53},
    },
    {"sku": "HAT", "title": "A red hat", "category": "hat"},
    {
        "sku": "COAT",
        "title": "Coat",
        "category": "coat",
        "price": "120.55",
        "currency": "USD",
        "attributes": {"colour": "red"},
    },
]


@pytest.fixture
def shop(database: Database, clock: MovableClock) -> Database:
    """Five products, one a minute, except that the first two came together."""
    with database.write() as session:
        for number, fields in enumerate(STOCK):
            clock.advance(0 if number == 1 else 60)
            product(session, **fields)
    return database


def listed(shop: Database, *expressions: str, text: str | None = None) -> set[str]:
    with shop.read() as session:
        found = list_products(session, filter=read_filter(session, expressions), text=text)
    assert found.total == len(found.items)
    return {one.sku for one in found.items}


def test_the_newest_come_first(shop: Database) -> None:
    with shop.read() as session:
        skus = [one.sku for one in list_products(session).items]
    assert skus[:3] == ["COAT", "HAT", "DRESS_1"]
    assert set(skus[3:]) == {"TEE-1", "TEE-2"}


def paged(shop: Database, limit: int) -> list[ProductOut]:
    seen: list[ProductOut] = []
    cursor = None
    for _ in range(10):
        with shop.read() as session:
            page = list_products(session, cursor=cursor, limit=limit)
        assert page.total == len(STOCK)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return seen


def test_pages_of_any_size_show_every_product_once(shop: Database) -> None:
    with shop.read() as session:
        whole = list_products(session).items
    for limit in (1, 2, 3, 5):
        assert paged(shop, limit) == whole


def test_a_product_added_meanwhile_moves_no_page(shop: Database, clock: MovableClock) -> None:
    with shop.read() as session:
        first = list_products(session, limit=2)
    clock.advance(1)
    with shop.write() as session:
        product(session, "NEW")
    with shop.read() as session:
        second = list_products(session, cursor=first.next_cursor, limit=1)
    assert [one.sku for one in second.items] == ["DRESS_1"]


FILTERS: list[tuple[list[str], set[str]]] = [
    ([], {"TEE-1", "TEE-2", "DRESS_1", "HAT", "COAT"}),
    (["category=t-shirt"], {"TEE-1", "TEE-2"}),
    (["category=t-shirt,hat", "split=train"], {"TEE-1", "HAT"}),
    (["category!=t-shirt"], {"DRESS_1", "HAT", "COAT"}),
    (["sku=HAT,COAT,NOBODY"], {"HAT", "COAT"}),
    (["colour=red"], {"TEE-1", "COAT"}),
    (['colour="dark ""red"", matt"'], {"DRESS_1"}),
    (["colour!=red"], {"TEE-2", "DRESS_1", "HAT"}),
    (["colour!=red,blue"], {"DRESS_1", "HAT"}),
    (["size=38"], {"TEE-1"}),
    (["size=9007199254740992"], {"DRESS_1"}),
    (["size>=40"], {"TEE-2", "DRESS_1"}),
    (["size=38..40"], {"TEE-1", "TEE-2"}),
    (["size!=38..40"], {"DRESS_1", "HAT", "COAT"}),
    (["weight=0.5,1.5"], {"TEE-1", "TEE-2"}),
    (["weight<=1"], {"TEE-1"}),
    (["washable=yes"], {"TEE-1"}),
    (["washable!=yes"], {"TEE-2", "DRESS_1", "HAT", "COAT"}),
    (["washable=yes,no"], {"TEE-1", "TEE-2"}),
    (["price=19.9"], {"TEE-1"}),
    (["price>=19.9", "price<=29.9"], {"TEE-1", "TEE-2"}),
    (["price=..0"], {"DRESS_1"}),
    (["price!=0..50"], {"HAT", "COAT"}),
    (["colour=a\0b"], set()),
    (["category!=a\0b", "size=38"], {"TEE-1"}),
]


def test_filters(shop: Database) -> None:
    for expressions, skus in FILTERS:
        assert listed(shop, *expressions) == skus, expressions


WORDS: list[tuple[str, set[str]]] = [
    ("", {"TEE-1", "TEE-2", "DRESS_1", "HAT", "COAT"}),
    ("RED", {"TEE-1", "HAT"}),
    ("tee red", {"TEE-1"}),
    ("tee-", {"TEE-1", "TEE-2"}),
    ("100%", {"DRESS_1"}),
    ("%", {"DRESS_1"}),
    ("_", {"DRESS_1"}),
    ("\\", set()),
    ("a\0b", set()),
]


def test_words_are_looked_for_in_title_and_sku(shop: Database) -> None:
    for text, skus in WORDS:
        assert listed(shop, text=text) == skus, text


REFUSED = {
    "colur=red": "There is no filter 'colur': use one of colour",
    "split=valid": "There is no split 'valid': use train, val or test",
    "size=M": "Filter 'size' takes numbers",
    "colour>=3": "Filter 'colour' holds no numbers",
    "colour": "Filter 'colour' cannot be read",
}


def test_filters_that_are_refused(shop: Database) -> None:
    for expression, sentence in REFUSED.items():
        with shop.read() as session, pytest.raises(InvalidInput, match=sentence):
            read_filter(session, [expression])


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        encode_cursor(["1"]),
        encode_cursor(["yesterday", str(UUID(int=1))]),
        encode_cursor(["9999-12-31T23:59:59-23:00", str(UUID(int=1))]),
        encode_cursor(["2026-01-01T00:00:00+00:00", "a\0b"]),
        encode_cursor([2**31, 7]),
    ],
)
def test_a_cursor_of_another_list_is_refused(database: Database, cursor: str) -> None:
    with (
        database.read() as session,
        pytest.raises(InvalidInput, match="The cursor is not one"),
    ):
        list_products(session, cursor=cursor)


def test_listing_shows_images_in_their_order(database: Database) -> None:
    with database.write() as session:
        product(session, "TEE", 5, 3, 4)
    with database.read() as session:
        (found,) = list_products(session).items
    assert [image.sha256 for image in found.images] == [sha(5), sha(3), sha(4)]


COLOURS, SIZES, WEIGHTS = ["red", "Red", "blue", "%"], [-1, 0, 7, 2**53], [-0.5, 0.0, 1.25]
CHOICES: dict[str, list[Any]] = {
    "colour": COLOURS,
    "size": SIZES,
    "weight": WEIGHTS,
    "washable": [True, False],
    "category": ["a", "b"],
}
attributes = st.fixed_dictionaries(
    {},
    optional={
        "colour": st.sampled_from(COLOURS),
        "size": st.sampled_from(SIZES),
        "weight": st.sampled_from(WEIGHTS),
        "washable": st.booleans(),
    },
)
bounds = st.sampled_from([-2.0, -0.5, 0.0, 1.0, 7.0, 1e300])
conditions = st.one_of(
    *(
        st.builds(
            Condition,
            key=st.just(key),
            any_of=st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple),
            negate=st.booleans(),
        )
        for key, values in CHOICES.items()
    ),
    st.builds(
        Condition,
        key=st.sampled_from(["size", "weight", "price"]),
        gte=bounds,
        lte=st.none() | bounds,
        negate=st.booleans(),
    ),
)
KINDS = {"colour": "x", "size": 1, "weight": 0.1, "washable": True}
products = st.lists(
    st.tuples(attributes, st.sampled_from("ab"), st.none() | st.sampled_from(["0", "7.25"])),
    max_size=6,
)


def fill(session: Session, stock: list[Any]) -> None:
    """The products drawn, and one that tells the kinds of all attributes."""
    product(session, "KINDS", attributes=KINDS)
    for number, (its_attributes, category, price) in enumerate(stock):
        product(
            session,
            f"P{number}",
            attributes=its_attributes,
            category=category,
            price=price,
            currency=price and "EUR",
        )


def holds(condition: Condition, found: ProductOut) -> bool:
    """What a condition means, read off a product without SQL."""
    fields = {"category": found.category, **found.attributes}
    if found.price is not None:
        fields["price"] = float(found.price)
    value = fields.get(condition.key)
    if value is None:
        return condition.negate
    if condition.values:
        met = value in condition.values
    else:
        low, high = condition.gte, condition.lte
        met = (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]
    return met != condition.negate


@LONG_ON_POSTGRES
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stock=products, wanted=st.lists(conditions, min_size=1, max_size=3))
def test_sql_agrees_with_reading_every_product(
    database: Database, stock: list[Any], wanted: list[Condition]
) -> None:
    with database.write() as session:
        fill(session, stock)
        every = list_products(session).items
        found = list_products(session, filter=Filter(conditions=tuple(wanted))).items
        session.rollback()
    assert found == [one for one in every if all(holds(condition, one) for condition in wanted)]
