"""The galleries' page: how far each holds the catalogue, and bringing it into line."""

from __future__ import annotations

from datetime import UTC, datetime

from streamlit.testing.v1 import AppTest

from backend.gallery.layout import Laid
from backend.registry.gallery_schemas import RefusedImage
from tests.ui.conftest import Visit
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job
from tests.ui.standin_admin import add_gallery


def captions(page: AppTest) -> list[str]:
    return [text.value.replace("\\", "") for text in page.caption]


def bars(page: AppTest) -> list[str]:
    return [bar.proto.text for bar in page.get("progress")]


def test_a_gallery_that_holds_everything_says_so(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-9f86", active=True, versions=["akin-demo · sum", "combiner *1*"])
    page = visit("galleries")
    assert not page.exception
    assert bars(page) == ["**100.0 %** · 48 of 48 pictures"]
    told = captions(page)
    assert "0 missing · 0 edited since · 0 refused · 48 points in the store" in told
    assert "Used by akin-demo · sum, combiner *1*" in told
    assert not page.warning
    assert not page.error


def test_how_a_gallery_is_kept_is_told(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-9f86", layout="6 shards, 2 replicas, vectors on disk")
    assert "Kept as 6 shards, 2 replicas, vectors on disk" in captions(visit("galleries"))


def test_a_gallery_in_one_folder_says_nothing_of_shards(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-9f86", layout=Laid("none", in_graph=1200).sentence)
    told = captions(visit("galleries"))
    assert "Kept as one folder, vectors in memory, not quantized, 1,200 in the search graph" in told
    assert not any("shard" in text or "replica" in text for text in told)


def test_less_than_all_is_never_told_as_all(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-9f86", images=100_000, embedded=99_999, share=0.99999, missing=1)
    assert bars(visit("galleries")) == ["**99.9 %** · 99,999 of 100,000 pictures"]


def test_refused_pictures_are_told_with_their_reasons(visit: Visit, shop: Shop) -> None:
    refusals = [
        RefusedImage(image_id="i1", product_id="p1", sku="TEE-1", reason="It is no picture.")
    ]
    add_gallery(shop, "g-9f86", refused=3, refusals=refusals)
    page = visit("galleries")
    assert page.expander[0].label == "3 refused pictures"
    assert captions(page)[-2:] == ["**TEE-1** · It is no picture.", "And 2 more pictures."]


def test_a_store_that_does_not_answer_is_told_on_its_card_alone(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-lost", points=None, problem="There is no gallery g-lost: look.")
    add_gallery(shop, "g-9f86")
    page = visit("galleries")
    assert [error.value.replace("\\", "") for error in page.error] == [
        "There is no gallery g-lost: look."
    ]
    assert len(bars(page)) == 2


def test_a_number_of_points_that_cannot_be_right_is_doubted(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-few", held=48, points=45)
    add_gallery(shop, "g-many", held=40, refused=2, points=43)
    add_gallery(shop, "g-lost-bytes", held=40, refused=2, points=42)
    page = visit("galleries")
    assert [warning.value for warning in page.warning] == [
        "The store has 3 points too few: look and mend.",
        "The store has 1 point too many: look and mend.",
    ]


def test_what_a_comparison_found_stands_at_each_gallery(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-9f86", found={"rows_without_point": 2, "points_without_row": 1})
    add_gallery(shop, "g-good", found={})
    finished = datetime.now(UTC)
    result = {"images": 48, "points": 49, "galleries": {}}
    job = add_job(
        *(shop, "reconcile", "done"),
        result=result,
        parameters={"mend": False, "deep": False},
        finished_at=finished,
    )
    page = visit("galleries")
    told = captions(page)
    assert "Last compared just now, looked at only: 48 images · 49 points" in told
    assert (
        "Compared just now: 2 pictures without a point, 1 point without a picture, not mended."
    ) in told
    assert "Compared just now: every picture has its point." in told
    page.session_state[f"report_{job.id}"] = True
    page.run()
    assert "Everything agrees." in captions(page)


def test_looking_and_mending_begin_a_comparison_that_is_followed(visit: Visit, shop: Shop) -> None:
    add_gallery(shop, "g-9f86")
    page = visit("galleries")
    page.button(key="reconcile_mend").click().run()
    (job,) = shop.jobs.values()
    assert job.parameters == {"mend": True, "deep": False}
    assert page.button(key="reconcile_look").disabled
    job.done, job.total, job.stage = 24, 48, "comparing points"
    page.run()
    assert bars(page)[0].replace("\\", "") == "Comparing points · 24 of 48"
    job.state, job.finished_at = "done", datetime.now(UTC)
    page.run()
    page.button(key="reconcile_look").click().run()
    assert [one.parameters["mend"] for one in shop.jobs.values()] == [True, False]


def test_the_job_that_fills_a_gallery_shows_how_far_it_is(visit: Visit, shop: Shop) -> None:
    job = add_job(shop, "embed", "running", stage="embedding", done=12, total=48)
    add_gallery(shop, "g-9f86", job=job, held=12, points=3)
    page = visit("galleries")
    assert bars(page)[1].replace("\\", "") == "Embedding · 12 of 48"
    assert not page.warning
