"""The manager's page: browse, edit, move, delete."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from backend.catalogue.schemas import AttributeValue, ProductFields
from backend.errors import InvalidInput
from tests.ui.conftest import Visit, html, run
from tests.ui.shop import Shop
from ui import selection
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
    page = run(f"from ui import selection; selection.confirm_delete(['{product_id}'])")
    page.button(key="yes_delete").click().run()
    assert product_id not in shop.products


def shown(page: AppTest) -> list[str]:
    """The ids of the products on the page, in their order."""
    keys = [str(box.key) for box in page.checkbox]
    return [key.removeprefix("select_") for key in keys if key.startswith("select_p")]


def stock(shop: Shop, count: int) -> None:
    """More products without pictures."""
    for number in range(count):
        shop.add(f"X{number:04}", ProductFields(title=f"Thing {number:04}", category="thing"))


def test_pages_are_turned_and_jumped_to(visit: Visit, shop: Shop) -> None:
    stock(shop, 100)
    ids = [product.id for product in shop.matching([])]
    page = visit("catalogue")
    assert shown(page) == ids[:48]
    assert "1 to 48 of 148 products" in html(page)
    assert page.button(key="turn_chevron_left").disabled
    page.button(key="turn_chevron_right").click().run()
    assert shown(page) == ids[48:96]
    page.number_input(key="browse_jump").set_value(4).run()
    assert shown(page) == ids[144:]
    assert "145 to 148 of 148 products" in html(page)
    assert page.button(key="turn_last_page").disabled
    page.button(key="turn_first_page").click().run()
    assert shown(page) == ids[:48]


def test_what_is_looked_for_anew_begins_on_its_first_page(visit: Visit, shop: Shop) -> None:
    stock(shop, 100)
    page = visit("catalogue")
    page.button(key="turn_last_page").click().run()
    page.text_input(key="browse_text").set_value("Thing").run()
    assert "1 to 48 of 100 products" in html(page)


def test_a_page_that_is_gone_becomes_the_last_there_is(visit: Visit, shop: Shop) -> None:
    stock(shop, 49)
    page = visit("catalogue")
    page.button(key="turn_last_page").click().run()
    for product in shop.matching([])[:60]:
        del shop.products[product.id]
    page.run()
    assert not page.exception
    assert "1 to 37 of 37 products" in html(page)


def test_products_are_sorted(visit: Visit, shop: Shop) -> None:
    page = visit("catalogue")
    for sort in ("oldest", "sku", "title"):
        page.selectbox(key="browse_sort").set_value(sort).run()
        products = list(shop.products.values())
        if sort != "oldest":
            products.sort(key=lambda product: getattr(product, sort))
        assert shown(page) == [product.id for product in products]


def test_a_page_is_selected_at_once_and_the_selection_outlasts_turning(
    visit: Visit, shop: Shop
) -> None:
    stock(shop, 52)
    page = visit("catalogue")
    page.button(key="mark_page").click().run()
    page.button(key="turn_chevron_right").click().run()
    page.checkbox(key=f"select_{shown(page)[0]}").check().run()
    assert "49 products selected" in html(page)
    page.button(key="turn_first_page").click().run()
    assert all(box.value for box in page.checkbox if str(box.key).startswith("select_p"))
    page.checkbox(key=f"select_{shown(page)[0]}").uncheck().run()
    assert "48 products selected" in html(page)


def test_all_that_match_are_selected_and_set_to_a_category(visit: Visit, shop: Shop) -> None:
    stock(shop, 60)
    page = visit("catalogue")
    page.text_input(key="browse_text").set_value("Thing").run()
    page.button(key="mark_page").click().run()
    page.button(key="mark_matching").click().run()
    assert "60 products selected" in html(page)
    page.text_input(key="bulk_category").set_value("hat").run()
    page.button(key="bulk_category_set").click().run()
    assert "thing" not in shop.summary().categories
    assert len(shop.matching(["category=hat"])) >= 60


def test_more_than_can_be_selected_is_said(
    visit: Visit, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MOST", 50)
    stock(shop, 10)
    page = visit("catalogue").button(key="mark_page").click().run()
    assert "More than 50 match: filter, to select all." in [c.value for c in page.caption]
    assert "mark_matching" not in {button.key for button in page.button}


def test_an_export_tells_its_size_first(visit: Visit, shop: Shop) -> None:
    page = visit("catalogue")
    assert not page.get("link_button")
    page.session_state["export_panel"] = True
    page.run()
    size = sum(map(len, shop.pictures.values())) / 1000
    told = next(text.value for text in page.markdown if "imports again" in text.value)
    assert told.startswith("The whole catalogue: 48 products with 48 pictures, **")
    assert f"{size:.1f} kB" in told
    link = page.get("link_button")[0].proto
    assert link.url.endswith("/v1/catalogue/export.zip")
    assert not page.warning


def test_an_export_that_is_too_large_to_come_back_says_so(visit: Visit, shop: Shop) -> None:
    shop.upload_bytes = 20_000
    page = visit("catalogue")
    page.session_state["export_panel"] = True
    page.run()
    warning = page.warning[0].value.replace("\\", "")
    assert "since 20,000 may be sent at once here: export a folder instead" in warning
    assert not [text for text in page.markdown if "imports again" in text.value]


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
