"""A split's triplets as row numbers: what is asked, of which gallery, and what could not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidInput
from backend.figures import Terms
from workers.datasets.triplets import Triplet, TripletSplit
from workers.metrics.protocols import Asked, Protocol
from workers.metrics.scores import Rows


@dataclass(frozen=True, eq=False)
class Questions:
    """What can be asked of a split under a protocol.

    gallery: the names that are ranked, whose images were found. listed: how many images the
    protocol would rank. triplets: those that are asked, in the order of the rows of `asked`.
    """

    split: TripletSplit
    protocol: Protocol
    gallery: tuple[str, ...]
    listed: int
    triplets: tuple[Triplet, ...]
    asked: Asked

    @property
    def references(self) -> list[str]:
        """The reference's name of each query; it need not be in the gallery."""
        return [one.reference for one in self.triplets]

    def terms(self, captions: str) -> Terms:
        """What a row says of how its figures were taken; `captions` names the rule."""
        return Terms(
            protocol=self.protocol.name,
            gallery=self.protocol.gallery,
            reference=self.protocol.reference,
            captions=captions,
            images_found=len(self.gallery),
            images_listed=self.listed,
            queries_asked=len(self.triplets),
            queries_listed=len(self.split.triplets),
        )

    @property
    def groups(self) -> dict[str, Group]:
        """The queries of each category or aspect."""
        return groups_of(self.triplets, self.split.triplets)


@dataclass(frozen=True, eq=False)
class Group:
    """The queries (q,) of a category or aspect, and how many of them the dataset lists."""

    queries: NDArray[np.bool_]
    listed: int


def groups_of(asked: Sequence[Triplet], listed: Sequence[Triplet]) -> dict[str, Group]:
    """The categories and aspects among the triplets asked, where there are several."""
    names = sorted({name for one in asked for name in _labels(one)})
    if len(names) < 2:
        return {}
    totals = Counter(name for one in listed for name in _labels(one))
    labels = [_labels(one) for one in asked]
    return {
        name: Group(np.array([name in each for each in labels]), totals[name]) for name in names
    }


def _labels(triplet: Triplet) -> set[str]:
    return {*triplet.aspects, *((triplet.category,) if triplet.category else ())}


def questions(split: TripletSplit, protocol: Protocol, *, answered: bool = True) -> Questions:
    """The rows of a split under a protocol; `answered`, if its answers are to be known.

    A triplet whose reference or target has no picture cannot be asked; the terms count those that
    are left, of all. A triplet without any right answer is asked where the dataset says so by
    giving no target (ImageNet-R), except where all lack one: then the answers are a server's.

    Raises InvalidInput where nothing can be asked, or nothing answered.
    """
    asked = split.usable
    listed = _scope(split.gallery, split.triplets, protocol)
    gallery = tuple(name for name in listed if name in split.images)
    if not asked or (answered and not any(one.answers for one in asked)):
        raise InvalidInput(_nothing(split))
    rows = {name: row for row, name in enumerate(gallery)}
    return Questions(split, protocol, gallery, len(listed), asked, _rows(asked, rows))


def _scope(
    gallery: tuple[str, ...], triplets: Sequence[Triplet], protocol: Protocol
) -> tuple[str, ...]:
    """The names that the protocol ranks, in the order of the split's own list."""
    if protocol.gallery == "paired":
        named = {one.target for one in triplets}
    elif protocol.gallery == "val":
        named = {one.target for one in triplets} | {one.reference for one in triplets}
    else:
        return gallery
    return tuple(name for name in gallery if name in named)


def _nothing(split: TripletSplit) -> str:
    if split.triplets and not any(one.answers for one in split.triplets):
        return (
            f"{split.name} has no answers to compare with, its server keeps them: evaluate the "
            "validation split, or make the server's files with `akin submit`."
        )
    return split.missing_sentence() or f"{split.name} has no triplets: nothing can be asked."


def _rows(triplets: Sequence[Triplet], rows: Mapping[str, int]) -> Asked:
    return Asked(
        targets=np.array([_row(rows, one.target) for one in triplets]),
        references=np.array([_row(rows, one.reference) for one in triplets]),
        positives=padded(_found(rows, one.answers) for one in triplets),
        subsets=padded(_found(rows, one.subset) for one in triplets),
    )


def _row(rows: Mapping[str, int], name: str | None) -> int:
    return -1 if name is None else rows.get(name, -1)


def _found(rows: Mapping[str, int], names: Iterable[str]) -> list[int]:
    return [rows[name] for name in names if name in rows]


def padded(lists: Iterable[Sequence[int]]) -> Rows:
    """Lists of row numbers as one array (n, longest), -1 behind the shorter ones."""
    kept = list(lists)
    table = np.full((len(kept), max(map(len, kept), default=0)), -1, dtype=np.int64)
    for line, numbers in zip(table, kept, strict=True):
        line[: len(numbers)] = numbers
    return table
