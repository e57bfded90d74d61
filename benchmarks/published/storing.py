"""Galleries as the published codes gather them: everything copied for each batch that comes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def appended(batches: Sequence[Tensor], names: Sequence[str]) -> tuple[Tensor, list[str]]:
    """Features (n, dim) of a gallery and their names, as CLIP4Cir (Baldrati et al. 2022) and those
    that followed extract them: each batch is put behind a copy of all before it."""
    features = torch.empty((0, batches[0].shape[1]))
    told: list[str] = []
    for batch in batches:
        features = torch.vstack((features, batch))
        told.extend(names[len(told) : len(told) + len(batch)])
    return features, told
