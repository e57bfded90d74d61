"""The audit log's page: who did what, and how it was before."""

from __future__ import annotations

from datetime import date

import pytest

from tests.ui.conftest import Visit, html
from tests.ui.shop import Shop
from tests.ui.standin_admin import add_line
from ui.audit_words import value


def test_a_change_is_told_as_before_and_after(visit: Visit, shop: Shop) -> None:
    before = {"price": "19.90", "attributes.colour": "red"}
    add_line(shop, "product.update", before=before, after={"price": "14.90"})
    text = html(visit("audit"))
    assert "changed <b>product TEE-1</b>" in text
    assert "<span>price</span> <del>19.90</del> → <ins>14.90</ins>" in text
    assert "<span>colour</span> <del>red</del></div>" in text
    assert "2026-11-26<br>12:00:00" in text
    assert "<td>ann</td>" in text


def test_many_products_and_jobs_have_words_too(visit: Visit, shop: Shop) -> None:
    after = {"split": "val", "products": 31, "skus": ["A", "B", "29 more"]}
    add_line(
        shop,
        "products.bulk_edit",
        "many products",
        subject_id="",
        before={"split": {"train": 29, "test": 2}},
        after=after,
    )
    facts = {"subject_kind": "job", "subject_id": "0198c3a4-58f2", "after": {"created": 1500}}
    add_line(shop, "import.end", "ingest", **facts)
    add_line(shop, "model.dance", "combiner", subject_kind="model", subject_id="v1")
    text = html(visit("audit"))
    assert "changed <b>many products</b>" in text
    assert "<del>train 29, test 2</del> → <ins>val</ins>" in text
    assert "<ins>A, B, 29 more</ins>" in text
    assert "ended <b>import 0198c3a4</b>" in text
    assert "model.dance <b>model combiner</b>" in text


def test_texts_of_strangers_are_shown_and_not_obeyed(visit: Visit, shop: Shop) -> None:
    evil = "<script>x</script>"
    add_line(shop, "product.update", evil, actor=evil, after={evil: evil})
    text = html(visit("audit"))
    assert evil not in text
    assert text.count("&lt;script&gt;") == 4


def test_it_is_filtered_by_what_who_and_when(visit: Visit, shop: Shop) -> None:
    add_line(shop, "product.update", "TEE-1")
    add_line(shop, "model.promote", "combiner", actor="ben")
    page = visit("audit")
    page.selectbox(key="audit_area").select("Models").run()
    assert "TEE-1" not in html(page)
    assert "combiner" in html(page)
    page.selectbox(key="audit_area").select("Everything").run()
    page.text_input(key="audit_actor").input("ann").run()
    assert "combiner" not in html(page)
    page.date_input(key="audit_from").set_value(date(2026, 11, 26)).run()
    page.date_input(key="audit_to").set_value(date(2026, 11, 30)).run()
    (link,) = page.get("link_button")
    query = "actor=ann&from=2026-11-26T00%3A00%3A00Z&to=2026-12-01T00%3A00%3A00Z"
    assert link.proto.url.endswith(f"/v1/audit.csv?{query}")


def test_pages_are_turned_and_another_filter_begins_anew(visit: Visit, shop: Shop) -> None:
    for number in range(120):
        add_line(shop, "product.update", f"TEE-{number:03}")
    page = visit("audit")
    assert "1 to 50 of 120 changes" in [text.value for text in page.caption]
    assert page.button(key="audit_newer").disabled
    page.button(key="audit_older").click().run()
    page.button(key="audit_older").click().run()
    assert "101 to 120 of 120 changes" in [text.value for text in page.caption]
    assert "TEE-000" in html(page)
    assert page.button(key="audit_older").disabled
    page.button(key="audit_newer").click().run()
    assert "51 to 100 of 120 changes" in [text.value for text in page.caption]
    page.selectbox(key="audit_area").select("Products").run()
    assert "1 to 50 of 120 changes" in [text.value for text in page.caption]


def test_an_empty_log_is_told_calmly(visit: Visit) -> None:
    assert "Nothing was changed" in html(visit("audit"))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, "nothing"),
        (True, "yes"),
        (0, "0"),
        ([1, None], "1, nothing"),
        ({"a": False}, "a no"),
        ("9f86d081884c7d65" * 4, "9f86d081884c…"),
    ],
)
def test_values_are_said_as_people_say_them(given: object, shown: str) -> None:
    assert value(given) == shown
