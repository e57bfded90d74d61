"""The UI in a real Chromium, over the stand-in of the API."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from backend.catalogue.schemas import ProductFields
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job
from tests.ui.standin import serve
from tests.ui.standin_admin import add_gallery
from tests.ui.standin_models import add_version, deploy, training

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}"),
]


@dataclass(frozen=True)
class Site:
    """A running UI, and the port at which it looks for its API."""

    url: str
    api_port: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Streamlit as `akin up` starts it; the API comes and goes with each test."""
    port, api_port = free_port(), free_port()
    options = [f"--server.port={port}", "--server.address=127.0.0.1"]
    child = subprocess.Popen(
        [sys.executable, "-m", "ui.serve", *options],
        env=os.environ | {"AKIN_URL": f"http://127.0.0.1:{api_port}"},
        stdin=subprocess.PIPE,
    )
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/_stcore/health")
    yield Site(url, api_port)
    child.kill()
    child.wait()


def wait_for(url: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at {url}")


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 1400, "height": 900})
        browser.close()


@pytest.fixture
def page(tab: Page, site: Site) -> Page:
    tab.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    tab.goto(site.url)
    return tab


@pytest.fixture
def open_shop(shop: Shop, site: Site) -> Iterator[Shop]:
    with serve(shop, site.api_port):
        yield shop


def at_rest(page: Page) -> None:
    """Wait until the page is drawn: a file that is chosen while it is can be lost."""
    app = page.locator("[data-testid=stApp]")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


def titles(page: Page) -> list[str]:
    return [title for title in page.locator(".akin-title").all_inner_texts() if title]


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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
def test_a_manager_adds_edits_and_deletes(open_shop: Shop, page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (60, 90), "green").save(tmp_path / "SCARF-1.jpg")
    (tmp_path / "list.csv").write_text("a,b\n")
    page.get_by_role("link", name="Catalogue").click()
    page.get_by_text("Add products", exact=True).click()
    chooser = page.locator(".st-key-upload_files_single input[type=file]")
    chooser.set_input_files([tmp_path / "SCARF-1.jpg", tmp_path / "list.csv"])
    page.get_by_role("button", name="Add 2 files").click()
    expect(page.get_by_text("Every picture can be found by search.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    assert "list.csv has no column sku" in download.value.path().read_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the refusals").click()
    assert "SCARF-1" not in download.value.path().read_text()

    page.get_by_text("Products", exact=True).click()
    page.locator("[class*=st-key-pick_browse] button").first.click()
    page.get_by_label("Title").fill("A green scarf")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".akin-title").first).to_have_text("A green scarf")

    page.locator("[class*=st-key-select_] label").first.click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete 1 product").click()
    expect(page.locator(".akin-title").first).not_to_have_text("A green scarf")
    assert len(open_shop.products) == 48


@pytest.mark.long
def test_a_manager_corrects_a_list_before_adding_it(
    open_shop: Shop, page: Page, tmp_path: Path
) -> None:
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (60, 90), colour).save(tmp_path / f"{name}.jpg")
    rows = ["lot A;lot B;Titel;Foto;Farbe", "1;T-1;Tee;a.jpg;rot", "1;T-2;Cap;b.jpg;blau"]
    (tmp_path / "list.csv").write_text("\n".join([*rows, "1;T-3;Hat;gone.jpg;"]) + "\n")
    page.get_by_role("link", name="Catalogue").click()
    page.get_by_text("Add products", exact=True).click()
    chooser = page.locator(".st-key-upload_files_single input[type=file]")
    chooser.set_input_files([tmp_path / name for name in ("list.csv", "a.jpg", "b.jpg")])
    expect(page.get_by_text("needed: choose its column")).to_be_visible()
    page.locator(".st-key-column_sku").get_by_role("combobox").click()
    page.get_by_role("option", name="lot B").click()
    preview = page.locator(".st-key-manifest_preview")
    expect(preview.locator(".akin-strip img")).to_have_count(2)
    expect(preview.get_by_text("T-1", exact=True)).to_be_visible()
    expect(preview.get_by_text("Pictures of 1 row were not dropped")).to_be_visible()
    assert not open_shop.jobs
    page.get_by_role("button", name="Add 3 files").click()
    expect(page.get_by_text("Every picture can be found by search.")).to_be_visible()
    (job,) = open_shop.jobs.values()
    assert job.parameters["columns"] == {"sku": ["lot B"]}
    expect(page.locator(".st-key-import_stages [role=progressbar]")).to_have_count(4)


@pytest.mark.long
def test_a_manager_turns_pages_and_exports_what_is_filtered(open_shop: Shop, page: Page) -> None:
    for number in range(60):
        open_shop.add(f"X{number:03}", ProductFields(title=f"Thing {number}", category="thing"))
    page.get_by_role("link", name="Catalogue").click()
    expect(page.get_by_text("1 to 48 of 108 products")).to_be_visible()
    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_text("49 to 96 of 108 products")).to_be_visible()
    page.locator("[data-testid=stButtonGroup] button", has_text="thing").click()
    expect(page.get_by_text("1 to 48 of 60 products")).to_be_visible()
    page.get_by_role("button", name="Select the page").click()
    page.get_by_role("button", name="Select all 60").click()
    expect(page.get_by_text("60 products selected")).to_be_visible()
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("60 products with 0 pictures")).to_be_visible()
    link = page.get_by_role("link", name="Download the zip").get_attribute("href") or ""
    assert httpx.get(link).text.count("X0") == 60


