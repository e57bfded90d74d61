"""What a run can be asked for, and how what makes no sense is told."""

from __future__ import annotations

from typing import Any

import pytest

from backend.errors import InvalidInput
from workers.trainer.options import FitOptions

GOOD: dict[str, Any] = {"batch": 8, "lr": 1e-3, "epochs": 2}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"batch": 0}, "option batch is 0: it must be at least 1"),
        ({"epochs": 0}, "option epochs is 0"),
        ({"accumulate": 0}, "option accumulate is 0"),
        ({"chunk": 0}, "option chunk is 0"),
        ({"evaluate_every": 0}, "option evaluate_every is 0"),
        ({"select": "r", "patience": 0}, "option patience is 0"),
        ({"patience": 3}, "name with select the figure"),
        ({"lr": 0.0}, r"option lr is 0\.0: it must be above 0"),
        ({"lr": float("nan")}, "option lr is nan"),
        ({"clip": 0.0}, "option clip is"),
        ({"seed": -1}, "option seed is -1"),
        ({"weight_decay": -0.1}, "option weight_decay is"),
        ({"warmup": -1}, "option warmup is -1"),
        ({"loaders": -1}, "option loaders is -1"),
        ({"steps": 5}, "either in epochs or in steps"),
        ({"epochs": None}, "either in epochs or in steps"),
        ({"segment_seconds": 0.0}, "option segment_seconds is"),
        ({"checkpoint_seconds": 601.0}, "at most 600 may lie between two checkpoints"),
    ],
)
def test_options_that_make_no_sense_are_named(changed, told):
    with pytest.raises(InvalidInput, match=told):
        FitOptions(**{**GOOD, **changed})


def test_what_does_not_change_the_result_is_no_part_of_a_runs_identity():
    one = FitOptions(**GOOD)
    other = FitOptions(**GOOD, chunk=4, loaders=2, checkpoint_seconds=5, segment_seconds=60)
    assert one.facts() == other.facts()
    assert one.facts() != FitOptions(**{**GOOD, "lr": 2e-3}).facts()


def test_a_run_at_a_constant_rate_can_be_made_longer_and_no_other():
    longer = {**GOOD, "epochs": 5}
    assert FitOptions(**GOOD).facts() == FitOptions(**longer).facts()
    cosine = FitOptions(**GOOD, schedule="cosine")
    assert cosine.facts() != FitOptions(**longer, schedule="cosine").facts()
