"""What any gallery keeps to when it is asked: filters, windows, similarities, counts, listings."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import Conflict, InvalidInput
from backend.gallery.filters import Condition, Filter, Kind, check_keys, parse_filter
from tests.backend.gallery.conftest import DIM, cosine, fresh_name, image_id, point, random_vector

KINDS: dict[str, Kind] = {"colour": "keyword", "size": "integer", "weight": "float", "sale": "bool"}
WARDROBE = [
    point(0, category="dress", attributes={"colour": "red", "size": 36, "weight": 0.5}),
    point(1, category="dress", attributes={"colour": "blue", "size": 38, "sale": True}),
    point(2, category="shirt", attributes={"colour": "red", "size": 40, "sale": False}),
    point(3, category="shirt", split="val", attributes={"colour": "green, pale", "weight": 1.5}),
    point(4, category="hat", split="test", attributes={}),
]


@pytest.fixture(scope="module")
def wardrobe(store):
    """A gallery that tests only read."""
    gallery = store.create(fresh_name(), DIM)
    for slug, kind in KINDS.items():
        gallery.index_attribute(slug, kind)
    gallery.upsert(WARDROBE)
    yield gallery
    store.drop(gallery.name)


def matching(gallery, *expressions: str) -> list[int]:
    """The numbers of the points that match, by a search as wide as the gallery."""
    wanted = check_keys(parse_filter(expressions), KINDS)
    hits = gallery.search(random_vector(0), filter=wanted, limit=100)
    assert gallery.count(wanted) == len(hits)
    return sorted(int(hit.payload["sku"].removeprefix("SKU-")) for hit in hits)


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        ((), [0, 1, 2, 3, 4]),
        (("category=dress",), [0, 1]),
        (("category!=dress",), [2, 3, 4]),
        (("split=val,test",), [3, 4]),
        (("sku=SKU-2",), [2]),
        (("product=product-1",), [1]),
        (("colour=red",), [0, 2]),
        (("colour=red,blue",), [0, 1, 2]),
        (('colour="green, pale"',), [3]),
        (("colour!=red",), [1, 3, 4]),  # 4 has no colour
        (("colour!=red,blue",), [3, 4]),
        (("colour=purple",), []),
        (("size=38",), [1]),
        (("size=36,40",), [0, 2]),
        (("size>=38",), [1, 2]),
        (("size<=38",), [0, 1]),
        (("size=37..40",), [1, 2]),
        (("size!=37..40",), [0, 3, 4]),
        (("weight=0.5",), [0]),
        (("weight>=0.6",), [3]),
        (("sale=true",), [1]),
        (("sale=no",), [2]),
        (("sale=true,false",), [1, 2]),
        (("sale!=true",), [0, 2, 3, 4]),
        (("category=dress", "colour=red"), [0]),
        (("category=shirt", "colour!=red", "weight>=1"), [3]),
        (("size>=37", "size<=39"), [1]),
    ],
)
def test_filters(wardrobe, expressions, expected):
    assert matching(wardrobe, *expressions) == expected


def test_a_filter_works_before_its_attribute_is_indexed(gallery):
    gallery.upsert(WARDROBE)
    assert matching(gallery, "colour=red") == [0, 2]
    assert matching(gallery, "sale=true") == [1]
    gallery.index_attribute("colour", "keyword")
    gallery.index_attribute("sale", "bool")
    assert matching(gallery, "colour=red") == [0, 2]
    assert matching(gallery, "sale=true") == [1]


def test_products_and_images_can_be_left_out(wardrobe):
    hits = wardrobe.search(
        random_vector(0),
        limit=10,
        filter=parse_filter(["split=train"]),
        exclude_products=["product-0", "product-4"],
        exclude_ids=[image_id(1)],
    )
    assert [hit.payload["sku"] for hit in hits] == ["SKU-2"]


def test_pages_joined_are_the_one_long_search_also_through_ties(gallery):
    equal = [point(n, random_vector(0)) for n in range(20)]
    other = [point(n) for n in range(20, 40)]
    gallery.upsert([*equal, *other])
    query = random_vector(0)

    whole = gallery.search(query, limit=40)
    pages = [gallery.search(query, limit=7, offset=start) for start in range(0, 42, 7)]

    ids = [hit.id for hit in whole]
    assert [hit.id for page in pages for hit in page] == ids
    assert whole == sorted(whole, key=lambda hit: (-hit.score, hit.id))
    assert ids[:20] == sorted(image_id(n) for n in range(20))


def test_a_window_of_nothing_is_empty(wardrobe):
    assert wardrobe.search(random_vector(0), limit=0) == []
    assert wardrobe.search(random_vector(0), limit=5, offset=99) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("product",), {"product": "product-1"}),
        (("sku", "attributes"), {"sku": "SKU-1", "attributes": WARDROBE[1].payload["attributes"]}),
        (("missing",), {}),
        ((), {}),
    ],
)
def test_payloads_bring_the_keys_that_are_asked_for(wardrobe, keys, expected):
    whole = wardrobe.search(random_vector(1), limit=5)
    hits = wardrobe.search(random_vector(1), limit=5, keys=keys)
    stored = wardrobe.fetch([image_id(1)], keys=keys)[image_id(1)]
    page = wardrobe.scroll_payloads(None, 5, keys)

    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in whole]
    assert hits[0].payload == stored.payload == page[image_id(1)] == expected
    assert stored.norm == pytest.approx(float(np.linalg.norm(random_vector(1))), abs=1e-5)
    assert cosine(stored.vector, random_vector(1)) == pytest.approx(1.0, abs=1e-6)


def test_all_keys_come_where_none_are_named(wardrobe):
    (hit,) = wardrobe.search(random_vector(1), limit=1)
    whole = wardrobe.fetch([image_id(1)])[image_id(1)].payload
    assert {**WARDROBE[1].payload, "norm": whole["norm"]} == whole == hit.payload


def test_similarities_are_cosines_of_the_points_that_are_there(wardrobe):
    queries = [random_vector(50), random_vector(51) * 7]
    similar = wardrobe.similarities(queries, [image_id(n) for n in (3, 0, 77)])

    assert set(similar) == {image_id(0), image_id(3)}
    for number in (0, 3):
        expected = [cosine(query, random_vector(number)) for query in queries]
        np.testing.assert_allclose(similar[image_id(number)], expected, atol=1e-6)
    assert wardrobe.similarities(queries, []) == {}


def test_similarities_to_a_bad_vector_or_of_a_bad_id_are_refused(wardrobe):
    with pytest.raises(InvalidInput, match="the query is zero"):
        wardrobe.similarities([random_vector(0), [0.0] * DIM], [image_id(0)])
    with pytest.raises(InvalidInput, match="Point id 'seven' is not a UUID"):
        wardrobe.similarities([random_vector(0)], ["seven"])


# --- counting and listing


def test_facets_count_values_under_filters(wardrobe):
    assert wardrobe.facets("category") == [("dress", 2), ("shirt", 2), ("hat", 1)]
    assert wardrobe.facets("split", filter=parse_filter(["category=shirt"])) == [
        ("train", 1),
        ("val", 1),
    ]
    assert wardrobe.facets("attributes.colour", limit=1) == [("red", 2)]
    assert wardrobe.facets("attributes.size") == [(36, 1), (38, 1), (40, 1)]
    assert wardrobe.facets("attributes.sale") == [(False, 1), (True, 1)]


def test_facets_need_an_index_over_values_that_repeat(wardrobe):
    with pytest.raises(InvalidInput, match=r"no facets over 'attributes\.weight'.*whole numbers"):
        wardrobe.facets("attributes.weight")
    with pytest.raises(InvalidInput, match=r"no facets over 'attributes\.fabric'.*indexed"):
        wardrobe.facets("attributes.fabric")


def test_scroll_gives_every_id_once_in_order(gallery):
    ids = sorted(image_id(n) for n in range(25))
    gallery.upsert([point(n) for n in range(25)])

    seen: list[str] = []
    while page := gallery.scroll(seen[-1] if seen else None, 10):
        seen += page
    assert seen == ids

    gallery.delete([ids[9]])
    assert gallery.scroll(ids[9], 3) == ids[10:13]


def test_scroll_payloads_walks_as_scroll_does(gallery):
    gallery.upsert([point(n) for n in range(25)])

    seen: dict[str, str] = {}
    while page := gallery.scroll_payloads(max(seen, default=None), 10, ["product"]):
        seen |= {i: payload["product"] for i, payload in page.items()}
    assert list(seen) == gallery.scroll(None, 100)
    assert seen == {image_id(n): f"product-{n}" for n in range(25)}


def test_count(wardrobe):
    assert wardrobe.count() == 5
    assert wardrobe.count(Filter(conditions=(Condition(key="category", equals="hat"),))) == 1


def test_an_index_is_made_once_and_keeps_its_kind(gallery):
    for slug, kind in [*KINDS.items(), *KINDS.items()]:
        gallery.index_attribute(slug, kind)
    assert gallery.indexed_attributes() == KINDS
    with pytest.raises(Conflict, match="'size' is indexed as integer and cannot become float"):
        gallery.index_attribute("size", "float")


def test_optimise_loses_nothing(wardrobe):
    wardrobe.optimise()
    assert matching(wardrobe) == [0, 1, 2, 3, 4]


def test_a_gallery_says_how_it_is_laid_out(wardrobe):
    laid = wardrobe.laid()
    assert (laid.quantization, laid.replicas, laid.differs) == ("none", 1, None)
    assert laid.shards in {None, 1}  # a folder has none
    assert "not quantized" in laid.sentence
