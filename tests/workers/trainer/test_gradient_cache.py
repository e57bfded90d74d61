"""Chunks through the towers, and the very gradient of the whole batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from workers.trainer.gradient_cache import cached_backward
from workers.trainer.losses import in_batch_loss

CPU = torch.device("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.4), nn.Linear(7, 4)).double()


def loss_of(features):
    queries, targets = features
    return in_batch_loss(normalize(queries, dim=-1), normalize(targets, dim=-1), 10.0)


def gradients(network):
    found = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    return found


def assert_close(one, two):
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 2, 3, 8, 20])
def test_the_gradient_is_that_of_the_whole_batch(network, chunk):
    network.eval()
    pairs = torch.randn(8, 2, 5, dtype=torch.float64)
    loss = loss_of((network(pairs[:, 0]), network(pairs[:, 1])))
    loss.backward()
    whole = gradients(network)

    def encode(part, *, last):
        return network(part[:, 0]), network(part[:, 1])

    found = cached_backward(encode, pairs.split(chunk), loss_of, CPU)
    assert found.item() == pytest.approx(loss.item(), rel=1e-12)
    assert_close(gradients(network), whole)


def test_dropout_drops_the_same_in_both_passes(network):
    """What comes out is the gradient of one forward pass with one set of masks, chunk by chunk."""
    pairs = torch.randn(6, 2, 5, dtype=torch.float64)

    def encode(part, *, last):
        return network(part[:, 0]), network(part[:, 1])

    torch.manual_seed(3)
    parts = [encode(part, last=False) for part in pairs.split(2)]
    loss = loss_of([torch.cat(features) for features in zip(*parts, strict=True)])
    loss.backward()
    drawn_after = torch.rand(1)
    expected = gradients(network)
    torch.manual_seed(3)
    found = cached_backward(encode, pairs.split(2), loss_of, CPU)
    assert found.item() == loss.item()
    assert_close(gradients(network), expected)
    assert torch.rand(1) == drawn_after


def test_no_more_than_a_chunk_has_a_graph_and_the_last_one_is_marked(network):
    seen = []

    def encode(part, *, last):
        seen.append((torch.is_grad_enabled(), len(part), last))
        return network(part[:, 0]), network(part[:, 1])

    cached_backward(encode, torch.randn(5, 2, 5).double().split(2), loss_of, CPU)
    assert seen == [
        (False, 2, False), (False, 2, False), (False, 1, False),
        (True, 2, False), (True, 2, False), (True, 1, True),
    ]  # fmt: skip


def test_features_of_frozen_towers_and_row_numbers_pass_as_they_are(network):
    network.eval()
    pairs, rows = torch.randn(6, 2, 5, dtype=torch.float64), torch.arange(6)
    given = []

    def encode(part, *, last):
        chosen, numbers = part
        with torch.no_grad():
            frozen = network(chosen[:, 1])
        return network(chosen[:, 0]), frozen, numbers

    def with_rows(features):
        given.append(features[2])
        return loss_of(features[:2]) * features[2].sum()

    encode((pairs, rows), last=True)
    loss = with_rows(encode((pairs, rows), last=True))
    loss.backward()
    expected = gradients(network)
    chunks = list(zip(pairs.split(4), rows.split(4), strict=True))
    cached_backward(encode, chunks, with_rows, CPU)
    assert given[1].tolist() == list(range(6))
    assert_close(gradients(network), expected)


def test_gradients_add_up_and_can_be_scaled(network):
    network.eval()
    pairs = torch.randn(4, 2, 5, dtype=torch.float64)

    def encode(part, *, last):
        return network(part[:, 0]), network(part[:, 1])

    cached_backward(encode, pairs.split(2), loss_of, CPU)
    once = gradients(network)
    for _ in range(2):
        cached_backward(encode, pairs.split(2), loss_of, CPU, scaled=lambda loss: 1.5 * loss)
    assert_close(gradients(network), [3 * g for g in once])
