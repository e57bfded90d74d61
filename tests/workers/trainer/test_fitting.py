"""How a run goes, and how it ends: done, early, cancelled, by segment, or not a number."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from backend import clock
from backend.errors import InvalidInput
from tests.workers.trainer.small import Pairs, options, trained
from workers.trainer.curves import read_curves
from workers.trainer.fitting import CHECKPOINT, Diverged, Line, fit
from workers.trainer.order import Rows


class Hand:
    """A monotonic clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(clock, "monotonic", hand.monotonic)
    return hand


def figures(*values: float) -> Any:
    """An evaluation that gives these values of `recall` in turn."""
    left = iter(values)
    return lambda: {"recall": next(left)}


def test_a_run_learns_and_tells_every_step(tmp_path):
    objective, lines = Pairs(dropout=0.0), list[Line]()
    outcome = fit(
        objective, options(epochs=30), tmp_path, evaluate=objective.recall, report=lines.append
    )
    assert outcome.stopped == "done"
    assert outcome.steps == len(lines) == 120
    assert [line.step for line in lines] == list(range(1, 121))
    assert lines[0].loss > 2 * lines[-1].loss
    assert lines[7].epoch == 2.0
    assert [line.step for line in lines if line.figures] == list(range(4, 121, 4))
    measured = [line.figures["recall"] for line in lines if line.figures]
    assert outcome.figures["recall"] == max(measured) > measured[0]
    assert objective.recall() == outcome.figures


def test_examples_come_as_the_order_says_and_evaluation_leaves_the_training_mode(tmp_path):
    objective = Pairs()
    trained(objective, tmp_path)
    epochs = [epoch for _, epoch in objective.loaded]
    assert epochs == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    rows = [row for rows, epoch in objective.loaded if epoch == 1 for row in rows]
    assert sorted(rows) == list(range(20))
    assert objective.modes == 1 + 3
    assert objective.network.training


def test_steps_can_be_counted_instead_of_epochs(tmp_path):
    objective, lines = Pairs(), list[Line]()
    chosen = options(epochs=None, steps=7, evaluate_every=3)
    fit(objective, chosen, tmp_path, evaluate=objective.recall, report=lines.append)
    assert [line.step for line in lines if line.figures] == [3, 6, 7]


