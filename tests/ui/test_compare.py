"""The page that compares two versions: one query side by side, and all held-out triplets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import Visit, html
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job
from tests.ui.standin_compare import add_version


@pytest.fixture
def versions(shop: Shop) -> Shop:
    add_version(shop, "the sum", active=True)
    add_version(shop, "unfinished", state="training")
    add_version(shop, "my <b>mix</b>")
    return shop


def ask(page: AppTest, words: str) -> AppTest:
    page.text_input(key="text").input(words)
    submit = next(one for one in page.button if one.label == "Search")
    return submit.click().run()


def result(shop: Shop, **facts: Any) -> dict[str, Any]:
    skus = [product.sku for product in shop.products.values()]
    told = [
        {"reference": skus[n], "words": f"<i>{n}</i>", "target": skus[n + 1], "rank_a": 31 - n,
         "rank_b": 2.5}
        for n in range(8)
    ]  # fmt: skip
    figures = {"R@1": (20.0, 15.1, 25.2), "R@10": (80.0, 75.0, 85.0)}
    return {
        "a": "old name", "b": "old name", "split": "test", "triplets": 240, "wins": 61,
        "losses": 22, "ties": 157, "p_value": 2.2e-5, "figures_a": figures,
        "figures_b": {**figures, "R@10": (90.0, 86.0, 93.5)}, "gains": told, "drops": [],
    } | facts  # fmt: skip


def test_with_one_version_there_is_nothing_to_compare(visit: Visit, shop: Shop) -> None:
    add_version(shop, "the sum", active=True)
    assert "There is one version only" in html(visit("compare"))


def test_today_stands_against_the_newest_other_one(visit: Visit, versions: Shop) -> None:
    page = visit("compare")
    assert not page.exception
    assert page.selectbox(key="compare_a").value == "v-the sum"
    assert page.selectbox(key="compare_b").value == "v-my <b>mix</b>"
    assert page.selectbox(key="compare_a").options == ["my <b>mix</b>", "the sum (active)"]
    page.selectbox(key="compare_b").select("v-the sum").run()
    assert [one.value for one in page.info] == ["Choose two different versions."]


def test_both_answers_stand_side_by_side_with_their_ranks(visit: Visit, versions: Shop) -> None:
    page = ask(visit("compare"), "a red dress")
    assert not page.exception
    a, b = (text for text in html(page).split("akin-side-head") if "akin-compared" in text)
    assert "<b>the sum</b>" in a
    assert "<b>my &lt;b&gt;mix&lt;/b&gt;</b>" in b
    assert a.count("akin-card") == 12
    assert b.count("akin-card") == 11
    assert "<b>1</b><span>11 in B</span>" in a
    assert "<b>12</b><span>not found by B</span>" in a
    assert '<b>1</b><span class="akin-up">▲10</span>' in b
    assert '<b>6</b><span class="akin-same">as in A</span>' in b
    assert '<b>11</b><span class="akin-down">▼10</span>' in b
    assert "Each version combines picture and words in its own way." in [
        one.value for one in page.caption
    ]
    asked = len(versions.searches)
    page.run()
    assert len(versions.searches) == asked, "an answer is kept"


def test_a_product_of_the_catalogue_can_be_the_reference(visit: Visit, versions: Shop) -> None:
    page = visit("compare")
    next(one for one in page.button if one.label == "Like this, but…").click().run()
    assert versions.searches[-1].reference_image_id is not None
    assert "akin-compared" in html(page)


def test_what_cannot_be_asked_is_told_and_the_rest_stays(visit: Visit, versions: Shop) -> None:
    add_version(versions, "blind")
    page = ask(visit("compare"), "a red dress")
    assert [one.value.replace("\\", "") for one in page.error] == [
        "blind has not seen the whole catalogue yet: promote it, or wait."
    ]
    assert page.button(key="compare_all").label == "Compare"


def test_all_triplets_are_compared_in_a_job_that_is_followed(visit: Visit, versions: Shop) -> None:
    page = visit("compare")
    page.button(key="compare_all").click().run()
    (job,) = versions.jobs.values()
    assert job.parameters == {"a": "v-the sum", "b": "v-my <b>mix</b>"}
    job.state, job.stage, job.done, job.total = "running", "evaluating", 30, 240
    page.run()
    assert page.button(key="compare_all").disabled
    (bar,) = page.get("progress")
    assert bar.proto.text.replace("\\", "") == "Evaluating · 30 of 240"
    job.state, job.finished_at, job.result = "done", datetime.now(UTC), result(versions)
    page.run()
    assert not page.exception
    assert page.markdown[0].value.replace("\\", "") == (
        "**my <b>mix</b> finds the right product sooner for 61 of 240 triplets and later for 22; "
        "chance alone would be as uneven in 0.0022 % of cases.**"
    )
    assert [(one.label, one.value) for one in page.metric] == [
        ("Wins of B", "61"), ("Losses of B", "22"), ("Ties", "157"),
    ]  # fmt: skip
    shown = html(page)
    assert "<td>90.0 <span>(86.0 to 93.5)</span></td>" in shown
    assert "The largest gains of B" in shown
    assert "The largest losses of B" not in shown
    assert shown.count("akin-pair") - shown.count("akin-pairs") == 6
    assert "rank 31 in A, 2.5 in B" in shown
    assert "&lt;i&gt;0&lt;/i&gt;" in shown
    assert page.expander[-1].label == "2 more"


def test_a_product_that_is_gone_leaves_its_sku(visit: Visit, versions: Shop) -> None:
    gone = result(versions)["gains"][:1]
    gone[0]["target"] = "GONE-1"
    job = {"a": "v-the sum", "b": "v-my <b>mix</b>"}
    facts = {"parameters": job, "result": result(versions, gains=gone)}
    add_job(versions, "compare", "done", finished_at=datetime.now(UTC), **facts)
    page = visit("compare")
    assert not page.exception
    assert "GONE-1" in html(page)
    assert "deleted" in html(page)


def test_a_comparison_that_failed_says_why(visit: Visit, versions: Shop) -> None:
    job = {"a": "v-the sum", "b": "v-my <b>mix</b>"}
    told = "There are no held-out triplets."
    add_job(versions, "compare", "failed", error=told, parameters=job)
    page = visit("compare")
    assert [one.value.replace("\\", "") for one in page.error] == [told]
    assert page.button(key="compare_all").label == "Compare anew"
