"""Reviewing triplets: one by one, in bulk, from files and into files."""

from __future__ import annotations

import json

from streamlit.testing.v1 import AppTest

from backend.feedback.schemas import TripletOut
from tests.ui.conftest import Visit, html
from tests.ui.shop import Shop
from ui.triplet_card import pair


def filled(shop: Shop, count: int = 3, **facts) -> list[str]:
    """Candidates with scores that grow; their ids."""
    products = list(shop.products.values())
    return [
        shop.triplet(
            products[number],
            f"sentence {number}",
            products[number + 1],
            **{"score": round((number + 1) / (count + 1), 2)} | facts,
        )
        for number in range(count)
    ]


def shown(page: AppTest) -> list[str]:
    """The sentences on the page, in their order."""
    text = html(page)
    return sorted(
        (f"sentence {number}" for number in range(60) if f">sentence {number}<" in text),
        key=lambda one: text.index(f">{one}<"),
    )


def press(page: AppTest, key: str) -> AppTest:
    return page.button(key=key).click().run()


def test_an_empty_queue_says_where_triplets_come_from(visit: Visit) -> None:
    page = visit("triplets")
    assert "Nothing to review" in html(page)
    assert "This is the one" in html(page)
    assert not page.exception


def test_what_is_surely_right_comes_first_and_can_be_kept(visit: Visit, shop: Shop) -> None:
    kept = filled(shop)
    page = visit("triplets")
    assert shown(page) == ["sentence 2", "sentence 1", "sentence 0"]
    press(page, f"accepted_{kept[2]}")
    assert shop.triplets[kept[2]].state == "accepted"
    assert shown(page) == ["sentence 1", "sentence 0"]
    press(page, f"rejected_{kept[0]}")
    assert shown(page) == ["sentence 1"]
    assert "1 to review" not in html(page)
    assert "1 triplet to review" in html(page)


def test_what_is_surely_wrong_can_come_first_without_what_has_no_score(
    visit: Visit, shop: Shop
) -> None:
    filled(shop)
    products = list(shop.products.values())
    shop.triplet(products[8], "sentence 9", products[9])
    page = visit("triplets")
    page.selectbox(key="triplet_order").set_value("worst").run()
    assert shown(page) == ["sentence 0", "sentence 1", "sentence 2"]
    page.selectbox(key="triplet_order").set_value("newest").run()
    assert shown(page)[0] == "sentence 9"


def test_a_decision_can_be_taken_back(visit: Visit, shop: Shop) -> None:
    (kept,) = filled(shop, 1, state="rejected")
    page = visit("triplets")
    page.segmented_control(key="triplet_state").set_value("rejected").run()
    press(page, f"candidate_{kept}")
    assert shop.triplets[kept].state == "candidate"


def test_a_sentence_is_corrected(visit: Visit, shop: Shop) -> None:
    (kept,) = filled(shop, 1)
    page = visit("triplets")
    page.text_input(key=f"caption_{kept}").set_value(" sentence 7 ").run()
    press(page, f"save_{kept}")
    assert shop.triplets[kept].caption == "sentence 7"
    assert shown(page) == ["sentence 7"]


def test_a_triplet_that_is_gone_is_told_in_passing(visit: Visit, shop: Shop) -> None:
    (kept,) = filled(shop, 1)
    page = visit("triplets")
    del shop.triplets[kept]
    press(page, f"accepted_{kept}")
    assert "There is no triplet" in page.toast[0].value.replace("\\", "")


def test_sources_are_told_apart(visit: Visit, shop: Shop) -> None:
    filled(shop, 1)
    products = list(shop.products.values())
    shop.triplet(products[5], "sentence 5", products[6], source="spn-positives", score=0.5)
    page = visit("triplets")
    page.selectbox(key="triplet_source").set_value("spn-positives").run()
    assert shown(page) == ["sentence 5"]


def test_more_are_shown_when_asked_for(visit: Visit, shop: Shop) -> None:
    filled(shop, 30)
    page = visit("triplets")
    assert len(shown(page)) == 24
    press(page, "more_triplets")
    assert len(shown(page)) == 30