def test_every_second_epoch_and_the_last_are_evaluated(tmp_path):
    objective, lines = Pairs(), list[Line]()
    chosen = options(epochs=3, evaluate_every=2)
    fit(objective, chosen, tmp_path, evaluate=objective.recall, report=lines.append)
    assert [line.step for line in lines if line.figures] == [8, 12]


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ((0.0, 0.0, 0.0), 4),  # a best figure of zero is one, and the first of equals stays
        ((-2.0, -1.0, -3.0), 8),
        ((5.0, 9.0, 7.0), 8),
        ((math.nan, 0.0, math.nan), 8),
        ((3.0, math.nan, 2.0), 4),
    ],
)
def test_the_weights_of_the_highest_figure_are_kept(tmp_path, values, best):
    objective, after = Pairs(), dict[int, dict[str, Tensor]]()

    def report(line: Line) -> None:
        after[line.step] = {n: t.detach().clone() for n, t in objective.trained().items()}

    outcome = fit(objective, options(), tmp_path, evaluate=figures(*values), report=report)
    assert outcome.best_step == best
    assert outcome.figures == {"recall": values[best // 4 - 1]}
    for name, tensor in objective.trained().items():
        assert torch.equal(tensor, after[best][name])


@pytest.mark.parametrize("select", [None, "recall"])
def test_without_a_choice_to_make_the_last_weights_stay(tmp_path, select):
    values = (9.0, 5.0, 1.0) if select is None else 3 * (math.nan,)
    objective, after = Pairs(), list[Tensor]()
    outcome = fit(
        objective,
        options(select=select),
        tmp_path,
        evaluate=figures(*values),
        report=lambda line: after.append(objective.first.weight.detach().clone()),
    )
    assert torch.equal(objective.first.weight, after[-1])
    assert outcome.figures == ({"recall": 1.0} if select is None else {})


@pytest.mark.parametrize(("values", "best"), [((7.0, 5.0, 6.0, 4.0), 0), ((7.0, 5.0, 8.0, 4.0), 8)])
def test_a_stage_that_goes_on_from_a_trained_model_never_ends_below_it(tmp_path, values, best):
    objective, before = Pairs(), Pairs()
    chosen = options(start_counts=True)
    outcome = fit(objective, chosen, tmp_path, evaluate=figures(*values))
    assert (outcome.best_step, outcome.figures) == (best, {"recall": max(values)})
    same = all(
        torch.equal(tensor, before.trained()[name]) for name, tensor in objective.trained().items()
    )
    assert same == (best == 0)


def test_the_start_is_measured_once_however_often_a_run_stops_before_its_first_step(tmp_path):
    chosen = options(start_counts=True, patience=1)
    fit(Pairs(), chosen, tmp_path, evaluate=figures(3.0), cancelled=lambda: True)
    outcome = fit(Pairs(), chosen, tmp_path, evaluate=figures(5.0, 4.0))
    assert (outcome.stopped, outcome.best_step) == ("early", 4)


def test_a_figure_to_select_by_that_is_not_measured_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="chosen by r10, and an evaluation gives recall: choose"):
        trained(Pairs(), tmp_path, select="r10")


def test_it_stops_early_when_nothing_gets_better(tmp_path):
    objective = Pairs()
    evaluate = figures(1.0, 3.0, 2.0, 3.0, 9.0)
    outcome = fit(objective, options(epochs=9, patience=2), tmp_path, evaluate=evaluate)
    assert (outcome.stopped, outcome.steps, outcome.best_step) == ("early", 16, 8)
    again = fit(Pairs(), options(epochs=9, patience=2), tmp_path, evaluate=figures())
    assert asdict(again) == asdict(outcome)


def test_a_finished_run_is_told_again_and_not_trained_again(tmp_path):
    first, second = Pairs(), Pairs()
    outcome, again = trained(first, tmp_path), trained(second, tmp_path)
    assert again == outcome
    assert second.loaded == []
    for one, two in zip(first.trained().values(), second.trained().values(), strict=True):
        assert torch.equal(one, two)


def test_a_run_at_a_constant_rate_goes_on_where_it_ended(tmp_path):
    whole, longer = Pairs(), Pairs()
    trained(whole, tmp_path / "whole", epochs=4, schedule="constant")
    trained(Pairs(), tmp_path / "cut", epochs=2, schedule="constant")
    outcome = trained(longer, tmp_path / "cut", epochs=4, schedule="constant")
    assert outcome.steps == 16
    for one, two in zip(whole.trained().values(), longer.trained().values(), strict=True):
        assert torch.equal(one, two)


def test_a_cancelled_run_stops_before_the_next_step(tmp_path):
    objective, lines = Pairs(), list[Line]()
    outcome = fit(
        objective, options(), tmp_path, report=lines.append, cancelled=lambda: len(lines) == 5
    )
    assert (outcome.stopped, outcome.steps) == ("cancelled", 5)
    assert (tmp_path / CHECKPOINT).is_file()


def test_segments_end_in_checkpoints_and_add_up_to_the_run(tmp_path, hand):
    whole, cut = Pairs(), Pairs()
    trained(whole, tmp_path / "whole")

    def report(line: Line) -> None:
        hand.now += 100

    steps = []
    for _ in range(10):
        outcome = fit(
            cut,
            options(segment_seconds=500),
            tmp_path / "cut",
            evaluate=cut.recall,
            report=report,
        )
        steps.append((outcome.stopped, outcome.steps))
        if outcome.stopped == "done":
            break
    assert steps == [("segment", 5), ("segment", 10), ("done", 12)]
    for one, two in zip(whole.trained().values(), cut.trained().values(), strict=True):
        assert torch.equal(one, two)


def test_a_segment_makes_a_step_however_long_its_first_figures_take(tmp_path, hand):
    pairs = Pairs()

    def slowly() -> dict[str, float]:
        hand.now += 1_000
        return pairs.recall()

    chosen = options(segment_seconds=500, select="r10", start_counts=True)
    outcome = fit(pairs, replace(chosen, evaluate_every=5), tmp_path, evaluate=slowly)
    assert (outcome.stopped, outcome.steps) == ("segment", 1)


def test_checkpoints_are_saved_as_often_as_asked(tmp_path, hand):
    saved = []

    def report(line: Line) -> None:
        hand.now += 100
        path = tmp_path / CHECKPOINT
        saved.append(
            torch.load(path, weights_only=True)["progress"]["step"] if path.exists() else 0
        )

    fit(Pairs(), options(checkpoint_seconds=300), tmp_path, report=report)
    assert saved == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9]


