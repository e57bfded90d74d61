"""Captions by the million, with pictures or without: read lazily, any of them by its number.

LinCIR trains on captions alone (Gu et al. 2024, "Language-only efficient training of zero-shot
composed image retrieval"), Pic2Word on captioned pictures. Only the places of the samples are held,
memory-mapped where a folder for them is given, so that the next run opens at once.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidInput
from workers.datasets.annotations import read_json
from workers.datasets.caption_files import CaptionFile, caption_file
from workers.datasets.caption_records import Captioned

Places = NDArray[np.int64]
Progress = Callable[[int, int], None]
ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".tar")
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class _Indexed:
    """A scanned file: places (n, width), SHA-256 of its captions, and samples without one."""

    file: CaptionFile
    places: Places
    digest: str
    uncaptioned: int


class CaptionCorpus(Sequence[Captioned]):
    """Samples in the order of the files by name, and within them as they stand there.

    `digest` is the SHA-256 over all captions in order; `uncaptioned` counts samples of tar shards
    that have no caption, and so are not among them.
    """

    def __init__(self, parts: Sequence[_Indexed]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(part.places) for part in parts))
        self.uncaptioned = sum(part.uncaptioned for part in parts)
        self.digest = hashlib.sha256("".join(p.digest for p in parts).encode()).hexdigest()

    @property
    def files(self) -> list[Path]:
        """The files that were read, in order."""
        return [part.file.path for part in self._parts]

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Captioned: ...
    @overload
    def __getitem__(self, index: slice) -> list[Captioned]: ...
    def __getitem__(self, index: int | slice) -> Captioned | list[Captioned]:
        """Raises InvalidInput where a file was changed since it was opened."""
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        place = bisect_right(self._ends, number)
        part = self._parts[place]
        row = number - (self._ends[place - 1] if place else 0)
        return part.file.read(part.places[row].tolist())

    def captions(self, rows: Iterable[int]) -> list[str]:
        """The captions of the samples with these numbers."""
        return [self[row].caption for row in rows]


def open_captions(
    path: Path,
    column: str | None = None,
    index: Path | None = None,
    progress: Progress | None = None,
) -> CaptionCorpus:
    """The captions of a file, or of all files of a known kind below a folder.

    Known are text (a line each), CSV and JSON lines (the column caption, title or text, or
    `column`) and tar shards of text or JSON beside pictures. index: a folder where the places of
    the samples are kept for the next time. progress(bytes done, bytes in all) after each file.

    Every file is read once from end to end, so that damage is told now and not in the middle of a
    training: raises InvalidInput where a file is damaged, or nothing is there to be read.
    """
    files = caption_files(path, column)
    sizes = [one.path.stat().st_size for one in files]
    parts = []
    for number, file in enumerate(files):
        parts.append(_indexed(file, column, index))
        if progress is not None:
            progress(sum(sizes[: number + 1]), sum(sizes))
    if not any(len(part.places) for part in parts):
        raise InvalidInput(f"There are no captions in {path}: bring files that hold some.")
    return CaptionCorpus(parts)


def caption_files(path: Path, column: str | None = None) -> list[CaptionFile]:
    """The readers for the file, or for the files below the folder sorted by path."""
    paths = sorted(_files_below(path)) if path.is_dir() else [path]
    readers = [reader for one in paths if (reader := caption_file(one, column))]
    if not path.exists() or not readers:
        raise InvalidInput(
            f"There are no captions in {path}: give a file that ends in {', '.join(ENDINGS)}, or a "
            "folder of such files."
        )
    return readers


def _files_below(folder: Path) -> Iterator[Path]:
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        wanted = (n for n in names if n.lower().endswith(ENDINGS) and not n.startswith("."))
        yield from (Path(base, name) for name in wanted)


def _indexed(file: CaptionFile, column: str | None, index: Path | None) -> _Indexed:
    if index is None:
        return _scanned(file)
    kept = index / _index_name(file.path, column)
    with suppress(OSError, ValueError, KeyError, TypeError, InvalidInput):
        return _opened(file, kept)
    part = _scanned(file)
    index.mkdir(parents=True, exist_ok=True)
    _keep(part, kept)
    return _opened(file, kept) if len(part.places) else part


def _scanned(file: CaptionFile) -> _Indexed:
    places, uncaptioned = array("q"), 0
    digest = hashlib.sha256()
    for sample in file.scan():
        if sample is None:
            uncaptioned += 1
            continue
        place, caption = sample
        places.extend(place)
        digest.update(caption.encode("utf-8", "surrogatepass") + b"\0")
    shaped = np.frombuffer(places, dtype=np.int64) if places else np.empty(0, dtype=np.int64)
    return _Indexed(file, shaped.reshape(-1, file.width), digest.hexdigest(), uncaptioned)


def _index_name(path: Path, column: str | None) -> str:
    facts = path.stat()
    told = [_FORMAT, str(path.resolve()), facts.st_size, facts.st_mtime_ns, column]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _opened(file: CaptionFile, kept: Path) -> _Indexed:
    told = read_json(kept.with_suffix(".json"))
    places: Places = np.lib.format.open_memmap(kept.with_suffix(".npy"), mode="r")
    if places.shape != (told["samples"], file.width) or places.dtype != np.int64:
        raise ValueError("an index of something else")
    return _Indexed(file, places, str(told["digest"]), int(told["uncaptioned"]))


def _keep(part: _Indexed, kept: Path) -> None:
    """The places last: where they are, the rest is."""
    facts = {
        "samples": len(part.places),
        "digest": part.digest,
        "uncaptioned": part.uncaptioned,
    }
    aside = kept.with_suffix(f".{os.getpid()}.partial")
    aside.write_text(json.dumps(facts), encoding="utf-8")
    aside.replace(kept.with_suffix(".json"))
    with aside.open("wb") as file:
        np.save(file, part.places)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(kept.with_suffix(".npy"))
