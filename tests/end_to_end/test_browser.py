"""A visitor in a real Chromium before the real server: adds photos, composes from one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.chromium import chromium, without_browser
from workers.datasets.wardrobe.dataset import write_dataset

pytestmark = [pytest.mark.browser, without_browser]
SECONDS = 60_000


@pytest.fixture(scope="module")
def site(servers):
    """A server with its UI, and an empty catalogue."""
    return servers("--ui", cold=True)


@pytest.fixture
def page(site):
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(SECONDS)
        expect.set_options(timeout=SECONDS)
        page.goto(f"http://127.0.0.1:{site.ui_port}")
        yield page


def test_from_an_empty_shop_to_a_composed_search(page, tmp_path):
    write_dataset(tmp_path / "wardrobe", 18, seed=1, size=128)
    pictures = sorted((tmp_path / "wardrobe" / "images").iterdir())
    page.get_by_role("link", name="Catalogue").click()
    page.get_by_text("Add products", exact=True).click()
    page.locator(".st-key-upload_files_single input[type=file]").set_input_files(pictures)
    page.get_by_role("button", name="Add 18 files").click()
    expect(page.get_by_text("Every picture can be found by search.")).to_be_visible()

    page.get_by_role("link", name="Search").click()
    page.locator("[class*=st-key-pick_] button").first.click()
    words = page.get_by_label("What should be different?")
    words.fill("but in red")
    words.press("Enter")
    expect(page.get_by_text("Like this, but different")).to_be_visible()
    expect(page.get_by_text("17 products in")).to_be_visible()
    expect(page.get_by_text("Demo model.")).to_be_visible()
    shown = page.locator("img[src*='/v1/pictures/']").first
    assert shown.evaluate("image => image.complete && image.naturalWidth > 0")
