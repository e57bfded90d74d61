"""Small objectives to train in a moment: a query network with dropout, and a regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from workers.trainer.fitting import FitOptions, Line, Outcome, fit
from workers.trainer.losses import in_batch_loss
from workers.trainer.order import Rows

Step = Callable[[Line], None]


class Pairs:
    """Learns to send queries to their targets: in-batch negatives, dropout, a frozen side."""

    in_batch = True

    def __init__(self, count: int = 20, dropout: float = 0.3, dim: int = 6) -> None:
        numbers = torch.Generator().manual_seed(1)
        self.queries = torch.randn(count, dim, generator=numbers)
        self.targets = torch.randn(count, dim, generator=numbers)
        torch.manual_seed(0)
        self.first = nn.Linear(dim, 8)
        self.network = nn.Sequential(self.first, nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, dim))
        self.loaded: list[tuple[list[int], int]] = []
        self.modes = 0

    @property
    def count(self) -> int:
        return len(self.queries)

    def trained(self) -> Mapping[str, Tensor]:
        return dict(self.network.named_parameters())

    def train_mode(self) -> None:
        self.modes += 1
        self.network.train()

    def load(self, rows: Rows, epoch: int) -> tuple[Tensor, Tensor]:
        self.loaded.append((rows.tolist(), epoch))
        return self.queries[rows], self.targets[rows]

    def encode(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        return self.network(batch[0]), batch[1]

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        queries, targets = features
        return in_batch_loss(normalize(queries, dim=-1), normalize(targets, dim=-1), scale=10)

    def facts(self) -> Mapping[str, Any]:
        return {"data": f"{self.count} pairs"}

    def recall(self) -> dict[str, float]:
        """Percent of queries whose target is the nearest; leaves the network in eval mode."""
        self.network.eval()
        with torch.no_grad():
            scores = (
                normalize(self.network(self.queries), dim=-1) @ normalize(self.targets, dim=-1).T
            )
        right = scores.argmax(dim=1) == torch.arange(self.count)
        return {"recall": 100 * float(right.float().mean())}


class Regression(Pairs):
    """The same data and network, with a loss that is a mean over rows."""

    in_batch = False

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        queries, targets = features
        return (queries - targets).square().mean()


def options(**changed: Any) -> FitOptions:
    """Three epochs of four steps, warmed up and cosine."""
    standard: dict[str, Any] = {
        "batch": 5, "epochs": 3, "lr": 0.05, "schedule": "cosine", "warmup": 2, "select": "recall"
    }  # fmt: skip
    return FitOptions(**{**standard, **changed})


def trained(objective: Pairs, folder: Path, **changed: Any) -> Outcome:
    """The whole run, evaluated by its recall."""
    return fit(objective, options(**changed), folder, evaluate=objective.recall)
