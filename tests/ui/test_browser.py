"""What shoppers do, in a real Chromium over the stand-in of the API."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from backend.catalogue.schemas import ProductFields
from tests.chromium import without_browser
from tests.ui.shop import Shop
from tests.ui.site import Site, titles
from tests.ui.standin import serve

pytestmark = [pytest.mark.long, pytest.mark.browser, without_browser]


def test_a_shopper_walks_from_a_picture_to_another_and_back(open_shop: Shop, page: Page) -> None:
    expect(page.get_by_role("heading", name="Pick something you almost like")).to_be_visible()
    expect(page.locator(".akin-card img").first).to_have_js_property("complete", True)
    page.locator("[class*=st-key-pick_window] button").nth(15).click()
    expect(page.get_by_role("heading", name="Like your picture")).to_be_visible()
    expect(page.get_by_label("What should be different?")).to_be_in_viewport()
    page.get_by_role("button", name="but in red").click()
    expect(page.get_by_role("heading", name="Like this, but different")).to_be_visible()
    page.get_by_role("button", name="Why this?").first.click()
    expect(page.get_by_text("not a cause")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("[class*=st-key-pick_hit] button").nth(3).click()
    expect(page.get_by_role("heading", name="Like your picture")).to_be_visible()
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("What should be different?")).to_have_value("but in red")
    page.get_by_role("button", name="Go to step 1").click()
    expect(page.get_by_role("heading", name="Pick something you almost like")).to_be_visible()


def test_filters_hold_together_and_outlast_another_page(open_shop: Shop, page: Page) -> None:
    dresses = open_shop.summary().categories["dress"]
    page.locator("[data-testid=stButtonGroup] button", has_text="dress").click()
    expect(page.get_by_text(f"{dresses} products")).to_be_visible()
    page.get_by_label("What are you looking for?").fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile(rf"{dresses} of {dresses} products in"))).to_be_visible()
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_text("Nothing to do")).to_be_visible()
    page.get_by_role("link", name="Search").click()
    expect(page.get_by_text(re.compile(rf"{dresses} of {dresses} products in"))).to_be_visible()
    expect(page.get_by_label("What are you looking for?")).to_have_value("red")
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("24 of 48 products in")).to_be_visible()
    expect(page.get_by_role("button", name="Clear all")).to_be_disabled()
    page.get_by_role("button", name="striped T-shirt").click()
    expect(page.get_by_label("What are you looking for?")).to_have_value("striped T-shirt")
    expect(page.get_by_text("24 of 48 products in")).to_be_visible()


def test_strength_and_several_words_without_reach_the_api(open_shop: Shop, page: Page) -> None:
    page.locator("[class*=st-key-pick_window] button").first.click()
    page.get_by_role("button", name="with dots").click()
    expect(page.get_by_role("heading", name="Like this, but different")).to_be_visible()
    for word in ("stripes", "a star"):
        page.locator(".st-key-without input").fill(word)
        page.locator(".st-key-without input").press("Enter")
        expect(page.locator(".st-key-without").get_by_text(word)).to_be_visible()
    slider = page.locator(".st-key-strength input")
    slider.focus()
    slider.press("ArrowRight")
    expect(slider).to_have_value("0.1")
    for _ in range(100):  # the slider tells its value only once it rests
        if open_shop.searches[-1].strength:
            break
        page.wait_for_timeout(100)
    asked = open_shop.searches[-1]
    assert (asked.without, asked.strength) == (["stripes", "a star"], 0.1)


def test_a_picture_of_ones_own_finds_products(open_shop: Shop, page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (60, 90), "red").save(tmp_path / "mine.jpg")
    page.locator(".st-key-reference input[type=file]").set_input_files(tmp_path / "mine.jpg")
    expect(page.get_by_role("heading", name="Like your picture")).to_be_visible()
    source = page.locator(".st-key-reference img").get_attribute("src") or ""
    assert source.startswith("data:image/webp;base64,")
    page.get_by_role("button", name="Remove the picture").click()
    expect(page.get_by_role("heading", name="Pick something you almost like")).to_be_visible()


def test_hostile_titles_and_values_run_nothing(open_shop: Shop, page: Page) -> None:
    attack = (
        "<img src=x onerror='window.hit=1'><script>window.hit=1</script>![i](http://127.0.0.1:9/i)"
    )
    fields = ProductFields(title=attack, category=attack[:90])
    open_shop.attach(open_shop.add(attack, fields).id, b"no picture")
    for path in ("", "catalogue"):
        page.goto(f"{page.url.rstrip('/')}/{path}" if path else page.url)
        expect(page.locator(".akin-card").first).to_be_visible()
        assert page.evaluate("window.hit") is None
        assert page.locator("img[src='x'], img[src*=':9/']").count() == 0
    assert attack in titles(page)


def test_the_page_comes_back_with_its_server(site: Site, shop: Shop, page: Page) -> None:
    expect(page.get_by_role("heading", name="Akin is not answering just now")).to_be_visible()
    with serve(shop, site.api_port):
        expect(page.get_by_role("heading", name="Pick something you almost like")).to_be_visible()


def test_an_empty_shop_fills_without_a_click(open_shop: Shop, page: Page) -> None:
    products = dict(open_shop.products)
    open_shop.products.clear()
    page.reload()
    expect(page.get_by_role("heading", name="The shelves are still empty")).to_be_visible()
    open_shop.products.update(products)
    expect(page.get_by_role("heading", name="Pick something you almost like")).to_be_visible()


def test_a_phone_shows_two_columns_and_no_sideways_scrolling(open_shop: Shop, page: Page) -> None:
    page.set_viewport_size({"width": 420, "height": 900})
    try:
        expect(page.locator(".akin-card").nth(1)).to_be_visible()
        tops = page.locator(".akin-card").evaluate_all(
            "cards => cards.slice(0, 3).map(card => card.getBoundingClientRect().top)"
        )
        assert tops[0] == tops[1] < tops[2]
        width = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert width <= 420
    finally:
        page.set_viewport_size({"width": 1400, "height": 900})