def test_new_candidates_are_scored_by_a_click(visit: Visit, shop: Shop) -> None:
    kept = filled(shop, 2, score=None)
    page = visit("triplets")
    assert "not scored yet" in html(page)
    press(page, "score_triplets")
    assert shop.triplets[kept[0]].score is not None
    assert "score_job" not in page.session_state, "it has ended"
    page.run()
    assert page.button(key="score_triplets").label == "Score again"


def test_what_is_sure_is_decided_in_bulk(visit: Visit, shop: Shop) -> None:
    kept = filled(shop, 9)
    page = visit("triplets")
    page.session_state["bulk"] = True
    page.run()
    assert page.button(key="bulk_accepted").label == "Accept all 1 from 0.90 on"
    assert page.button(key="bulk_rejected").label == "Reject all 0 below 0.10"
    page.slider(key="bulk_scores").set_value((0.35, 0.65)).run()
    press(page, "bulk_accepted")
    assert "3 triplets accepted" in page.toast[0].value
    page.session_state["bulk"] = True
    page.run()
    press(page, "bulk_rejected")
    states = [shop.triplets[one].state for one in kept]
    assert states == ["rejected"] * 3 + ["candidate"] * 3 + ["accepted"] * 3


def test_a_file_comes_in_with_its_refusals(visit: Visit, shop: Shop) -> None:
    rows = [{"candidate": "A", "target": "B", "captions": ["sentence 4"]}, {"candidate": "A"}]
    page = visit("triplets")
    page.checkbox(key="import_made").check().run()
    file = ("f.json", json.dumps(rows).encode(), "application/json")
    page.file_uploader(key="triplet_file_0").set_value(file).run()
    assert "1 new, 0 there already" in page.warning[0].value
    assert list(page.dataframe[0].value["reason"]) == [
        "it lacks the name of its reference or target."
    ]
    assert [one.source for one in shop.triplets.values()] == ["spn-positives"]


def test_a_file_that_is_none_is_told_in_passing(visit: Visit) -> None:
    page = visit("triplets")
    page.file_uploader(key="triplet_file_0").set_value(("f.json", b"[", "x")).run()
    assert "cut short or no JSON" in page.toast[0].value.replace("\\", "")


def test_accepted_ones_go_out_and_a_share_is_held_out(visit: Visit, shop: Shop) -> None:
    filled(shop, 2, state="accepted")
    page = visit("triplets")
    page.selectbox(key="export_format").set_value("cirr").run()
    press(page, "hold_out_move")
    assert "2 products moved: 1 of 2 accepted triplets are in val" in page.toast[0].value
    assert [text.value for text in page.markdown if text.value.startswith("Accepted:")] == [
        "Accepted: 1 train · 1 val."
    ]


def card(shop: Shop, **facts) -> str:
    (kept,) = filled(shop, 1)
    told: TripletOut = shop.triplets[kept].model_copy(update=facts)
    return pair(told)


def test_a_card_escapes_what_it_shows(shop: Shop, api: str) -> None:
    attack = "<img src=x onerror=alert(1)>"
    text = card(shop, caption=attack, text=attack, reasons=[attack])
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x") == 3


def test_a_card_says_what_is_not_meant_mixed_and_deleted(shop: Shop, api: str) -> None:
    (kept,) = filled(shop, 1)
    reference = shop.triplets[kept].reference.model_copy(
        update={"thumbnail": None, "title": None, "sku": None}
    )
    text = card(shop, is_target=False, split="mixed", reference=reference)
    assert "not this" in text
    assert "different splits: it is not used" in text
    assert ("deleted" in text, "A picture of the shopper" in text) == (True, True)


def test_a_score_has_three_colours(shop: Shop, api: str) -> None:
    assert "akin-score-good" in card(shop, score=0.9)
    assert "akin-score-unsure" in card(shop, score=0.5)
    assert "akin-score-bad" in card(shop, score=0.1)
