"""The servers' files: their layout, byte by byte, and every rule before they are written."""

from __future__ import annotations

import json

import pytest

from backend.errors import InvalidInput, TooLarge
from workers.datasets.triplets import Triplet
from workers.metrics.submissions import circo_file, cirr_files, write_files

NAMES = [f"test1-{n}-0-img1" for n in range(60)]
PAIRS = [
    Triplet("12063", NAMES[0], (), None, subset=tuple(NAMES[:6])),
    Triplet("7", NAMES[9], (), None, subset=tuple(NAMES[6:12])),
]
RECALL = {"12063": NAMES[1:51], "7": NAMES[10:60]}
SUBSET = {"12063": NAMES[3:6], "7": NAMES[6:9]}


def test_cirr_takes_two_files_of_names_by_pair_id(tmp_path):
    written = write_files(tmp_path / "new", cirr_files(PAIRS, RECALL, SUBSET))
    assert [path.name for path in written] == ["cirr_recall.json", "cirr_recall_subset.json"]
    recall, subset = (json.loads(path.read_text()) for path in written)
    assert recall == {"version": "rc2", "metric": "recall", **RECALL}
    assert subset == {"version": "rc2", "metric": "recall_subset", **SUBSET}
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [p.name for p in written]


@pytest.mark.parametrize(
    ("recall", "subset", "sentence"),
    [
        ({"7": NAMES[10:59]}, {}, r"recall, query 7: its list is too short \(49\)"),
        ({"7": NAMES[9:60]}, {}, "recall, query 7: 51 images are listed and .* exactly 50"),
        ({"7": [NAMES[11], *NAMES[11:60]]}, {}, '"test1-11-0-img1" comes twice'),
        ({"7": NAMES[9:59]}, {}, "Query 7: its own reference test1-9-0-img1 is listed"),
        ({"7": ["dev/a", *NAMES[10:59]]}, {}, "dev/a has a folder or an ending"),
        ({"7": ["a.png", *NAMES[10:59]]}, {}, "a.png has a folder or an ending"),
        ({"7": None}, {}, r"1 of 2 queries have no list \(7\)"),
        ({"8": NAMES[:50]}, {}, r"ranks queries that the annotations do not have \(8\)"),
        ({}, {"7": NAMES[6:8]}, r"recall_subset, query 7: its list is too short \(2\)"),
        ({}, {"7": [*NAMES[6:9], NAMES[10]]}, "4 images are listed and .* exactly 3"),
        ({}, {"7": NAMES[7:10]}, "its own reference test1-9-0-img1 is listed"),
        ({}, {"7": NAMES[20:23]}, "test1-20-0-img1 is not one of the members of its set"),
    ],
)
def test_a_rule_of_cirrs_server_that_is_broken_is_told(recall, subset, sentence):
    lists = [
        {query: names for query, names in (whole | change).items() if names is not None}
        for whole, change in ((RECALL, recall), (SUBSET, subset))
    ]
    with pytest.raises(InvalidInput, match=sentence):
        cirr_files(PAIRS, *lists)


def test_a_file_for_cirr_has_at_most_five_megabytes():
    long = {name: name + "x" * 60_000 for name in NAMES}
    recall = {query: [long[name] for name in names] for query, names in RECALL.items()}
    with pytest.raises(TooLarge, match=r"The recall file has 6,\d+,\d+ bytes"):
        cirr_files(PAIRS, recall, SUBSET)


def test_the_real_size_fits_into_five_megabytes():
    names = [f"test1-{n:04d}-0-img1" for n in range(60)]
    pairs = [
        Triplet(str(10_000 + n), names[0], (), None, subset=tuple(names[:6])) for n in range(4_148)
    ]
    recall, subset = ({p.id: names[1:k] for p in pairs} for k in (51, 4))
    assert len(cirr_files(pairs, recall, subset)["cirr_recall.json"]) < 5 * 1024**2


def circo_lists(count=800):
    return {str(n): [f"{n + i:012d}" for i in range(50)] for n in range(count)}


def test_circo_takes_one_file_of_numbers(tmp_path):
    (path,) = write_files(tmp_path, circo_file(circo_lists()))
    told = json.loads(path.read_text())
    assert list(told) == [str(n) for n in range(800)]
    assert told["3"] == list(range(3, 53))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"799": None}, r"1 of 800 queries have no list \(799\)"),
        ({"800": ["1"]}, r"ranks queries .* \(800\)"),
        ({"5": ["1"] * 50}, 'query 5: "1" comes twice'),
        ({"5": ["01", *map(str, range(1, 50))]}, "Query 5: an image is listed twice"),
        ({"5": ["x", *map(str, range(49))]}, "Query 5: x is no image number"),
        ({"5": list(map(str, range(49)))}, r"query 5: its list is too short \(49\)"),
        ({"5": list(map(str, range(51)))}, "51 images are listed and .* exactly 50"),
    ],
)
def test_a_rule_of_circos_server_that_is_broken_is_told(change, sentence):
    lists = circo_lists() | change
    with pytest.raises(InvalidInput, match=sentence):
        circo_file({query: names for query, names in lists.items() if names is not None})
