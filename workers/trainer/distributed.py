"""Several processes, one a GPU, that train one model: each encodes its share of every batch.

Started by torchrun (`torchrun --nproc-per-node 4 ...`), which tells each process its rank. The
features of all shares are gathered with their gradients, so that loss and gradients are those of
one process on the whole batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather

from backend.encoding.devices import resolved_device
from backend.errors import InvalidInput, SetupError
from workers.trainer.order import Rows

Agreed = TypeVar("Agreed")
CPU = torch.device("cpu")
PATIENCE = timedelta(hours=2)  # the others wait as long as the first one evaluates


@dataclass(frozen=True)
class Team:
    """The processes of a run; this one is number `rank` of `size` and computes on `device`."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """Whether this is the process that evaluates, saves and reports."""
        return self.rank == 0

    def share(self, rows: Rows) -> Rows:
        """This process's part of a batch, in order.

        Raises InvalidInput where the batch cannot be shared evenly.
        """
        if len(rows) % self.size:
            raise InvalidInput(
                f"A batch of {len(rows):,} cannot be shared evenly by {self.size} processes: "
                f"choose a multiple of {self.size}."
            )
        width = len(rows) // self.size
        return rows[self.rank * width : (self.rank + 1) * width]

    def gathered(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The features of the whole batch, in its order, from everybody's share; gradients flow
        back to whom the share belongs, summed over all processes."""
        if self.size == 1:
            return features
        return tuple(torch.cat(_everybodys(f)) for f in features)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over all processes, without gradient."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def agree(self, value: Agreed) -> Agreed:
        """What the leading process has for `value`."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box, src=0)
        agreed: Agreed = box[0]
        return agreed


ALONE = Team()


def _everybodys(features: Tensor) -> list[Tensor]:
    if features.requires_grad:
        gather: Callable[[Tensor], tuple[Tensor, ...]] = all_gather
        return list(gather(features))
    parts = [torch.empty_like(features) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, features.contiguous())
    return parts


@contextmanager
def team(device: str = "auto") -> Iterator[Team]:
    """The processes that torchrun started, or this one alone on `device`.

    Raises SetupError where torchrun started more processes than there are GPUs to take one each.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device=torch.device(resolved_device(device)))
        return
    own = _own_device(device, size)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Team(dist.get_rank(), size, own)
    finally:
        dist.destroy_process_group()


def _own_device(device: str, size: int) -> torch.device:
    wanted = device if device.startswith("cuda") else resolved_device(device)
    if not wanted.startswith("cuda"):
        return CPU
    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise SetupError(
            f"{size} processes were started and there are {torch.cuda.device_count()} GPUs: "
            "start one for each GPU, or train on the CPU."
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