def test_time_and_rate_are_those_of_all_segments_and_of_this_one(tmp_path, hand):
    lines = list[Line]()

    def report(line: Line) -> None:
        lines.append(line)
        hand.now += 2

    fit(Pairs(), options(), tmp_path, report=report, cancelled=lambda: len(lines) == 4)
    hand.now += 5000
    fit(Pairs(), options(), tmp_path, report=report)
    assert lines[3].seconds == 6
    assert lines[-1].seconds == 6 + 14
    assert lines[-1].rate == pytest.approx(8 / 14)


def test_loading_ahead_in_threads_changes_nothing(tmp_path):
    one, other = Pairs(), Pairs()
    trained(one, tmp_path / "one")
    trained(other, tmp_path / "other", loaders=3)
    for a, b in zip(one.trained().values(), other.trained().values(), strict=True):
        assert torch.equal(a, b)


class Breaking(Pairs):
    """Its data of one epoch is not a number."""

    def load(self, rows: Rows, epoch: int) -> tuple[Tensor, Tensor]:
        queries, targets = super().load(rows, epoch)
        return (queries * math.nan if epoch == 2 else queries), targets


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_last_good_checkpoint(
    tmp_path, hand
):
    objective = Breaking()

    def report(line: Line) -> None:
        hand.now += 100

    with pytest.raises(Diverged) as caught:
        fit(
            objective,
            options(checkpoint_seconds=300),
            tmp_path,
            evaluate=objective.recall,
            report=report,
        )
    assert caught.value.sentence == (
        "The loss became nan at step 9 (the last good checkpoint, of step 6, is kept): train into "
        "another folder with a learning rate below 0.05, or with the precision fp32."
    )
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["progress"]["step"] == 6
    assert all(torch.isfinite(tensor).all() for tensor in state["weights"].values())
    assert [line["step"] for line in read_curves(tmp_path)] == list(range(1, 9))
    best = torch.load(next(tmp_path.glob("best-*.pt")), weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in best["weights"].values())


def test_before_the_first_checkpoint_it_says_that_there_is_none(tmp_path):
    objective = Pairs()
    objective.queries[:] = math.inf
    with pytest.raises(Diverged, match=r"at step 1 \(the last good checkpoint, none was saved yet"):
        trained(objective, tmp_path)


def test_weights_that_are_no_numbers_are_neither_chosen_nor_kept(tmp_path):
    """A gradient can overflow while the loss of that step is still a number."""

    class Overflowing(Pairs):
        def loss(self, features: tuple[Tensor, ...]) -> Tensor:
            loss = super().loss(features)
            loss.register_hook(lambda gradient: gradient * math.nan)
            return loss

    objective = Overflowing()
    with pytest.raises(Diverged, match=r"weights .* are no numbers after step 1 \("):
        trained(objective, tmp_path, epochs=None, steps=1)
    assert list(tmp_path.glob("*.pt")) == []


@pytest.fixture
def finished(tmp_path) -> None:
    trained(Pairs(), tmp_path)


def test_a_checkpoint_of_other_options_is_told(tmp_path, finished):
    with pytest.raises(InvalidInput) as caught:
        trained(Pairs(), tmp_path, lr=0.1)
    assert caught.value.sentence == (
        f"The checkpoint {tmp_path / CHECKPOINT} belongs to another run (lr was 0.05 and is now "
        "0.1): train into another folder, or use the options it was started with."
    )


def test_a_checkpoint_of_other_data_is_told(tmp_path, finished):
    with pytest.raises(InvalidInput, match="data was 20 pairs and is now 25 pairs"):
        trained(Pairs(count=25), tmp_path)


def test_a_checkpoint_of_another_model_is_told(tmp_path, finished):
    with pytest.raises(InvalidInput, match=r"does not fit this run \(weights\)"):
        trained(Pairs(dim=7), tmp_path)


@pytest.mark.parametrize("left", [0, 10, 1_000, -200, -1])
def test_a_damaged_checkpoint_is_told(tmp_path, finished, left):
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InvalidInput, match="is damaged: remove it to start the run anew"):
        trained(Pairs(), tmp_path)


def test_a_batch_larger_than_the_data_and_no_data_are_told(tmp_path):
    with pytest.raises(InvalidInput, match="batch of 21 is larger than the data"):
        trained(Pairs(), tmp_path, batch=21)
    with pytest.raises(InvalidInput, match="holds no examples"):
        trained(Pairs(count=0), tmp_path)
    assert list(tmp_path.iterdir()) == []
