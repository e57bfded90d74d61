"""Which queries a report shows, and what was found for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workers.datasets.triplets import Triplet, triplet_split
from workers.metrics import genecis, wardrobe
from workers.metrics.cases import Look, best_and_worst
from workers.metrics.questions import questions
from workers.metrics.scores import Similarities

NAMES = tuple("abcdef")
SCORES = np.array([[9, 8, 7, 6, 5, 4], [4, 5, 6, 7, 8, 9], [5, 9, 9, 1, 2, 3]], np.float32)


def look(ranks, triplets, protocol=None):
    images = {name: Path(name) for name in NAMES}
    split = triplet_split("test/val", triplets, NAMES, images, source="test.json")
    asked = questions(split, protocol or wardrobe.BENCHMARK.protocol("default"))
    texts = [one.captions[0] for one in triplets]
    scorer = Similarities(SCORES[: len(triplets)], np.eye(6, dtype=np.float32))
    ways = {way: np.array(values, float) for way, values in ranks.items()}
    return Look(asked, [texts, texts], scorer, ways)


def triplet(number, reference, target, **rest):
    return Triplet(str(number), reference, (f"text {number}",), target, **rest)


THREE = [triplet(0, "a", "b"), triplet(1, "c", "d"), triplet(2, "b", "f")]


def test_the_best_are_first_where_the_controls_are_late():
    split = look({"composed": [1, 1, 5], "image only": [2, 9, 1], "text only": [4, 7, 1]}, THREE)
    best, worst = best_and_worst([split], "composed")
    assert [case.query for case in best] == [1, 0, 2]
    assert [case.query for case in worst] == [2, 0, 1]
    assert best[0].ranks == {"composed": 1, "image only": 9, "text only": 7}
    assert best[0].texts == ("text 1",)
    assert best[0].answers == {"d"}


def test_results_are_the_list_without_the_reference():
    split = look({"composed": [1, 2, 3]}, THREE)
    best, _ = best_and_worst([split], "composed", count=3)
    assert [case.results for case in best] == [tuple("bcdef"), tuple("fedba"), tuple("cafed")]


def test_a_reference_is_shown_once():
    triplets = [triplet(0, "a", "b"), triplet(1, "a", "d"), triplet(2, "b", "f")]
    split = look({"composed": [1, 2, 3]}, triplets)
    best, worst = best_and_worst([split], "composed")
    assert [case.query for case in best] == [0, 2]
    assert [case.query for case in worst] == [2, 1]


def test_queries_without_an_answer_are_not_shown():
    split = look({"composed": [np.nan, 2, 3]}, THREE)
    best, worst = best_and_worst([split], "composed", count=1)
    assert ([case.query for case in best], [case.query for case in worst]) == ([1], [2])


def test_splits_are_looked_through_together():
    one, two = (look({"composed": ranks}, THREE) for ranks in ([4, 5, 6], [1, 9, 2]))
    best, worst = best_and_worst([one, two], "composed", count=1)
    assert (best[0].questions, best[0].query) == (two.questions, 0)
    assert (worst[0].questions, worst[0].query) == (two.questions, 1)


def test_of_a_gallery_of_its_own_only_that_is_listed():
    triplets = [triplet(0, "a", "b", subset=("b", "e", "c"))]
    split = look({"composed": [1]}, triplets, genecis.BENCHMARK.protocol("default"))
    ((case,), _) = best_and_worst([split], "composed")
    assert case.results == ("b", "c", "e")
