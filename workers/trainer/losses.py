"""The losses of all recipes, each over a whole batch of features.

They return the mean over the batch, so that a batch may be cut into chunks or spread over
processes and put together again (`updating`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def in_batch_loss(
    queries: Tensor, targets: Tensor, scale: float | Tensor, groups: Tensor | None = None
) -> Tensor:
    """Cross-entropy of each query over all targets of the batch, one direction only (Baldrati et
    al. 2022, "Conditioned and composed image retrieval", section 3.2).

    queries, targets: (n, dim) unit features, row by row a pair; scale: the inverse temperature.
    groups: (n,) integers; rows of one group have the same target, known to be no negative of one
    another, and are left out. Without groups every other row is a negative, as published.
    """
    return _own_column(scale * queries @ targets.T, groups)


def symmetric_loss(
    images: Tensor, texts: Tensor, scale: float | Tensor, groups: Tensor | None = None
) -> Tensor:
    """The mean of the losses from image to text and from text to image (Radford et al. 2021,
    Figure 3; Saito et al. 2023, "Pic2Word", section 3.1); arguments as of `in_batch_loss`."""
    logits = scale * images @ texts.T
    return (_own_column(logits, groups) + _own_column(logits.T, groups)) / 2


def bank_loss(
    queries: Tensor,
    bank: Tensor,
    targets: Tensor,
    temperature: float,
    groups: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of each query over a static bank of images (Feng et al. 2024, "Improving
    composed image retrieval via contrastive learning with scaling positives and negatives",
    section 3.4).

    queries: (n, dim) unit; bank: (m, dim) unit; targets: (n,) rows of the bank. groups: (m,)
    integers; images of the target's group are its duplicates and left out of the negatives.
    """
    logits = (queries / temperature) @ bank.T  # so it divides n x dim numbers, not n x m
    if groups is not None:
        same = groups[None, :] == groups[targets][:, None]
        logits = logits.masked_fill(same.scatter(1, targets[:, None], False), float("-inf"))
    return functional.cross_entropy(logits, targets)


def reconstruction_loss(predicted: Tensor, original: Tensor) -> Tensor:
    """Mean squared error over batch and dimensions of un-normalised text features (Gu et al. 2024,
    "Language-only training of zero-shot composed image retrieval", section 3.2). (n, dim) both."""
    return functional.mse_loss(predicted.float(), original.float())


def multi_positive_loss(
    image_features: Tensor, text_features: Tensor, scale: Tensor, true: Tensor, unsure: Tensor
) -> Tensor:
    """Cross-entropy in both directions against an even target over all positives.

    CLIP's loss (Radford et al. 2021, Figure 3) with the supervised contrastive target (Khosla et
    al. 2020, Equation 2, mean outside the logarithm). Pairs that are neither known to match nor
    known not to are left out of both sums.

    image_features: (n, dim); text_features: (t, dim); scale: the inverse temperature;
    true, unsure: (t, n) masks.
    """
    images = functional.normalize(image_features.float(), dim=-1)
    texts = functional.normalize(text_features.float(), dim=-1)
    logits = (scale * texts @ images.T).masked_fill(unsure, float("-inf"))
    return (_towards_all(logits, true) + _towards_all(logits.T, true.T)) / 2


def _own_column(logits: Tensor, groups: Tensor | None) -> Tensor:
    """Cross-entropy of (n, n) logits with the diagonal as the answer."""
    answers = torch.arange(len(logits), device=logits.device)
    if groups is not None:
        same = groups[None, :] == groups[:, None]
        logits = logits.masked_fill(same.fill_diagonal_(False), float("-inf"))
    return functional.cross_entropy(logits, answers)


def _towards_all(logits: Tensor, true: Tensor) -> Tensor:
    counts = true.sum(dim=1)
    rows = counts > 0
    log_likelihood = torch.log_softmax(logits[rows], dim=1).masked_fill(~true[rows], 0.0)
    return -(log_likelihood.sum(dim=1) / counts[rows]).mean()
