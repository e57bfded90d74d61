"""The optimiser of a run, and the one number that changes in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from backend.errors import InvalidInput
from workers.trainer.options import FitOptions
from workers.trainer.schedules import lr_factor


def trainable(trained: Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    """Those of the tensors that gradients move; the rest are buffers and frozen ones."""
    return {
        name: tensor
        for name, tensor in trained.items()
        if isinstance(tensor, nn.Parameter) and tensor.requires_grad
    }


def optimiser_of(trained: Mapping[str, Tensor], options: FitOptions) -> torch.optim.Optimizer:
    """Adam or AdamW, fused: one kernel moves all tensors.

    Raises InvalidInput where nothing can be trained.
    """
    parameters = trainable(trained)
    if not parameters:
        raise InvalidInput("Every part of the model is frozen: there is nothing to train.")
    kept = {n for n in parameters if any(part in n for part in options.undecayed)}
    groups: list[dict[str, Any]] = [
        {"params": [p for n, p in parameters.items() if n not in kept]},
        {"params": [p for n, p in parameters.items() if n in kept], "weight_decay": 0.0},
    ]
    kind = torch.optim.Adam if options.optimiser == "adam" else torch.optim.AdamW
    return kind(
        [group for group in groups if group["params"]],
        lr=options.lr,
        betas=options.betas,
        eps=options.eps,
        weight_decay=options.weight_decay,
        fused=True,
    )


def set_lr(optimiser: torch.optim.Optimizer, options: FitOptions, step: int, steps: int) -> float:
    """Gives the optimiser the learning rate of `step`, and returns it."""
    lr = options.lr * lr_factor(step, steps, options.warmup, options.schedule)
    for group in optimiser.param_groups:
        group["lr"] = lr
    return lr
