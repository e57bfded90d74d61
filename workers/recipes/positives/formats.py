"""New triplets in the formats of FashionIQ and CIRR, as SPN4CIR adds them (Feng et al. 2024)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_rows
from workers.recipes.positives.pairing import Pair

FOLDER = "captions"


def fashioniq_file(name: str) -> str:
    """`captions/cap.extend_akin.train.json`: to lie beside FashionIQ's own."""
    return f"{FOLDER}/cap.extend_{name}.train.json"


def cirr_file(name: str) -> str:
    """`captions/cap.rc2.train.extend_akin.json`: to lie beside CIRR's own."""
    return f"{FOLDER}/cap.rc2.train.extend_{name}.json"


def fashioniq_row(pair: Pair) -> dict[str, Any]:
    """FashionIQ's fields, its reference is the candidate, and the two captions behind them."""
    return {
        "target": pair.target,
        "candidate": pair.reference,
        "captions": list(pair.captions),
        "caption1": pair.reference_caption,
        "caption2": pair.target_caption,
    }


def cirr_row(pair: Pair) -> dict[str, Any]:
    """CIRR's fields. There is no set of six, and one placeholder stands where readers want one."""
    return {
        "target_hard": pair.target,
        "reference": pair.reference,
        "caption": list(pair.captions),
        "pairid": 0,
        "img_set": {"members": ["xxx"]},
        "caption1": pair.reference_caption,
        "caption2": pair.target_caption,
    }


class TripletFiles:
    """Both files of a run, written side by side as its pairs come; `paths` are where they go."""

    def __init__(self, out: Path, name: str) -> None:
        self.paths = (out / fashioniq_file(name), out / cirr_file(name))
        self.count = 0
        self._lists: list[_JsonList] = []

    @contextmanager
    def opened(self) -> Iterator[TripletFiles]:
        """Files that appear, whole, when the block ends well, and else not at all."""
        self.paths[0].parent.mkdir(parents=True, exist_ok=True)
        asides = [path.with_name(f"{path.name}.part") for path in self.paths]
        try:
            with (
                asides[0].open("w", encoding="utf-8") as first,
                asides[1].open("w", encoding="utf-8") as second,
            ):
                self._lists = [_JsonList(first), _JsonList(second)]
                yield self
                for one in self._lists:
                    one.close()
            for aside, path in zip(asides, self.paths, strict=True):
                aside.replace(path)
        finally:
            for aside in asides:
                aside.unlink(missing_ok=True)

    def write(self, pairs: Sequence[Pair]) -> None:
        """Add these pairs to both."""
        fashioniq, cirr = self._lists
        for pair in pairs:
            fashioniq.add(fashioniq_row(pair))
            cirr.add(cirr_row(pair))
        self.count += len(pairs)


class _JsonList:
    """A JSON list, one row a line, that is never whole in memory."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._before = "[\n"

    def add(self, row: dict[str, Any]) -> None:
        self._file.write(self._before + json.dumps(row, ensure_ascii=False))
        self._before = ",\n"

    def close(self) -> None:
        self._file.write("[]\n" if self._before == "[\n" else "\n]\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file in FashionIQ's format that `TripletFiles` wrote.

    Raises InvalidInput, with file and row, for anything else.
    """
    return [_pair(row) for row in read_rows(path)]


def read_accepted(folder: Path, name: str, accepted: Sequence[Path]) -> list[Pair]:
    """Of the pairs that a run wrote, those that the review sheets' exports accept, in their order.

    folder, name: the run's `out` and the `name` of its files; accepted: what the sheets' buttons
    saved. Raises InvalidInput where an accepted pair is not one of this run's.
    """
    path = folder / fashioniq_file(name)
    chosen: dict[Pair, str] = {}
    for export in accepted:
        for number, pair in enumerate(read_pairs(export)):
            chosen.setdefault(pair, f"{export}, row {number}")
    kept = [pair for pair in read_pairs(path) if pair in chosen]
    strangers = chosen.keys() - set(kept)
    if strangers:
        where = min(chosen[pair] for pair in strangers)
        raise InvalidInput(
            f"{where}: this triplet is not in {path}: the review belongs to another run."
        )
    return kept


def _pair(row: Row) -> Pair:
    return Pair(
        row.name("candidate"),
        row.name("target"),
        row.texts("captions"),
        row.text("caption1"),
        row.text("caption2"),
    )
