"""The shopper's page, from the first look to the third step and back."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from backend.catalogue.schemas import ProductFields
from tests.ui.conftest import Visit, html, open_page
from tests.ui.shop import Shop
from tests.ui.test_thumbnails import promising
from ui.history import Query

HOSTILE = "<img src=x onerror=alert(1)>\"'](javascript:x) **bold**"


def first(page: AppTest, prefix: str) -> str:
    """The key of the first button whose key starts so."""
    return next(b.key for b in page.button if b.key and b.key.startswith(prefix))


def ask(page: AppTest, text: str) -> AppTest:
    page.text_input(key="text").set_value(text)
    search = next(button for button in page.button if button.label == "Search")
    return search.click().run()


def test_the_first_look_is_a_mixed_grid_of_products(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    assert not page.exception
    assert "Pick something you almost like" in html(page)
    shown = re.findall(r'akin-title" title="([^"]*)"', html(page))
    newest = [product.title for product in shop.matching([])]
    assert len(shown) == 24
    assert shown != newest[:24], "families of look-alikes are not shown side by side"


def test_show_more_shows_the_rest(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    page.button(key="more_window").click().run()
    assert html(page).count("akin-card") == len(shop.products) == 48
    assert not [button for button in page.button if button.key == "more_window"]


def test_picking_a_product_makes_it_the_reference(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    key = first(page, "pick_window_")
    page.button(key=key).click().run()
    image = shop.get(key.removeprefix("pick_window_")).images[0]
    assert shop.searches[-1].reference_image_id == image.id
    assert page.text_input(key="text").label == "What should be different?"
    assert f"24 of {len(shop.products) - 1} products in 31 ms" in html(page)


def test_words_strength_and_without_reach_the_api(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    page.button(key=first(page, "pick_window_")).click().run()
    ask(page, "  but in red ")
    page.slider(key="strength").set_value(0.4).run()
    page.multiselect(key="without").set_value(["dots"]).run()
    asked = shop.searches[-1]
    assert (asked.text, asked.strength, asked.without) == ("but in red", 0.4, ["dots"])


def asked_composer(shop: Shop) -> str | None:
    return shop.searches[-1].composer


def test_the_composer_is_chosen_by_its_label_and_told_in_a_sentence(
    visit: Visit, shop: Shop
) -> None:
    page = visit("search")
    page.button(key=first(page, "pick_window_")).click().run()
    assert page.selectbox(key="composer_name").disabled
    ask(page, "but in red")
    composer = page.selectbox(key="composer_name")
    assert (composer.options, composer.value) == (["Sum of both", "Learned mix"], "sum")
    assert asked_composer(shop) is None
    assert "Adds picture and words." in html(page)
    composer.select("combiner").run()
    assert asked_composer(shop) == "combiner"
    assert "Learned from *examples*." in html(page)


def test_the_composer_stays_from_step_to_step_and_belongs_to_each(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    page.button(key=first(page, "pick_window_")).click().run()
    ask(page, "but in red")
    page.selectbox(key="composer_name").select("combiner").run()
    page.button(key=first(page, "pick_hit_")).click().run()
    ask(page, "with dots")
    assert asked_composer(shop) == "combiner"
    page.selectbox(key="composer_name").select("sum").run()
    assert asked_composer(shop) is None
    page.button(key="go_2").click().run()
    assert page.selectbox(key="composer_name").value == "combiner"
    assert (shop.searches[-1].text, shop.searches[-1].composer) == ("but in red", "combiner")


def test_a_composer_that_is_no_longer_offered_gives_way_to_the_versions_own(
    visit: Visit, shop: Shop
) -> None:
    page = visit("search")
    page.button(key=first(page, "pick_window_")).click().run()
    page.session_state["history"].adjust(text="red", composer="gone")
    page.run()
    assert not page.exception
    assert page.selectbox(key="composer_name").value == "sum"
    assert (shop.searches[-1].text, shop.searches[-1].composer) == ("red", None)


def test_strength_waits_until_there_are_both_parts(visit: Visit) -> None:
    page = visit("search")
    page.button(key=first(page, "pick_window_")).click().run()
    assert page.slider(key="strength").disabled
    page.button(key="example_but in red").click().run()
    assert not page.slider(key="strength").disabled


def test_a_result_becomes_the_next_reference_and_one_walks_back(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    page.button(key=first(page, "pick_window_")).click().run()
    ask(page, "but in red")
    page.slider(key="strength").set_value(0.4).run()
    page.button(key=first(page, "pick_hit_")).click().run()
    assert page.text_input(key="text").value == "", "the words belonged to the last picture"
    page.button(key="back").click().run()
    assert page.text_input(key="text").value == "but in red"
    assert page.slider(key="strength").value == 0.4
    page.button(key="go_0").click().run()
    assert "Pick something you almost like" in html(page)
    page.button(key="go_2").click().run()
    assert shop.searches[-1].text == "but in red"


def test_words_alone_find_products(visit: Visit, shop: Shop) -> None:
    page = ask(visit("search"), "a red dress")
    assert "Found by your words" in html(page)
    assert shop.searches[-1].reference_image_id is None


def test_a_picture_of_ones_own_is_the_reference(visit: Visit) -> None:
    data = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(data, "PNG")
    page = ask(visit("search"), "a red dress")
    page.file_uploader[0].upload("mine.png", data.getvalue(), "image/png").run()
    assert "data:image/webp;base64," in html(page)
    assert page.text_input(key="text").value == "a red dress", "words said before a picture stay"
    page.button(key="clear_reference").click().run()
    assert "Found by your words" in html(page)


def test_a_picture_that_cannot_be_unpacked_is_refused_in_a_sentence(visit: Visit) -> None:
    page = visit("search")
    page.file_uploader[0].upload("bomb.png", promising(20_000, 20_000), "image/png").run()
    assert not page.exception
    assert "too many pixels" in page.error[0].value.replace("\\", "")
    assert "no preview" in html(page)
    page.button(key="clear_reference").click().run()
    assert not page.error


def test_filters_go_along_with_the_query(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    page.button_group(key="filter_search_category").select("dress").run()
    ask(page, "red")
    assert shop.searches[-1].filters == ['category="dress"']
    categories = re.findall(r'akin-facts"><span>.*?</span><span>(.*?)</span>', html(page))
    assert set(categories) == {"dress"}


def test_more_results_come_from_the_same_search(visit: Visit, shop: Shop) -> None:
    page = ask(visit("search"), "red")
    page.button(key="more_results").click().run()
    assert (shop.searches[-1].search_id, shop.searches[-1].offset) == ("s1", 24)
    assert html(page).count("akin-card") == 48


def test_hostile_text_of_a_product_stays_text(shop: Shop, visit: Visit) -> None:
    product = shop.add("evil", ProductFields(title=HOSTILE, category="<script>1</script>"))
    shop.attach(product.id, b"no picture")
    page = ask(visit("search"), "bold")
    assert "<img src=x" not in html(page)
    assert "&lt;img src=x" in html(page)
    assert "<script>1" not in html(page)
    category = page.button_group(key="filter_search_category")
    assert r"\<script\>1\<\/script\> 1" in category.options


def test_words_beyond_what_the_model_reads_are_told(visit: Visit) -> None:
    page = ask(visit("search"), "red " * 60)
    assert "more words than the model reads" in page.info[0].value


def test_the_demo_model_is_named_and_how_to_replace_it(visit: Visit) -> None:
    text = html(visit("search"))
    assert "trained on drawn garments" in text
    assert "akin up --backbone ViT-B-32 --pretrained laion2b_s34b_b79k" in text


def test_a_real_backbone_shows_no_note(shop: Shop, visit: Visit) -> None:
    shop.demo = False
    assert "Demo model" not in html(visit("search"))


def test_an_empty_shop_says_what_to_do(shop: Shop, visit: Visit) -> None:
    shop.products.clear()
    assert "The shelves are still empty" in html(visit("search"))


def test_filters_that_leave_nothing_are_told(visit: Visit) -> None:
    page = visit("search")
    page.button_group(key="filter_search_category").select("dress").run()
    next(s for s in page.slider if s.label == "Price").set_value((7.0, 8.0)).run()
    assert "Nothing is left under these filters" in html(page)


def test_a_refusal_of_the_api_is_one_sentence(visit: Visit) -> None:
    page = visit("search")
    page.session_state["history"].push(Query(text=" "))
    page.run()
    assert page.error[0].value.replace("\\", "").startswith("The query is empty")
    assert not page.exception


def test_pictures_come_from_the_public_url(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_PUBLIC_URL", "https://shop.example/")
    assert 'src="https://shop.example/v1/pictures/' in html(open_page("search"))
