"""The exact gradient of a loss over a whole batch whose towers run on a chunk of it at a time.

A contrastive loss compares every row with every other, so chunks cannot simply be summed. But the
towers do not look from row to row, so the gradient splits at the features: a first pass without
graphs gives them all, the loss gives their gradient, and a second pass carries it into the
weights, chunk by chunk (Gao et al. 2021, "Scaling deep contrastive learning batch size under
memory limited setup", section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

Features = tuple[Tensor, ...]
Chunk = TypeVar("Chunk", contravariant=True)


class Encode(Protocol[Chunk]):
    """Features of a chunk, (rows, ...) each; `last` marks the last call that has a graph."""

    def __call__(self, chunk: Chunk, *, last: bool) -> Features: ...


def cached_backward(
    encode: Encode[Chunk],
    chunks: Sequence[Chunk],
    loss_of: Callable[[Features], Tensor],
    device: torch.device,
    scaled: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> Tensor:
    """Adds the gradients of `loss_of` over all chunks to the weights; returns the loss, detached.

    Dropout draws the same masks in both passes. scaled: what the loss is multiplied by before the
    backward pass (gradient scaling, accumulation). Features that need no gradient, such as row
    numbers or those of a frozen tower, are passed to the loss as they are.
    """
    found: list[Features] = []
    draws: list[list[Tensor]] = []
    for chunk in chunks:
        draws.append(_generators(device))
        with torch.no_grad():
            found.append(encode(chunk, last=False))
    whole = tuple(_leaf(torch.cat(parts)) for parts in zip(*found, strict=True))
    loss = loss_of(whole)
    torch.autograd.backward(scaled(loss))
    sizes = [len(features[0]) for features in found]
    del found
    gradients = [None if f.grad is None else torch.split(f.grad, sizes) for f in whole]
    for i, chunk in enumerate(chunks):
        _replay(device, draws[i])
        own = [None if g is None else g[i] for g in gradients]
        _carry(encode(chunk, last=i == len(chunks) - 1), own)
    return loss.detach()


def _leaf(features: Tensor) -> Tensor:
    return features.requires_grad_() if features.is_floating_point() else features


def _carry(features: Features, gradients: Sequence[Tensor | None]) -> None:
    pairs = [
        (feature, gradient)
        for feature, gradient in zip(features, gradients, strict=True)
        if gradient is not None and feature.requires_grad
    ]
    torch.autograd.backward([f for f, _ in pairs], [g for _, g in pairs])


def _generators(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _replay(device: torch.device, states: list[Tensor]) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
