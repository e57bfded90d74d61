"""Which rows a split's triplets become under a protocol, and what is said of those that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import InvalidInput
from workers.datasets import fashioniq as files
from workers.datasets.triplets import Triplet, triplet_split
from workers.metrics import cirr, coco, fashioniq
from workers.metrics.protocols import Protocol
from workers.metrics.questions import questions

FASHION_IQ = Path(__file__).parents[4] / "shared/data/fashion-iq"


def split(triplets, gallery="abcdef", missing=""):
    """A split whose pictures are all there but the missing ones; references may lie outside."""
    found = {name: Path(name) for name in "abcdefxyz" if name not in missing}
    return triplet_split("test/val", triplets, gallery, found, source="test.json")


def triplet(number, reference, target, **rest):
    return Triplet(str(number), reference, ("longer",), target, **rest)


def test_rows_are_those_of_the_gallery():
    found = questions(
        split([triplet(0, "a", "c"), triplet(1, "x", "f", subset=("f", "b"))]), Protocol()
    )
    assert found.gallery == tuple("abcdef")
    assert found.asked.targets.tolist() == [2, 5]
    assert found.asked.references.tolist() == [0, -1]
    assert found.asked.positives.tolist() == [[2], [5]]
    assert found.asked.subsets.tolist() == [[-1, -1], [5, 1]]
    assert found.references == ["a", "x"]


def test_missing_pictures_are_counted_and_rows_move_up():
    triplets = [triplet(0, "a", "c"), triplet(1, "b", "f"), triplet(2, "c", "b")]
    found = questions(split(triplets, missing="b"), Protocol())
    assert found.gallery == tuple("acdef")
    assert [one.id for one in found.triplets] == ["0"]
    assert found.asked.targets.tolist() == [1]
    terms = found.terms("as written")
    assert (terms.images_found, terms.images_listed) == (5, 6)
    assert (terms.queries_asked, terms.queries_listed) == (1, 3)
    assert not terms.complete


def test_narrower_galleries_keep_the_order_of_the_list():
    triplets = [triplet(0, "f", "c"), triplet(1, "c", "a")]
    assert questions(split(triplets), Protocol(gallery="val")).gallery == tuple("acf")
    assert questions(split(triplets), coco.BENCHMARK.protocol("default")).gallery == tuple("ac")


def test_categories_and_aspects_are_groups_where_there_are_several():
    triplets = [
        triplet(0, "a", "b", aspects=("negation", "addition")),
        triplet(1, "a", "c", aspects=("addition",)),
        triplet(2, "a", "d", aspects=("addition",), category="dress"),
    ]
    found = questions(split(triplets, missing="d"), Protocol())
    assert {name: group.queries.tolist() for name, group in found.groups.items()} == {
        "addition": [True, True],
        "negation": [True, False],
    }
    assert found.groups["addition"].listed == 3
    one = [triplet(0, "a", "b", category="dress"), triplet(1, "b", "a", category="dress")]
    assert questions(split(one), Protocol()).groups == {}


def test_a_query_without_an_answer_stays_among_those_with_one():
    triplets = [triplet(0, "x", "a", positives=("a", "b")), triplet(1, "y", None)]
    found = questions(split(triplets), Protocol(reference="kept"))
    assert found.asked.targets.tolist() == [0, -1]
    assert found.asked.positives.tolist() == [[0, 1], [-1, -1]]


@pytest.mark.parametrize(
    ("triplets", "missing", "sentence"),
    [
        ([], "", "test/val has no triplets"),
        ([triplet(0, "a", None)], "", "no answers to compare with, its server keeps them"),
        ([triplet(0, "a", "b")], "ab", r"2 of 6 images are missing .*\(a, b\): 0 of 1 triplets"),
    ],
)
def test_a_split_that_cannot_be_asked_says_why(triplets, missing, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        questions(split(triplets, missing=missing), Protocol())


@pytest.mark.parametrize("benchmark", [fashioniq.BENCHMARK, cirr.BENCHMARK])
def test_an_unknown_protocol_is_told_the_known_ones(benchmark):
    with pytest.raises(InvalidInput, match=r"default, .*published:clip4cir"):
        benchmark.protocol("clip4cir")


@pytest.mark.skipif(not FASHION_IQ.exists(), reason="needs the captions of FashionIQ")
@pytest.mark.parametrize(
    ("category", "queries", "original", "val"),
    [
        ("dress", 2_017, 3_817, 2_628),
        ("shirt", 2_038, 6_346, 3_089),
        ("toptee", 1_961, 5_373, 2_902),
    ],
)
def test_the_galleries_of_fashioniq_have_their_published_sizes(
    category, queries, original, val, tmp_path
):
    (told,) = files.load(FASHION_IQ, "val", [category])
    drawn = triplet_split(
        told.name,
        told.triplets,
        told.gallery,
        {name: tmp_path / name for name in told.gallery},
        source=told.name,
    )
    for name, size in (("default", original), ("val", val), ("published:spn4cir-val", val)):
        found = questions(drawn, fashioniq.BENCHMARK.protocol(name))
        assert (len(found.triplets), len(found.gallery)) == (queries, size)
