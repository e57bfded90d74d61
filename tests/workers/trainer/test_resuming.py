"""A run that was interrupted, anywhere, ends as one that was not: to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.trainer.small import Pairs, options, trained
from workers.trainer.curves import read_curves
from workers.trainer.fitting import CHECKPOINT, Outcome, fit

STEPS = 12


def state_of(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / CHECKPOINT, weights_only=True)
    state["progress"].pop("seconds")
    state.pop("generator")
    return state


def assert_same(one: Any, two: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_same(one[key], two[key])
    elif isinstance(one, list | tuple):
        for a, b in zip(one, two, strict=True):
            assert_same(a, b)
    else:
        assert one == two


def curves_of(folder: Path) -> list[dict[str, Any]]:
    return [{**line, "seconds": 0} for line in read_curves(folder)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pairs, Outcome, Path]:
    folder = tmp_path_factory.mktemp("whole")
    objective = Pairs()
    return objective, trained(objective, folder), folder


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_interrupted_at_any_step_it_ends_the_same(whole, tmp_path, step):
    before, after = Pairs(), Pairs()
    asked = iter(range(STEPS + 1))
    cut = fit(
        before, options(), tmp_path, evaluate=before.recall, cancelled=lambda: next(asked) >= step
    )
    assert (cut.stopped, cut.steps) == (("cancelled", step) if step < STEPS else ("done", STEPS))
    torch.rand(step + 1)  # another process would stand elsewhere
    outcome = trained(after, tmp_path)
    assert outcome.stopped == "done"
    assert (outcome.figures, outcome.best_step) == (whole[1].figures, whole[1].best_step)
    assert_same(dict(after.trained()), dict(whole[0].trained()))
    assert_same(state_of(tmp_path), state_of(whole[2]))
    assert curves_of(tmp_path) == curves_of(whole[2])
