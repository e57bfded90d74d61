"""What a recipe tells the trainer about itself, and what it hears back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from torch import Tensor

from workers.trainer.order import Rows

Batch = TypeVar("Batch")
Figures = Mapping[str, float]
Stopped = Literal["done", "early", "cancelled", "segment"]


class Objective(Protocol[Batch]):
    """A small object that bundles a model with its data and its loss.

    The trainer decides which examples come when; the objective says what becomes of them, in
    three parts: `load` is data, `encode` looks at each row by itself, `loss` at all of them. So a
    batch can be cut into chunks or spread over processes and is still one batch.
    """

    @property
    def count(self) -> int:
        """How many examples there are."""
        ...

    @property
    def in_batch(self) -> bool:
        """Whether rows are one another's negatives, so that the loss must see all of them at
        once; else it is a mean over rows."""
        ...

    def trained(self) -> Mapping[str, Tensor]:
        """The tensors that training changes, by name: parameters that require gradients, and
        buffers that the forward pass moves. They, and nothing frozen, are in the checkpoints."""
        ...

    def train_mode(self) -> None:
        """Puts every module in the mode in which it is trained: called at the start and after
        each evaluation."""
        ...

    def load(self, rows: Rows, epoch: int) -> Batch:
        """The data of examples `rows`, (n,): a pure function of its arguments, called ahead and in
        other threads where the options ask for it. What it draws comes from a generator of its own,
        seeded by (seed, epoch, row)."""
        ...

    def encode(self, batch: Batch) -> tuple[Tensor, ...]:
        """All that the loss needs, each (n, ...), by autocast: features with the gradient of all
        trained parameters, features of frozen parts, row numbers. May draw from torch's global
        generator, as dropout does: it is seeded for each step."""
        ...

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        """The mean loss over all rows of the features, which come as float32; no part of the
        model's weights acts here."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """What a checkpoint must agree on, as JSON: data hash, fingerprint, sizes."""
        ...


@dataclass(frozen=True)
class Line:
    """Where a run stands, told after every step. `figures` are there where it was evaluated."""

    step: int
    steps: int
    epoch: float
    loss: float
    lr: float
    seconds: float
    rate: float  # steps a second since this process began to train
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a run, or this segment of it, ended.

    After `done` and `early` the objective holds the selected weights, and `figures` are theirs,
    measured at `best_step`; after `cancelled` and `segment` it holds those of step `steps`, and
    calling `fit` again goes on from there.
    """

    stopped: Stopped
    steps: int
    seconds: float
    best_step: int
    figures: Figures
