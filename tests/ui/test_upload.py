"""Adding products: files travel by hash, and each is accounted for in the report."""

from __future__ import annotations

import csv
import io

from PIL import Image
from streamlit.testing.v1 import AppTest

from backend.catalogue.naming import MANIFEST_SUFFIXES, PICTURE_SUFFIXES
from backend.encoding.decoding import FORMATS
from backend.jobs.schemas import JobItemOut
from tests.ui.conftest import Visit
from tests.ui.shop import Shop
from tests.ui.standin import add_job
from ui.job_report import as_csv


def picture(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "PNG")
    return data.getvalue()


def adding(page: AppTest) -> AppTest:
    return page.button_group(key="catalogue_view").select("Add products").run()


def test_nothing_can_be_added_before_files_are_chosen(visit: Visit) -> None:
    assert adding(visit("catalogue")).button(key="upload_start").disabled


def test_the_choices_are_asked_in_the_same_words(visit: Visit) -> None:
    page = adding(visit("catalogue"))
    asked = page.text_input(key="upload_category"), page.selectbox(key="upload_split")
    assert [choice.label for choice in (*asked, page.selectbox(key="upload_conflict"))] == [
        "Category if the folder doesn't say",
        "Split if the folder doesn't say",
        "If a SKU exists already",
    ]


def test_what_the_server_reads_may_be_dropped(visit: Visit) -> None:
    formats = Image.registered_extensions()
    readable = {ending for ending in PICTURE_SUFFIXES if formats.get(ending) in FORMATS}
    uploader = adding(visit("catalogue")).file_uploader[0]
    assert set(uploader.proto.type) == readable | MANIFEST_SUFFIXES | {".zip"}
    assert set(visit("search").file_uploader[0].proto.type) == readable


def test_files_become_products_and_refusals_a_report(visit: Visit, shop: Shop) -> None:
    page = adding(visit("catalogue"))
    page.file_uploader[0].set_value(
        [
            ("red.png", picture("red"), "image/png"),
            ("blue.png", picture("blue"), "image/png"),
            ("list.csv", b"a,b\n", "text/csv"),
        ]
    ).run()
    page.text_input(key="upload_category").set_value("scarf")
    page.selectbox(key="upload_split").set_value("val")
    page.button(key="upload_start").click().run()
    assert not page.exception
    assert sorted(p.sku for p in shop.matching(["category=scarf", "split=val"])) == ["blue", "red"]
    assert {metric.label: metric.value for metric in page.metric} == {
        "Created": "2",
        "Updated": "0",
        "Unchanged": "0",
        "Skipped": "0",
        "Refused": "1",
    }
    table = page.dataframe[0].value
    assert list(table["reason"]) == ["list.csv has no column sku: add one."]
    assert page.success[0].value == "Every picture can be found by search."
    page.button(key="upload_again").click().run()
    assert page.button(key="upload_start").disabled


def test_while_pictures_are_made_searchable_that_is_shown(visit: Visit, shop: Shop) -> None:
    add_job(shop, "embed", "running", stage="encoding", done=5, total=20, seconds_left=3)
    page = adding(visit("catalogue"))
    page.file_uploader[0].upload("red.png", picture("red"), "image/png").run()
    page.button(key="upload_start").click().run()
    assert "**Making the pictures searchable**" in [text.value for text in page.markdown]
    assert not page.success


def test_the_same_bytes_under_two_names_are_sent_once(visit: Visit, shop: Shop) -> None:
    page = adding(visit("catalogue"))
    page.file_uploader[0].set_value(
        [("a.png", picture("red"), "image/png"), ("b.png", picture("red"), "image/png")]
    ).run()
    page.button(key="upload_start").click().run()
    assert not page.exception
    assert len(shop.products) == 49


def test_the_report_is_a_file_no_spreadsheet_runs() -> None:
    item = JobItemOut(position=0, name="=cmd()", state="failed", outcome="refused", reason="a, b")
    rows = list(csv.reader(io.StringIO(as_csv(iter([item])))))
    assert rows == [["file", "outcome", "reason"], ["'=cmd()", "refused", "a, b"]]
