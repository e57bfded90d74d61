"""One update of the weights: forward, loss, backward and optimiser, whatever cuts the batch up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from workers.trainer.distributed import Team
from workers.trainer.gradient_cache import Features, cached_backward
from workers.trainer.objective import Objective
from workers.trainer.optimisers import optimiser_of, set_lr, trainable
from workers.trainer.options import FitOptions
from workers.trainer.order import Order
from workers.trainer.precision import Precision

Batch = TypeVar("Batch")


class Encoder(nn.Module, Generic[Batch]):
    """An objective's `encode` as the forward of a module that owns what is trained, for DDP."""

    def __init__(self, objective: Objective[Batch]) -> None:
        super().__init__()
        self._objective = objective
        self._trained = nn.ParameterList(trainable(objective.trained()).values())

    def forward(self, batch: Batch) -> Features:
        return self._objective.encode(batch)


class Updates(Generic[Batch]):
    """Makes the updates of a run; `step` is all that an update depends on besides the weights."""

    def __init__(
        self, objective: Objective[Batch], options: FitOptions, order: Order, steps: int, team: Team
    ) -> None:
        self.objective, self.options, self.order = objective, options, order
        self.steps, self.team = steps, team
        self.precision = Precision(options.precision, team.device)
        self.optimiser = optimiser_of(objective.trained(), options)
        self.parameters = list(trainable(objective.trained()).values())
        self.lr = options.lr
        encoder = Encoder(objective)
        # The temperature of a text tower, for one, is trainable and takes no part in `encode`.
        self._encoder = (
            DistributedDataParallel(encoder, find_unused_parameters=True)
            if team.size > 1
            else encoder
        )

    def load(self, step: int) -> list[list[Batch]]:
        """The chunks of each batch of update `step`; safe to call ahead, in another thread."""
        first = step * self.options.accumulate
        return [self._chunks(number) for number in range(first, first + self.options.accumulate)]

    def make(self, step: int, batches: Sequence[Sequence[Batch]]) -> float:
        """Moves the weights, unless the loss, which is returned, is not finite."""
        _seed(self.options.seed, step, self.team)
        self.optimiser.zero_grad(set_to_none=True)
        losses = [self._backward(chunks, i == len(batches) - 1) for i, chunks in enumerate(batches)]
        loss = float(self.team.mean(torch.stack(losses).mean()).item())
        if np.isfinite(loss):
            self._apply(step)
        return loss

    def _chunks(self, number: int) -> list[Batch]:
        rows = self.team.share(self.order.rows(number))
        width = self.options.chunk or len(rows)
        epoch = self.order.epoch(number)
        return [self.objective.load(rows[i : i + width], epoch) for i in range(0, len(rows), width)]

    def _backward(self, chunks: Sequence[Batch], last: bool) -> Tensor:
        """Adds the gradients of one batch; `last` of the update. Returns its loss."""
        if self.objective.in_batch and len(chunks) > 1:
            return self._backward_cached(chunks, last)
        if self.objective.in_batch:
            loss = self._loss_of(self._encode(chunks[0], last=last))
            torch.autograd.backward(self._scaled(loss))
            return loss.detach()
        return self._backward_rowwise(chunks, last)

    def _backward_cached(self, chunks: Sequence[Batch], last: bool) -> Tensor:
        def encode(chunk: Batch, *, last: bool, update_ends: bool = last) -> Features:
            return self._encode(chunk, last=last and update_ends)

        return cached_backward(encode, chunks, self._loss_of, self.team.device, self._scaled)

    def _backward_rowwise(self, chunks: Sequence[Batch], last: bool) -> Tensor:
        """Rows that do not see each other: the mean over chunks, each weighed by its rows."""
        total = torch.zeros((), device=self.team.device)
        rows = 0
        share = self.options.batch // self.team.size
        for i, chunk in enumerate(chunks):
            features = self._encode(chunk, last=last and i == len(chunks) - 1)
            rows = len(features[0])
            loss = self.objective.loss(features) * (rows / share)
            torch.autograd.backward(self._scaled(loss))
            total += loss.detach()
        return total

    def _encode(self, batch: Batch, *, last: bool) -> Features:
        with self._exchanging(last), self.precision.autocast():
            features: Features = self._encoder(batch)
        return tuple(f.float() if f.is_floating_point() else f for f in features)

    def _exchanging(self, last: bool) -> AbstractContextManager[None]:
        """Processes exchange gradients once an update: in the backward pass of its last part."""
        if isinstance(self._encoder, DistributedDataParallel) and not last:
            quiet: AbstractContextManager[None] = self._encoder.no_sync()
            return quiet
        return nullcontext()

    def _loss_of(self, features: Features) -> Tensor:
        return self.objective.loss(self.team.gathered(features))

    def _scaled(self, loss: Tensor) -> Tensor:
        return self.precision.scaler.scale(loss / self.options.accumulate)

    def _apply(self, step: int) -> None:
        self.lr = set_lr(self.optimiser, self.options, step, self.steps)
        scaler = self.precision.scaler
        if self.options.clip is not None:
            scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
        scaler.step(self.optimiser)
        scaler.update()


def _seed(seed: int, step: int, team: Team) -> None:
    """What is drawn in an update, such as dropout, is a function of seed, step and rank alone."""
    words = np.random.SeedSequence([seed, step, team.rank]).generate_state(1, np.uint64)
    drawn = int(words[0] >> np.uint64(1))
    # Not torch.manual_seed, which formats a stack trace for each GPU library it does not find.
    torch.default_generator.manual_seed(drawn)
    if team.device.type == "cuda":
        torch.cuda.manual_seed(drawn)
