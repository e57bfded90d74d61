"""Features put away as they are made: the published way and the trainer's."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.comparing import Item, within
from benchmarks.published import storing as published
from workers.trainer.row_store import RowStore

BATCH = 32


def appending_item(scratch: Path, number: int, width: int = 640) -> Item:
    """CIRR's training images, 32 at a time; ours are on the disk when they are told."""
    features = torch.randn(number, width, generator=torch.Generator().manual_seed(5))
    batches = features.split(BATCH)
    names = [f"train-{row}-0-img0" for row in range(number)]
    keys = [row.to_bytes(32, "big") for row in range(number)]

    def theirs() -> NDArray[np.float32]:
        return published.appended(batches, names)[0].numpy()

    def ours() -> NDArray[np.float32]:
        store = RowStore(Path(tempfile.mkdtemp(dir=scratch)), width)
        with store.writing() as writer:
            for start, batch in zip(range(0, number, BATCH), batches, strict=True):
                writer.add(keys[start : start + BATCH], batch.numpy())
        return store.array()

    what = f"{number:,} features of {width} numbers appended, {BATCH} at a time"
    anew = partial(appending_item, scratch, number, width)
    return Item(what, 100, theirs, ours, _same, turns=2, anew=anew)


def _same(first: NDArray[np.float32], second: NDArray[np.float32]) -> str:
    return within(float(np.abs(first - second).max()), "numbers at most {:.1g} apart")
