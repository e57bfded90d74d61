"""Filters: what is chosen becomes expressions the API reads back as the same values."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Slider

from backend.catalogue.schemas import Facet
from backend.gallery.filters import parse_filter
from tests.ui.conftest import Visit, html
from tests.ui.shop import Shop
from ui.filters_panel import expression, range_expression, scale

PRICE = Facet(key="price", label="Price", kind="float", minimum=7.5, maximum=240.25)


def price(page: AppTest) -> Slider[float]:
    return next(slider for slider in page.slider if slider.label == "Price")


@given(st.lists(st.text(min_size=1), min_size=1))
def test_any_text_may_be_a_value(values: list[str]) -> None:
    (condition,) = parse_filter([expression("colour", values)]).conditions
    assert list(condition.values) == values


def test_the_price_slider_has_round_ends_that_hold_every_price() -> None:
    assert scale(PRICE) == (7.0, 241.0, 1.0)
    low, high, step = scale(PRICE.model_copy(update={"minimum": 0.2, "maximum": 0.25}))
    assert low <= 0.2 < 0.25 <= high
    assert step < 0.01


def test_a_slider_that_leaves_nothing_out_is_no_filter() -> None:
    assert range_expression(PRICE, (7.0, 241.0)) is None
    assert range_expression(PRICE, (10.0, 241.0)) == "price=10.0..241.0"


def test_counts_are_those_under_the_other_filters(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    category = next(iter(shop.summary().categories))
    page.button_group(key="filter_search_category").select(category).run()
    counted = page.button_group(key="filter_search_category").options
    assert len(counted) == len(shop.summary().categories), "its own choice narrows no filter"
    (heading,) = [
        text.proto.body for text in page.get("html") if "Pick something" in text.proto.body
    ]
    assert f"{shop.summary().categories[category]} products" in heading


def test_clear_all_takes_every_filter_away(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    page.button_group(key="filter_search_category").select("dress").run()
    price(page).set_value((30.0, 60.0)).run()
    page.button(key="clear_search").click().run()
    assert page.button_group(key="filter_search_category").value == []
    assert page.button(key="clear_search").disabled


def test_a_shopper_is_not_asked_about_splits(visit: Visit, shop: Shop) -> None:
    shop.products[next(iter(shop.products))].split = "test"
    keys = {group.key for group in visit("search").button_group}
    assert "filter_search_split" not in keys
    assert "filter_catalogue_split" in {group.key for group in visit("catalogue").button_group}


def test_a_dearer_product_widens_the_price_slider_and_narrows_nothing(
    visit: Visit, shop: Shop
) -> None:
    page = visit("search")
    product = next(iter(shop.products.values()))
    product.price = Decimal(999)
    page.run()
    assert price(page).value == (7.0, 999.0)
    page.run()
    assert "48 products" in html(page)
