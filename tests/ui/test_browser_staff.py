"""What managers and admins do, in a real Chromium over the stand-in of the API."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from backend.catalogue.schemas import ProductFields
from tests.chromium import without_browser
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job
from tests.ui.site import at_rest
from tests.ui.standin_admin import add_gallery
from tests.ui.standin_models import add_version, deploy, training

pytestmark = [pytest.mark.browser, pytest.mark.long, without_browser]


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


def test_jobs_move_without_a_click(open_shop: Shop, page: Page) -> None:
    job = add_job(open_shop, "embed", "running", done=10, total=200)
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_text("10 of 200")).to_be_visible()
    job.done = 150
    expect(page.get_by_text("150 of 200")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled")).to_be_visible()
