"""Contrastive learning with many positives: every caption against every picture it is true of."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
    return (_direction(logits, true) + _direction(logits.T, true.T)) / 2


def _direction(logits: Tensor, true: Tensor) -> Tensor:
    counts = true.sum(dim=1)
    rows = counts > 0
    log_likelihood = torch.log_softmax(logits[rows], dim=1).masked_fill(~true[rows], 0.0)
    return -(log_likelihood.sum(dim=1) / counts[rows]).mean()
