"""Rows of a table: their groups, their figures, and the terms they carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workers.datasets.triplets import Triplet, triplet_split
from workers.metrics import circo, coco, fashioniq, imagenet
from workers.metrics.protocols import Outcome
from workers.metrics.questions import questions
from workers.metrics.tabulating import Answered, tabulated


def answered(benchmark, name, values, *, labels=(), captions="as written", found="abcd"):
    """A split of one triplet for each value, all pictures there but those not in `found`."""
    names = tuple("abcd")
    triplets = [
        Triplet(str(n), names[n], ("x",), names[n - 1], aspects=labels[n] if labels else ())
        for n in range(4)
    ]
    images = {name: Path(name) for name in found}
    split = triplet_split(f"test/{name}", triplets, names, images, source="test.json")
    asked = questions(split, benchmark.protocol("default"))
    outcome = Outcome({metric: np.array(v, float) for metric, v in values.items()}, np.ones(4))
    return Answered(name, outcome, asked.terms(captions), asked.groups)


def test_several_splits_have_a_mean_first_and_each_its_row():
    splits = [
        answered(fashioniq.BENCHMARK, "dress", {"R@10": [0, 0, 0, 100]}),
        answered(fashioniq.BENCHMARK, "shirt", {"R@10": [100, 100, 0, 100]}),
    ]
    rows = list(tabulated(fashioniq.BENCHMARK, "composed", splits))
    assert [(row.group, row.figures["R@10"].value) for row in rows] == [
        ("mean", 50),
        ("dress", 25),
        ("shirt", 75),
    ]
    assert rows[0].queries == rows[0].terms.queries_asked == 8
    assert rows[0].terms.images_listed == 8
    assert rows[1].terms.images_listed == 4
    for row in rows:
        figure = row.figures["R@10"]
        assert figure.low <= figure.value <= figure.high
        assert row.terms.reference == "kept"
        assert row.terms.captions == "as written"


def test_aspects_have_rows_of_the_metric_they_are_measured_by():
    labels = [("negation", "addition"), ("addition",), (), ("addition",)]
    values = {"mAP@5": [9, 9, 9, 9], "mAP@10": [10, 20, 90, 60]}
    split = answered(circo.BENCHMARK, "all", values, labels=labels)
    rows = {row.group: row for row in tabulated(circo.BENCHMARK, "text only", [split])}
    assert list(rows) == ["all", "addition", "negation"]
    assert rows["all"].figures.keys() == {"mAP@5", "mAP@10"}
    assert rows["addition"].figures.keys() == {"mAP@10"}
    assert rows["addition"].figures["mAP@10"].value == pytest.approx(30)
    assert rows["negation"].queries == rows["negation"].terms.queries_asked == 1


def test_median_ranks_are_medians():
    values = {"R@1": [1, 2, 3, 90], "R@10": [0] * 4, "mean rank": [1, 2, 3, 90]}
    values["median rank"] = values["mean rank"]
    (row,) = tabulated(coco.BENCHMARK, "composed", [answered(coco.BENCHMARK, "all", values)])
    assert (row.figures["mean rank"].value, row.figures["median rank"].value) == (24, 2.5)


def test_classes_of_imagenet_have_no_rows():
    labels = [("12",), ("12",), ("40",), ("40",)]
    split = answered(imagenet.BENCHMARK, "origami", {"R@1": [0, 0, 0, 0]}, labels=labels)
    rows = tabulated(imagenet.BENCHMARK, "composed", [split])
    assert [row.group for row in rows] == ["origami"]


def test_the_same_rows_come_again():
    split = answered(fashioniq.BENCHMARK, "dress", {"R@10": [0, 100, 0, 100]})
    first, second = (list(tabulated(fashioniq.BENCHMARK, "composed", [split])) for _ in range(2))
    assert first == second
