"""Wrong feedback is planted as it is told, and the score tells it from the right one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks import feedback_score
from benchmarks.feedback_score import area
from benchmarks.wrong_triplets import WRONG, planted
from workers.datasets.triplets import Triplet

pytestmark = pytest.mark.long

SKUS = [f"{family}{number}" for family in "ABCDEFGHIJ" for number in range(4)]
TRUTH = [
    Triplet(f"{one}-{other}", one, (f"{one} to {other}",), other)
    for one in SKUS
    for other in SKUS
    if one != other and one[0] == other[0]
]


def test_each_kind_is_planted_as_often() -> None:
    said = planted(TRUTH, SKUS, "a", 80, share=0.15)
    assert said == planted(TRUTH, SKUS, "a", 80, share=0.15) != planted(TRUTH, SKUS, "b", 80)
    assert Counter(one.kind for one in said) == {"right": 68} | dict.fromkeys(WRONG, 3)


def test_each_kind_is_wrong_in_its_way() -> None:
    right = {(one.reference, one.captions[0], one.target) for one in TRUTH}
    for one in planted(TRUTH, SKUS, "a", 80, share=0.5):
        told = (one.reference, one.caption, one.target)
        assert (told in right) == (one.kind == "right")
        if one.kind == "swapped":
            assert (one.target, one.caption, one.reference) in right
        if one.kind == "sibling":
            assert one.reference[0] == one.target[0]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([3, 2, 1], 1.0), ([1, 2, 3], 0.0), ([1, 1, 1], 0.5), ([2, 1, 1], 0.75)],
)
def test_the_area_counts_pairs(scores: list[float], expected: float) -> None:
    assert area(np.array(scores, float), np.array([True, True, False])) == expected


def test_the_whole_of_it_runs_small(capsys: pytest.CaptureFixture[str]) -> None:
    feedback_score.main(quick=True)
    told = capsys.readouterr().out
    assert "accept from 0.9 on" in told
    row = next(line for line in told.splitlines() if line.startswith("| combiner | 8 |"))
    assert float(row.split("|")[3]) > 0.6
