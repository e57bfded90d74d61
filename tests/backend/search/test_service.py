"""Searching: what is found, in which order, and what is told about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.query import compose_query
from backend.errors import InvalidInput, NotFound, Unavailable
from backend.metrics import SEARCH_STAGE_SECONDS
from backend.search.schemas import SearchRequest
from backend.search.service import SearchService
from tests.backend.search.conftest import open_shop, serve
from tests.backend.search.shop import (
    COLOURS,
    Shop,
    load_tiny_backbone,
    picture,
    skus,
    write_tiny_backbone,
)


def ask(search: SearchService, image: bytes | None = None, **query: Any) -> Any:
    return search.search(SearchRequest(**query), image=image)


def best_first(shop: Shop, features: QueryFeatures, composer: str, **controls) -> list[str]:
    """The whole shop ranked by hand."""
    stored = shop.stored()
    query = compose_query(COMPOSERS[composer], features, **controls)
    scores = query.score(np.stack([point.vector for point in stored.values()]))
    return [sku for _, sku in sorted(zip(-scores, stored, strict=True))]


# What is found


def test_words_alone_find_the_nearest_products(filled, search):
    answer = ask(search, text="a blue tee", limit=100)
    (words,) = filled.backbone.encode_texts(["a blue tee"])
    assert skus(answer) == best_first(filled, QueryFeatures(None, words), "sum")
    assert answer.reference is None


def test_a_picture_alone_finds_the_nearest_products(filled, search):
    answer = ask(search, picture("pink"), limit=100)
    seen = QueryFeatures(filled.feature(picture("pink")), None)
    assert skus(answer) == best_first(filled, seen, "sum")


@pytest.mark.parametrize("composer", COMPOSERS)
def test_picture_and_words_are_composed(filled, search, composer):
    answer = ask(search, picture("pink"), text="blue", composer=composer, limit=100)
    (words,) = filled.backbone.encode_texts(["blue"])
    both = QueryFeatures(filled.feature(picture("pink")), words)
    assert skus(answer) == best_first(filled, both, composer)
    assert answer.composer == composer
    assert [hit.score for hit in answer.results] == sorted(
        (hit.score for hit in answer.results), reverse=True
    )


def test_the_active_versions_composer_is_the_default(filled, search):
    assert ask(search, picture("pink"), text="blue").composer == filled.active.composer == "sum"


@pytest.mark.parametrize("composer", COMPOSERS)
def test_the_ends_of_strength_are_the_picture_alone_and_the_words_alone(filled, search, composer):
    both = {"image": picture("pink"), "text": "blue", "composer": composer, "limit": 100}
    assert skus(ask(search, strength=-1, **both)) == skus(ask(search, picture("pink"), limit=100))
    assert skus(ask(search, strength=1, **both)) == skus(ask(search, text="blue", limit=100))


def test_words_to_leave_out_move_the_query_away_from_them(filled, search):
    plain = ask(search, text="tee", limit=100)
    away = ask(search, text="tee", without=["red", "  ", "striped"], without_weight=1, limit=100)
    tee, *left_out = filled.backbone.encode_texts(["tee", "red", "striped"])
    expected = best_first(
        filled, QueryFeatures(None, tee), "sum", without=np.stack(left_out), lam=1
    )
    assert skus(away) == expected != skus(plain)


def test_blank_phrases_to_leave_out_change_nothing(filled, search):
    blank = ask(search, text="tee", without=["", " "])
    assert skus(blank) == skus(ask(search, text=" tee "))


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["category=dress"], {f"DRESS-{colour}" for colour in COLOURS}),
        (["colour=red,blue"], {"TEE-red", "TEE-blue"}),
        (
            ["category=t-shirt", "colour!=red,blue"],
            {f"TEE-{colour}" for colour in COLOURS} - {"TEE-red", "TEE-blue"},
        ),
        (["colour!=red", "price<=10"], {"DRESS-red"}),
        (["price=15..30"], {"TEE-green", "TEE-blue", "DRESS-green", "DRESS-blue"}),
        (["split=val"], set()),
    ],
)
def test_filters_hold_for_every_result(filled, search, filters, found):
    answer = ask(search, text="anything", filters=filters, limit=100)
    assert set(skus(answer)) == found
    assert answer.total == len(found)


def test_the_images_of_a_product_are_one_result_by_the_best_of_them(shop, shop_search):
    far, near = shop.add("TWO", picture("white"), picture("red"))
    shop.add("ONE", picture("red", "grey"))
    two, one = ask(shop_search, picture("red", "darkred")).results
    assert (two.product.sku, two.image_id, two.matched_images) == ("TWO", near, 2)
    assert (one.product.sku, one.matched_images) == ("ONE", 1)
    assert far in {image.id for image in two.product.images}


def test_equal_scores_come_in_the_order_of_their_image_ids(shop, shop_search):
    same = [picture("red")] * 5
    ids = [shop.add(f"TEE-{number}", data)[0] for number, data in enumerate(same)]
    assert [hit.image_id for hit in ask(shop_search, text="blue").results] == sorted(ids)


def test_the_window_holds_the_best_five_hundred_images(shop, shop_search):
    for sku, colour in (("RED", "red"), ("BLUE", "blue")):
        files = (picture(colour) + bytes([number]) for number in range(256))
        shop.add(sku, *files)
    for composer in COMPOSERS:
        answer = ask(shop_search, picture("red"), text="blue", composer=composer)
        assert sum(hit.matched_images for hit in answer.results) == 500


def test_the_same_search_over_the_server_adapter(tmp_path, sqlite_database, tiny_backbone):
    with (
        open_shop(tmp_path, sqlite_database, tiny_backbone, ":memory:") as shop,
        serve(shop) as search,
    ):
        for colour in COLOURS:
            shop.add(colour, picture(colour), fields={"attributes": {"colour": colour}})
        (words,) = shop.backbone.encode_texts(["blue"])
        both = QueryFeatures(shop.feature(picture("pink")), words)
        for composer in COMPOSERS:
            answer = ask(search, picture("pink"), text="blue", composer=composer)
            assert skus(answer) == best_first(shop, both, composer)
        assert skus(ask(search, text="blue", filters=["colour=red"])) == ["red"]


def test_an_empty_catalogue_answers_with_nothing(shop_search):
    for composer in COMPOSERS:
        answer = ask(shop_search, picture("red"), text="blue", composer=composer)
        assert (answer.results, answer.total) == ([], 0)


def test_what_sql_has_lost_is_not_shown(shop, shop_search):
    for colour in ("red", "green", "blue"):
        shop.add(colour, picture(colour))
    before = ask(shop_search, text="blue")
    shop.delete("green")
    after = ask(shop_search, search_id=before.search_id)
    ranks = {hit.product.sku: hit.rank for hit in before.results}
    del ranks["green"]
    assert {hit.product.sku: hit.rank for hit in after.results} == ranks
    assert set(skus(ask(shop_search, text="blue"))) == {"red", "blue"}


# What is told


def test_the_answer_names_what_answered(filled, search):
    answer = ask(search, text="blue")
    assert (answer.version, answer.gallery) == ("tiny · sum", filled.active.gallery_id)


def test_shares_add_up_to_the_score(filled, search):
    for composer in COMPOSERS:
        answer = ask(search, picture("pink"), text="blue", composer=composer)
        for hit in answer.results:
            whole = hit.share.image + hit.share.text + hit.share.baseline
            assert whole == pytest.approx(hit.score, abs=1e-5)


def test_a_query_of_one_part_gives_the_other_no_share(filled, search):
    for hit in ask(search, text="blue").results:
        assert hit.share.image == 0
        assert hit.share.text == pytest.approx(hit.score, abs=1e-5)
    for hit in ask(search, picture("pink")).results:
        assert hit.share.text == 0
        assert hit.share.image == pytest.approx(hit.score, abs=1e-5)


def test_shares_are_left_away_on_request(filled, search):
    assert {hit.share for hit in ask(search, text="blue", explain=False).results} == {None}


def test_facets_are_counted_under_the_filters_on_request(filled, search):
    assert ask(search, text="blue").facets is None
    answer = ask(search, text="blue", filters=["category=t-shirt"], facets=True)
    counts = {facet.key: {v.value: v.count for v in facet.values} for facet in answer.facets}
    assert counts["category"] == {"t-shirt": 8, "dress": 8}
    assert counts["split"] == {"train": 8}


def test_text_beyond_the_context_is_cut_and_said_so(filled, search):
    assert not ask(search, text="a few words").text_cut
    assert ask(search, text="far too many words " * 20).text_cut
    assert ask(search, text="tee", without=["far too many words " * 20]).text_cut


def test_words_the_backbone_never_saw_are_told_on_every_page(filled, tmp_path):
    folder = write_tiny_backbone(tmp_path / "tiny")
    (folder / "card.json").write_text('{"vocabulary": ["blue", "tee"]}')
    backbone = load_tiny_backbone(folder)
    with serve(replace(filled, backbone=backbone)) as service:
        answer = ask(service, text="blue velvet tees", without=["a Zip"], limit=5)
        page = ask(service, text="", search_id=answer.search_id, offset=5)
    assert answer.unseen_words == page.unseen_words == ["velvet", "Zip"]


def test_a_backbone_without_a_list_of_words_has_none_unseen(filled, search):
    assert ask(search, text="blue velvet").unseen_words == []


def test_the_time_of_every_stage_is_told_and_measured(filled, search):
    def observed(stage: str) -> float:
        return float(SEARCH_STAGE_SECONDS.labels(stage)._sum.get())

    before = observed("total")
    answer = ask(search, picture("pink"), text="blue", facets=True)
    assert set(answer.timings_ms) == {
        "prepare",
        "decode",
        "encode_image",
        "encode_text",
        "compose",
        "gallery",
        "products",
        "facets",
        "explain",
        "total",
    }
    stages = dict(answer.timings_ms)
    assert 0 < sum(stages.values()) - stages["total"] <= stages["total"]
    assert observed("total") - before == pytest.approx(stages["total"] / 1_000, abs=1e-5)


# Pages


def test_pages_are_slices_of_one_long_answer(filled, search):
    whole = ask(search, picture("pink"), text="blue", limit=100)
    pages = [
        ask(search, search_id=whole.search_id, offset=offset, limit=5) for offset in (0, 5, 10, 15)
    ]
    paged = [hit for page in pages for hit in page.results]
    assert [hit.model_dump(exclude={"share"}) for hit in paged] == [
        hit.model_dump(exclude={"share"}) for hit in whole.results
    ]
    assert [hit.share.text for hit in paged] == pytest.approx(
        [hit.share.text for hit in whole.results], abs=1e-5
    )
    assert [len(page.results) for page in pages] == [5, 5, 5, 1]
    assert {page.total for page in pages} == {16}
    assert {page.search_id for page in pages} == {whole.search_id}


def test_a_page_neither_encodes_nor_searches_again(shop, shop_search):
    shop.add("red", picture("red"))
    first = ask(shop_search, picture("pink"), text="blue")
    shop.add("new", picture("pink", "deeppink"))
    page = ask(shop_search, search_id=first.search_id)
    assert skus(page) == ["red"]
    assert not {"decode", "encode_image", "encode_text", "gallery"} & set(page.timings_ms)


def test_a_page_keeps_the_searchs_own_filters_and_reference(filled, search):
    first = ask(search, reference_sku="TEE-red", filters=["category=dress"], limit=1)
    page = ask(search, search_id=first.search_id, limit=100, facets=True)
    assert {hit.product.category for hit in page.results} == {"dress"}
    assert page.reference == first.reference
    colours = next(facet for facet in page.facets if facet.key == "colour")
    assert colours.values == []  # no dress has one


def test_beyond_the_end_there_is_nothing(filled, search):
    first = ask(search, text="blue")
    assert ask(search, search_id=first.search_id, offset=16).results == []
    assert ask(search, text="blue", offset=499).results == []


def test_a_search_that_is_not_kept_is_told(filled, search):
    with pytest.raises(NotFound, match="no longer kept"):
        ask(search, search_id="gone")


# What cannot be asked


@pytest.mark.parametrize("query", [{}, {"text": "  "}, {"without": [" "]}])
def test_an_empty_query_is_told(search, query):
    with pytest.raises(InvalidInput, match=r"is empty: give a picture, a sentence, or both\.$"):
        ask(search, **query)


def test_a_query_that_only_leaves_out_is_told(search):
    with pytest.raises(InvalidInput, match="only says what to leave out: give a picture or words"):
        ask(search, without=["red"])


def test_a_filter_that_there_is_not_is_told_before_anything_is_encoded(filled, search):
    with pytest.raises(InvalidInput, match="There is no filter 'color': use one of colour"):
        ask(search, b"no picture at all", filters=["color=red"])
    with pytest.raises(InvalidInput, match="cannot be read: write for example"):
        ask(search, text="blue", filters=["red"])


def test_after_closing_searches_are_refused(filled, search):
    search.close()
    with pytest.raises(Unavailable, match="shut down"):
        ask(search, text="blue")


# Many at once


def test_eight_shoppers_at_once_each_get_their_own_answer(filled, search):
    queries: list[dict[str, Any]] = [
        {"reference_sku": f"TEE-{colour}", "text": f"{word} {colour}", "composer": composer}
        for colour in COLOURS
        for word in ("dark", "light", "pale")
        for composer in COMPOSERS
    ]
    expected = [ask(search, **query) for query in queries]
    with serve(filled) as fresh, ThreadPoolExecutor(8) as shoppers:
        answers = list(shoppers.map(lambda n: ask(fresh, **queries[n % len(queries)]), range(160)))
    assert len({answer.search_id for answer in answers}) == 160
    for number, answer in enumerate(answers):
        alone = expected[number % len(queries)]
        assert skus(answer) == skus(alone)
        assert [hit.score for hit in answer.results] == pytest.approx(
            [hit.score for hit in alone.results], abs=1e-5
        )


def test_warming_up_leaves_nothing_behind(filled, search):
    search.warm_up()
    assert len(skus(ask(search, text="blue"))) == 16
