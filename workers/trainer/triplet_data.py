"""Triplets as numbers: rows of reference and target, and the texts each may be told in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidInput
from workers.datasets.added import added_names, load_added
from workers.datasets.opening import Dataset, open_dataset
from workers.datasets.triplets import Triplet, TripletSplit
from workers.metrics.captions import joined
from workers.trainer.order import Rows

TRAIN, CHOOSE = "train", "val"
ADDED = "added"
WITH_TRIPLETS = ("fashioniq", "cirr", "wardrobe", "catalogue")
"""Datasets that can be trained on; each is measured by the benchmark of its name."""


@dataclass(frozen=True, eq=False)
class TripletData:
    """The usable triplets of a dataset's training split.

    names: the images that occur. references, targets: (n,) rows of `names`. texts: every text
    once. wordings: (n, w) rows of `texts`, the ways in which a triplet may be told, -1 for none.
    """

    dataset: Dataset
    splits: tuple[TripletSplit, ...]
    names: tuple[str, ...]
    images: Mapping[str, Path]
    references: Rows
    targets: Rows
    texts: tuple[str, ...]
    wordings: NDArray[np.int64]
    remarks: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of what the annotations say."""
        return "-".join(split.digest[:16] for split in self.splits)

    @property
    def counts(self) -> dict[str, int]:
        """For a card."""
        return {"triplets": len(self.references), "images": len(self.names)}

    def told(self, rows: Rows, epoch: int, seed: int) -> Rows:
        """(k,) rows of `texts`: the wording of each triplet in an epoch, one of its own at random
        (Baldrati et al. 2022, section 4.2), the same for the same seed, epoch and triplet."""
        draws = _draws(len(self.wordings), seed, epoch)[rows]
        ways = (self.wordings[rows] >= 0).sum(axis=1)
        found: Rows = self.wordings[rows, (draws * ways).astype(np.int64)]
        return found


def training_triplets(folder: Path, added: Sequence[str] = ()) -> TripletData:
    """The training triplets of a FashionIQ, CIRR or Wardrobe folder or of an exported catalogue,
    and those added to it.

    added: names of added triplets, as `load_added` takes them. Raises InvalidInput for another
    dataset, one without a training split, and where no triplet has both of its pictures.
    """
    dataset = open_dataset(folder)
    if dataset.kind.name not in WITH_TRIPLETS or TRAIN not in dataset.splits:
        raise InvalidInput(
            f"{folder} is {dataset.kind.label} and has no triplets to train on: give a folder of "
            "FashionIQ, CIRR or Wardrobe with its training captions, or an exported catalogue with "
            "products of the split train and triplets.jsonl."
        )
    own = dataset.load(TRAIN)
    splits = (*own, *(split for name in added for split in load_added(dataset, name)))
    remarks = tuple(text for split in splits if (text := split.missing_sentence()))
    told = [
        (one, wordings(one.captions, dataset.kind.name if number < len(own) else ADDED))
        for number, split in enumerate(splits)
        for one in split.usable
        if one.target is not None
    ]
    if not told:
        raise InvalidInput(remarks[0] if remarks else _nothing_in(dataset))
    return _numbered(dataset, splits, told, remarks)


def choosing_splits(dataset: Dataset) -> tuple[TripletSplit, ...]:
    """The parts of the validation split that have triplets to choose weights by; () for none."""
    if dataset.kind.name not in WITH_TRIPLETS or CHOOSE not in dataset.splits:
        return ()
    return tuple(split for split in dataset.load(CHOOSE) if split.triplets)


def _nothing_in(dataset: Dataset) -> str:
    there = added_names(dataset)
    if not there:
        return f"{dataset.folder} holds no training triplets."
    return (
        f"{dataset.folder} holds no training triplets but those added to it: take them with "
        f"--set added={','.join(there)}."
    )


def _numbered(
    dataset: Dataset,
    splits: tuple[TripletSplit, ...],
    told: Sequence[tuple[Triplet, tuple[str, ...]]],
    remarks: tuple[str, ...],
) -> TripletData:
    usable = [one for one, _ in told]
    names = tuple(dict.fromkeys(name for one in usable for name in (one.reference, one.target)))
    row = {name: number for number, name in enumerate(names)}
    texts = tuple(dict.fromkeys(text for _, ways in told for text in ways))
    text_row = {text: number for number, text in enumerate(texts)}
    table = np.full((len(told), max(len(ways) for _, ways in told)), -1, dtype=np.int64)
    for number, (_, ways) in enumerate(told):
        table[number, : len(ways)] = [text_row[text] for text in ways]
    return TripletData(
        dataset=dataset,
        splits=splits,
        names=tuple(str(name) for name in names),
        images={name: path for split in splits for name, path in split.images.items()},
        references=np.array([row[one.reference] for one in usable]),
        targets=np.array([row[one.target] for one in usable]),
        texts=texts,
        wordings=table,
        remarks=remarks,
    )


def wordings(captions: Sequence[str], kind: str) -> tuple[str, ...]:
    """The ways in which a training triplet is told.

    FashionIQ's two captions are parts of one change: both in either order, or one of them, a
    quarter of the time each (Baldrati et al. 2022). Elsewhere each caption tells all of it, in
    triplets added to FashionIQ too (Feng et al. 2024, section 4.1).
    """
    if kind != "fashioniq" or len(captions) != 2:
        return tuple(captions)
    first, second = (joined([caption]) for caption in captions)
    return (joined(captions), joined(captions[::-1]), first, second)


@lru_cache(maxsize=4)
def _draws(count: int, seed: int, epoch: int) -> NDArray[np.float64]:
    """(count,) numbers in [0, 1) of one epoch."""
    return np.random.default_rng([seed, epoch, 1]).random(count)
