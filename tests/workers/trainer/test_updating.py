"""One update is the same update however the batch is cut up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from backend.errors import InvalidInput
from tests.workers.trainer.small import Pairs, Regression, options
from workers.trainer.distributed import ALONE
from workers.trainer.order import Order
from workers.trainer.updating import Updates


def updated(objective: Pairs, steps: int = 3, **changed: Any) -> tuple[list[float], Updates[Any]]:
    """The losses of the first steps."""
    chosen = options(**changed)
    updates = Updates(objective, chosen, Order(objective.count, chosen.batch, 0), 12, ALONE)
    objective.train_mode()
    return [updates.make(step, updates.load(step)) for step in range(steps)], updates


def assert_same_weights(one: Pairs, two: Pairs) -> None:
    for a, b in zip(one.trained().values(), two.trained().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [Pairs, Regression])
@pytest.mark.parametrize("chunk", [1, 3, 5, 10, 99])
def test_chunks_of_any_size_give_the_whole_batchs_loss_and_weights(kind, chunk):
    whole, cut = kind(dropout=0.0), kind(dropout=0.0)
    losses, _ = updated(whole, batch=10)
    in_chunks, _ = updated(cut, batch=10, chunk=chunk)
    assert in_chunks == pytest.approx(losses, rel=1e-5)
    assert_same_weights(cut, whole)


def test_rows_that_do_not_see_each_other_have_one_forward_pass():
    calls = []

    class Counted(Regression):
        def encode(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
            calls.append(len(batch[0]))
            return super().encode(batch)

    updated(Counted(), steps=1, batch=10, chunk=4)
    assert calls == [4, 4, 2]


def test_accumulated_batches_of_independent_rows_are_one_large_batch():
    """Two batches of five are the ten rows that a batch of ten has, for the order is the same."""
    whole, parts = Regression(dropout=0.0), Regression(dropout=0.0)
    losses, _ = updated(whole, steps=2, batch=10)
    accumulated, _ = updated(parts, steps=2, batch=5, accumulate=2)
    assert accumulated == pytest.approx(losses, rel=1e-5)
    assert_same_weights(parts, whole)


def test_accumulated_contrastive_batches_keep_their_negatives_to_themselves():
    objective = Pairs(dropout=0.0)
    order = Order(objective.count, 5, 0)
    batches = [objective.load(order.rows(n), 0) for n in range(2)]
    means = torch.stack([objective.loss(objective.encode(batch)) for batch in batches]).mean()
    expected = torch.autograd.grad(means, list(objective.network.parameters()))
    losses, updates = updated(objective, steps=1, accumulate=2, chunk=2)
    assert losses[0] == pytest.approx(means.item(), rel=1e-6)
    for parameter, gradient in zip(updates.parameters, expected, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)


def test_gradients_are_cut_to_the_norm_asked_for():
    _, updates = updated(Pairs(), steps=1, clip=1e-3)
    norm = torch.stack([p.grad.norm() for p in updates.parameters if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_towers_run_in_half_precision_and_weights_and_loss_in_full(precision):
    seen = []

    class Watched(Pairs):
        def encode(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
            features = super().encode(batch)
            seen.append(features[0].dtype)
            return features

        def loss(self, features: tuple[Tensor, ...]) -> Tensor:
            seen.append(features[0].dtype)
            return super().loss(features)

    full, half = Pairs(dropout=0.0), Watched(dropout=0.0)
    losses, _ = updated(full, steps=8)
    in_half, updates = updated(half, steps=8, precision=precision)
    assert seen[:2] == [
        getattr(torch, {"bf16": "bfloat16"}.get(precision, "float16")),
        torch.float32,
    ]
    assert {p.dtype for p in updates.parameters} == {torch.float32}
    assert in_half[0] == pytest.approx(losses[0], rel=0.02)
    assert in_half[-1] < in_half[0]
    assert updates.precision.scaler.is_enabled() == (precision == "fp16")


def test_a_gradient_that_overflows_half_precision_moves_nothing_and_lowers_the_scale():
    objective = Pairs()
    chosen = options(precision="fp16")
    updates = Updates(objective, chosen, Order(20, 5, 0), 12, ALONE)
    updates.precision.scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    before = {name: tensor.detach().clone() for name, tensor in objective.trained().items()}
    updates.make(0, updates.load(0))
    assert updates.precision.scaler.get_scale() < 1e38
    for name, tensor in objective.trained().items():
        assert torch.equal(tensor, before[name])


def test_an_unknown_precision_is_told():
    with pytest.raises(InvalidInput, match="no precision 'fp8': choose auto, fp32, bf16, fp16"):
        updated(Pairs(), precision="fp8")


def test_frozen_weights_have_no_gradient_and_do_not_move():
    objective = Pairs()
    objective.first.requires_grad_(False)
    frozen = objective.first.weight.clone()
    _, updates = updated(objective)
    assert len(updates.parameters) == 2
    assert torch.equal(objective.first.weight, frozen)
    assert objective.first.weight.grad is None


def test_a_model_without_anything_to_train_is_told():
    objective = Pairs()
    objective.network.requires_grad_(False)
    with pytest.raises(InvalidInput, match="nothing to train"):
        updated(objective)


def test_what_is_named_does_not_decay():
    class Idle(Pairs):
        """Weights that get no gradient but that of zero: they move by decay alone."""

        def loss(self, features: tuple[Tensor, ...]) -> Tensor:
            return 0.0 * super().loss(features)

    objective = Idle()
    before = {name: tensor.detach().clone() for name, tensor in objective.trained().items()}
    updated(objective, steps=1, weight_decay=0.5, undecayed=("bias",))
    for name, tensor in objective.trained().items():
        # AdamW: w - lr * decay * w, at the warm-up's first half of 0.05
        factor = 1.0 if "bias" in name else 1 - 0.025 * 0.5
        torch.testing.assert_close(tensor.detach(), factor * before[name])


@pytest.mark.parametrize(("kind", "decay"), [("adam", 0.0), ("adamw", 0.01)])
def test_the_optimiser_moves_as_worked_out_by_hand(kind, decay):
    """Two steps of Adam (Kingma and Ba 2015, Algorithm 1) and AdamW (Loshchilov and Hutter 2019,
    Algorithm 2) on one weight whose gradient is 2, then 3."""

    class One:
        count, in_batch = 10, False

        def __init__(self) -> None:
            self.weight = nn.Parameter(torch.tensor([1.0]))
            self.gradient = 2.0

        def trained(self) -> Mapping[str, Tensor]:
            return {"weight": self.weight}

        def train_mode(self) -> None: ...

        def load(self, rows: Any, epoch: int) -> Any:
            return rows

        def encode(self, batch: Any) -> tuple[Tensor, ...]:
            return (self.weight.expand(len(batch)),)

        def loss(self, features: tuple[Tensor, ...]) -> Tensor:
            return self.gradient * features[0].mean()

        def facts(self) -> Mapping[str, Any]:
            return {}

    lr, eps = 0.1, 1e-7
    weight, first, second = 1.0, 0.0, 0.0
    objective = One()
    chosen = options(
        optimiser=kind, weight_decay=decay, lr=lr, eps=eps, schedule="constant", warmup=0
    )
    updates = Updates(objective, chosen, Order(10, 5, 0), 2, ALONE)
    for step, gradient in enumerate((2.0, 3.0), start=1):
        objective.gradient = gradient
        updates.make(step - 1, updates.load(step - 1))
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        ratio = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)) ** 0.5 + eps)
        weight = weight * (1 - lr * decay) - lr * ratio
        assert objective.weight.item() == pytest.approx(weight, rel=1e-6)
    assert updates.optimiser.defaults["fused"]


def test_what_is_drawn_is_a_function_of_seed_and_step():
    def losses_of(seed: int) -> list[float]:
        return updated(Pairs(dropout=0.5), seed=seed)[0]

    torch.manual_seed(1)
    one = losses_of(0)
    torch.manual_seed(2)
    assert losses_of(0) == one
    assert losses_of(1) != one
