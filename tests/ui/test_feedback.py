"""This is the one, not this: from a result to the API, with consent where a picture is kept."""

from __future__ import annotations

import io

from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import Visit
from tests.ui.shop import Shop


def composed(visit: Visit) -> AppTest:
    """A search by a picture of the catalogue and words."""
    page = visit("search")
    pick = next(one for one in page.button if (one.key or "").startswith("pick_window"))
    pick.click().run()
    return page.button(key="example_but in red").click().run()


def judges(page: AppTest, verdict: str) -> list[str]:
    keys = [one.key or "" for one in page.button]
    return [key for key in keys if key.startswith(f"{verdict}_hit_")]


def test_a_result_can_be_the_one(visit: Visit, shop: Shop) -> None:
    page = composed(visit)
    assert len(judges(page, "yes")) == len(judges(page, "no")) == 24
    key = judges(page, "yes")[1]
    page.button(key=key).click().run()
    (said,) = shop.said
    shown = shop.search(shop.searches[-1]).results[1]
    assert (said.search_id, said.image_id, said.is_target) == ("s1", shown.image_id, True)
    assert said.session
    assert "noted as the one you meant" in page.toast[0].value
    assert page.button(key=key).disabled


def test_a_verdict_can_be_changed_in_the_same_visit(visit: Visit, shop: Shop) -> None:
    page = composed(visit)
    yes, no = judges(page, "yes")[0], judges(page, "no")[0]
    page.button(key=no).click().run()
    assert (page.button(key=yes).disabled, page.button(key=no).disabled) == (False, True)
    page.button(key=yes).click().run()
    assert [said.is_target for said in shop.said] == [False, True]
    assert len({said.session for said in shop.said}) == 1


def test_a_search_that_the_server_forgot_is_told_anew(visit: Visit, shop: Shop) -> None:
    page = composed(visit)
    shop.search_is_kept = False
    page.button(key=judges(page, "yes")[0]).click().run()
    (said,) = shop.said
    asked = shop.searches[-1]
    assert (said.search_id, said.text) == (None, "but in red")
    assert said.reference_image_id == asked.reference_image_id


def test_one_part_alone_has_nothing_to_judge(visit: Visit) -> None:
    page = visit("search")
    page.button(key="example_a red dress").click().run()
    assert judges(page, "yes") == []


def test_ones_own_picture_is_kept_only_after_a_notice(visit: Visit, shop: Shop) -> None:
    mine = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(mine, "PNG")
    page = visit("search")
    page.file_uploader[0].set_value(("mine.png", mine.getvalue(), "image/png")).run()
    page.button(key="example_but in red").click().run()
    key = judges(page, "yes")[0]
    page.button(key=key).click().run()
    assert "deleted when they discard your answer" in page.markdown[-1].value
    assert not shop.said
    page.button(key="no_keep").click().run()
    assert not shop.said
    page.button(key=key).click().run()
    page.button(key="yes_keep").click().run()
    assert (len(shop.said), shop.kept_pictures) == (1, [mine.getvalue()])
    page.button(key=judges(page, "no")[1]).click().run()
    assert len(shop.said) == 2, "asked once for a picture"