@pytest.mark.long
def test_what_a_shopper_says_is_reviewed(open_shop: Shop, page: Page, tmp_path: Path) -> None:
    page.locator("[class*=st-key-pick_window] button").nth(2).click()
    page.get_by_role("button", name="but in red").click()
    page.get_by_role("button", name="This is the one").nth(1).click()
    expect(page.get_by_text("noted as the one you meant")).to_be_visible()
    (said,) = open_shop.said
    assert said.is_target
    page.get_by_role("link", name="Triplets").click()
    expect(page.locator(".akin-pair img")).to_have_count(2)
    expect(page.locator(".akin-score")).to_have_count(0)
    page.get_by_role("button", name="Score 1 new").click()
    expect(page.locator(".akin-score")).to_have_count(1)
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Sentence").fill("in dark red")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".akin-said")).to_have_text("in dark red")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    page.get_by_role("button", name="Export").click()
    link = page.get_by_role("link", name="Download the accepted ones").get_attribute("href") or ""
    assert httpx.get(link).text == "akin: 1"
    page.keyboard.press("Escape")
    rows = '[{"candidate": "A", "target": "B", "captions": ["is red"]}, {"candidate": "A"}]'
    (tmp_path / "f.json").write_text(rows)
    page.get_by_role("button", name="Import").click()
    at_rest(page)
    page.locator("[data-testid=stPopoverBody] input[type=file]").set_input_files(
        tmp_path / "f.json"
    )
    expect(page.get_by_text("1 new, 0 there already, 1 refused")).to_be_visible()
    expect(page.locator(".akin-pair")).to_have_count(1)


@pytest.mark.long
def test_an_admin_overrides_the_gate_and_goes_back(open_shop: Shop, page: Page) -> None:
    add_gallery(open_shop, "g-9f86", active=True)
    deploy(open_shop, add_version(open_shop, "the sum").id, "at start")
    new = add_version(open_shop, "the combiner", recipe="combiner")
    job = training(open_shop, "in the making")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_text("40 of 200")).to_be_visible()
    job.done = 150
    expect(page.get_by_text("150 of 200")).to_be_visible()
    page.get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Promote").click()
    expect(dialog.get_by_text("does not pass the gate")).to_be_visible()
    dialog.get_by_label("Why, although the gate is not met").fill("for the fair")
    job.state, job.finished_at = "done", job.created_at
    cancel = page.locator(f".st-key-cancel_{job.id} button")
    expect(cancel).to_be_disabled()  # the training's end was seen, and what is open stays open
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Promote all the same").click()
    expect(page.locator(".akin-today h3")).to_have_text("the combiner")
    expect(dialog).to_have_count(0)
    expect(cancel).to_have_count(0)
    assert open_shop.deployments[-1].reason == "for the fair"
    page.get_by_role("button", name="Export").click()
    link = page.get_by_role("link", name="Download the zip").get_attribute("href") or ""
    page.keyboard.press("Escape")
    assert httpx.get(link).text == f"the zip of {new.name}"
    page.get_by_role("button", name="Roll back").click()
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.locator(".akin-today h3")).to_have_text("the sum")


@pytest.mark.long
def test_two_versions_answer_the_same_side_by_side(
    open_shop: Shop, page: Page, tmp_path: Path
) -> None:
    deploy(open_shop, add_version(open_shop, "the sum").id, "at start")
    add_version(open_shop, "the combiner", recipe="combiner")
    Image.new("RGB", (60, 90), "red").save(tmp_path / "mine.jpg")
    page.locator(".st-key-reference input[type=file]").set_input_files(tmp_path / "mine.jpg")
    page.get_by_role("button", name="but in red").click()
    expect(page.get_by_role("heading", name="Like this, but different")).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    expect(page.locator(".akin-compared")).to_have_count(2)
    words = page.get_by_label("What should be different?")
    expect(words).to_have_value("but in red")
    shown = page.locator(".akin-compared img")
    expect(shown).to_have_count(23)
    expect(shown.first).to_have_js_property("complete", True)
    words.fill("with dots")
    words.press("Enter")
    for _ in range(100):
        if open_shop.searches[-1].text == "with dots":
            break
        page.wait_for_timeout(100)
    asked = open_shop.searches[-1]
    assert (asked.text, asked.reference_image_id) == ("with dots", None)
    expect(page.locator(".akin-compared")).to_have_count(2)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Waiting")).to_be_visible()
    job = next(iter(open_shop.jobs.values()))
    job.state, job.error = "failed", "There are no held-out triplets."
    expect(page.get_by_text("There are no held-out triplets.")).to_be_visible()


@pytest.mark.long
def test_jobs_move_without_a_click(open_shop: Shop, page: Page) -> None:
    job = add_job(open_shop, "embed", "running", done=10, total=200)
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_text("10 of 200")).to_be_visible()
    job.done = 150
    expect(page.get_by_text("150 of 200")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled")).to_be_visible()


@pytest.mark.long
def test_the_page_comes_back_with_its_server(site: Site, shop: Shop, page: Page) -> None:
    expect(page.get_by_role("heading", name="Akin is not answering just now")).to_be_visible()
    with serve(shop, site.api_port):
        expect(page.get_by_role("heading", name="Pick something you almost like")).to_be_visible()


@pytest.mark.long
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
