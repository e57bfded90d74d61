"""Which examples make up which batch: a pure function of (seed, step)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidInput

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """Every epoch is a fresh permutation of `count` examples cut into batches of `batch`; what is
    left over at its end is dropped, and is another rest in the next epoch.

    Raises InvalidInput where there are no examples, or fewer than a batch.
    """

    count: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InvalidInput("There is nothing to train on: the data holds no examples.")
        if self.batch > self.count:
            raise InvalidInput(
                f"A batch of {self.batch:,} is larger than the data, which holds {self.count:,} "
                f"examples: choose a batch of at most {self.count:,}."
            )

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.count // self.batch

    def epoch(self, number: int) -> int:
        """The epoch that batch `number` of the run belongs to."""
        return number // self.per_epoch

    def rows(self, number: int) -> Rows:
        """(batch,) example numbers of batch `number` of the run, counted from zero."""
        start = number % self.per_epoch * self.batch
        permuted = _permutation(self.count, self.seed, self.epoch(number))
        return permuted[start : start + self.batch].copy()


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> Rows:
    return np.random.default_rng([seed, epoch]).permutation(count)
