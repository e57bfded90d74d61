"""Each loss against numbers worked out by hand or by brute force in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from workers.trainer.losses import bank_loss, in_batch_loss, reconstruction_loss, symmetric_loss


def units(rows: int, dim: int, seed: int) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, dim, generator=numbers), dim=-1)


def cross_entropy(scores: list[float], answer: int, left_out: set[int]) -> float:
    """-log of the answer's share, in Python's floats."""
    total = sum(math.exp(s) for i, s in enumerate(scores) if i not in left_out)
    return math.log(total) - scores[answer]


def brute_force(queries, targets, scale, answers, groups=None):
    """The mean over queries, element by element in float64."""
    losses = []
    for query, answer in zip(queries.double().tolist(), answers, strict=True):
        scores = [
            scale * sum(a * b for a, b in zip(query, target, strict=True))
            for target in targets.double().tolist()
        ]
        same = {i for i, g in enumerate(groups or []) if g == groups[answer] and i != answer}
        losses.append(cross_entropy(scores, answer, same))
    return sum(losses) / len(losses)


def test_two_pairs_by_hand():
    """cos 0.6 with its own target and 0.8 with the other: log(e^6 + e^8) - 6 at scale 10."""
    queries = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    first = math.log(math.exp(6) + math.exp(8)) - 6
    second = math.log(math.exp(0) + math.exp(10)) - 10
    assert in_batch_loss(queries, targets, 10).item() == pytest.approx((first + second) / 2)


@given(n=st.integers(1, 7), seed=st.integers(0, 999), scale=st.sampled_from([1.0, 30.0, 100.0]))
@settings(max_examples=40, deadline=None)
def test_in_batch_loss_is_cross_entropy_over_the_batch(n, seed, scale):
    queries, targets = units(n, 4, seed), units(n, 4, seed + 1)
    expected = brute_force(queries, targets, scale, range(n))
    assert in_batch_loss(queries, targets, scale).item() == pytest.approx(expected, abs=2e-4)


@given(seed=st.integers(0, 999), groups=st.lists(st.integers(0, 3), min_size=1, max_size=7))
@settings(max_examples=40, deadline=None)
def test_rows_of_one_target_are_no_negatives_of_one_another(seed, groups):
    queries, targets = units(len(groups), 4, seed), units(len(groups), 4, seed + 1)
    found = in_batch_loss(queries, targets, 10.0, torch.tensor(groups))
    expected = brute_force(queries, targets, 10.0, range(len(groups)), groups)
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_groups_of_one_change_nothing():
    queries, targets = units(5, 4, 0), units(5, 4, 1)
    alone = in_batch_loss(queries, targets, 10.0, torch.arange(5))
    assert alone.item() == in_batch_loss(queries, targets, 10.0).item()


def test_only_one_direction_is_counted():
    queries, targets = units(5, 4, 0), units(5, 4, 1)
    there, back = in_batch_loss(queries, targets, 20.0), in_batch_loss(targets, queries, 20.0)
    assert there.item() != pytest.approx(back.item(), abs=1e-3)
    both = symmetric_loss(queries, targets, 20.0)
    assert both.item() == pytest.approx((there.item() + back.item()) / 2, rel=1e-5)


def test_the_symmetric_loss_leaves_out_groups_in_both_directions():
    images, texts, groups = units(5, 4, 0), units(5, 4, 1), [0, 1, 0, 2, 1]
    expected = (
        brute_force(images, texts, 20.0, range(5), groups)
        + brute_force(texts, images, 20.0, range(5), groups)
    ) / 2
    found = symmetric_loss(images, texts, 20.0, torch.tensor(groups))
    assert found.item() == pytest.approx(expected, abs=1e-5)


@given(seed=st.integers(0, 999), answers=st.lists(st.integers(0, 8), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_the_bank_loss_has_every_image_of_the_bank_as_a_negative(seed, answers):
    queries, bank = units(len(answers), 4, seed), units(9, 4, seed + 1)
    groups = [0, 1, 2, 0, 4, 5, 1, 0, 8]
    targets = torch.tensor(answers)
    plain = bank_loss(queries, bank, targets, 0.02)
    assert plain.item() == pytest.approx(brute_force(queries, bank, 50, answers), abs=1e-4)
    masked = bank_loss(queries, bank, targets, 0.02, torch.tensor(groups))
    assert masked.item() == pytest.approx(brute_force(queries, bank, 50, answers, groups), abs=1e-4)


def test_a_bank_of_the_batchs_targets_is_the_in_batch_loss():
    queries, targets = units(6, 4, 0), units(6, 4, 1)
    bank = bank_loss(queries, targets, torch.arange(6), temperature=0.01)
    assert bank.item() == pytest.approx(in_batch_loss(queries, targets, 100).item(), rel=1e-6)


def test_reconstruction_is_the_mean_over_batch_and_dimensions():
    predicted = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    original = torch.tensor([[0.0, 2.0], [1.0, 1.0]])
    assert reconstruction_loss(predicted, original).item() == pytest.approx((1 + 0 + 4 + 9) / 4)
