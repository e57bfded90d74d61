"""The manager's page: browse, edit, move, delete."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from backend.catalogue.schemas import AttributeValue
from backend.errors import InvalidInput
from tests.ui.conftest import Visit, html, run
from tests.ui.shop import Shop
from ui.product_editor import amount_of, change_of, typed

Edit = Callable[[str], AppTest]


@pytest.fixture
def edit(api: str) -> Edit:
    """Opens the dialog of a product."""
    return lambda product_id: run(f"from ui import product_editor as e; e.open_for('{product_id}')")


def newest(shop: Shop) -> str:
    return shop.matching([])[0].id


def test_the_newest_products_come_first_with_their_sku_and_split(visit: Visit, shop: Shop) -> None:
    page = visit("catalogue")
    assert not page.exception
    text = html(page)
    assert "48 products · 48 pictures" in text
    assert text.index(shop.matching([])[0].sku) < text.index(shop.matching([])[1].sku)


def test_a_text_looks_through_titles_and_skus(visit: Visit, shop: Shop) -> None:
    page = visit("catalogue")
    product = shop.get(newest(shop))
    page.text_input(key="browse_text").set_value(product.sku).run()
    assert html(page).count("akin-card") == 1
    page.text_input(key="browse_text").set_value("no such thing").run()
    assert "No product matches" in html(page)


def test_pictures_that_search_cannot_find_yet_are_told(shop: Shop, visit: Visit) -> None:
    image = shop.get(newest(shop)).images[0]
    image.embedded = False
    page = visit("catalogue")
    assert "1 not searchable yet" in html(page)
    image.problem = "The picture holds no values that can be encoded."
    assert "1 unreadable" in html(visit("catalogue"))


def test_a_click_on_a_picture_opens_its_product(visit: Visit, shop: Shop) -> None:
    product = shop.get(newest(shop))
    page = visit("catalogue").button(key=f"pick_browse_{product.id}").click().run()
    assert page.text_input(key="edit_title").value == product.title


def test_edited_fields_are_saved(edit: Edit, shop: Shop) -> None:
    product_id = newest(shop)
    page = edit(product_id)
    page.text_input(key="edit_title").set_value("A better title")
    page.text_input(key="edit_price").set_value("19,90")
    page.selectbox(key="edit_split").set_value("val")
    page.text_input(key="edit_attribute_colour").set_value("")
    page.text_input(key="edit_new_name").set_value("material")
    page.text_input(key="edit_new_value").set_value("cotton")
    page.button(key="edit_save").click().run()
    product = shop.get(product_id)
    assert (product.title, str(product.price), product.split) == ("A better title", "19.90", "val")
    assert "colour" not in product.attributes
    assert product.attributes["material"] == "cotton"


def test_a_field_that_cannot_be_saved_is_told(edit: Edit, shop: Shop) -> None:
    page = edit(newest(shop))
    page.text_input(key="edit_price").set_value("cheap")
    page.button(key="edit_save").click().run()
    assert page.error[0].value.replace("\\", "") == (
        "The price 'cheap' is not a number: write for example 19.90."
    )


def test_pictures_are_added_and_removed(edit: Edit, shop: Shop) -> None:
    product_id = newest(shop)
    old = shop.get(product_id).images[0]
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    page = edit(product_id)
    page.file_uploader[0].upload("new.png", data.getvalue(), "image/png").run()
    assert len(shop.get(product_id).images) == 2
    page.button(key=f"remove_{old.id}").click().run()
    assert old not in shop.get(product_id).images


def test_a_product_is_deleted_only_when_one_is_sure(edit: Edit, shop: Shop) -> None:
    product_id = newest(shop)
    page = edit(product_id)
    assert page.button(key=f"delete_{product_id}").disabled
    page.checkbox(key=f"sure_{product_id}").check().run()
    page.button(key=f"delete_{product_id}").click().run()
    assert product_id not in shop.products


def test_selected_products_move_together(visit: Visit, shop: Shop) -> None:
    chosen = [product.id for product in shop.matching([])[:2]]
    page = visit("catalogue")
    for product_id in chosen:
        page.checkbox(key=f"select_{product_id}").check().run()
    assert "2 products selected" in html(page)
    page.button(key="move_test").click().run()
    assert shop.summary().splits["test"] == 2
    assert "selected" not in html(page)


def test_selected_products_are_deleted_after_a_question(visit: Visit, shop: Shop) -> None:
    product_id = newest(shop)
    page = visit("catalogue")
    page.checkbox(key=f"select_{product_id}").check().run()
    page.button(key="bulk_delete").click().run()
    assert "1 product will be deleted" in page.markdown[-1].value
    assert product_id in shop.products
    page = run(f"from ui import browsing; browsing.confirm_delete(['{product_id}'])")
    page.button(key="yes_delete").click().run()
    assert product_id not in shop.products


@pytest.mark.parametrize(
    ("text", "before", "value"),
    [
        ("red", "blue", "red"),
        ("42", "41", "42"),
        ("42", 41, 42),
        ("1.5", 1, 1.5),
        ("false", True, False),
        ("true", True, True),
        ("42", None, 42),
        ("cotton", None, "cotton"),
        (" ", "blue", None),
    ],
)
def test_an_attribute_keeps_its_kind(
    text: str, before: AttributeValue | None, value: AttributeValue | None
) -> None:
    found = typed(text, before)
    assert found == value
    assert type(found) is type(value)


def test_a_price_takes_a_comma_and_may_be_emptied() -> None:
    assert str(amount_of(" 19,90 ")) == "19.90"
    assert amount_of("  ") is None


def test_an_impossible_field_is_named() -> None:
    with pytest.raises(InvalidInput, match="The currency cannot be saved"):
        change_of({"currency": "euros"})
