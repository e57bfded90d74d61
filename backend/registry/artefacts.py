"""Artefacts of model versions: packed in the blob store, unpacked beside this process.

A packed artefact is a zip without compression and without times, so equal models are equal bytes
with one SHA-256. Of a zip from outside only the three files of an artefact are read, each up to
its bound, and none is ever executed.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import struct
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from backend.blobs import BlobStore
from backend.composition.artefact_files import COMPOSER, TOWERS
from backend.composition.card import CARD
from backend.disk_space import FILES_RESERVE, check_room
from backend.errors import InvalidInput, TooLarge

LARGEST = {CARD: 4 << 20, COMPOSER: 2 << 30, TOWERS: 16 << 30}
"""The files of an artefact, and how many bytes each may have."""
_CHUNK = 1 << 20
_NO_ZIP = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""What reading bytes as a zip raises that are none, or a damaged or encrypted one."""
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold


class Artefacts:
    """The artefacts of an installation; safe to use from any number of threads.

    Of a model from outside only the folder that `unpacked` gives is kept, packed anew, so nothing
    but the files of an artefact comes in.
    """

    def __init__(self, blobs: BlobStore, cache: Path) -> None:
        """cache: a folder of this machine for what is unpacked; it can be emptied at any time."""
        self._blobs = blobs
        self._cache = cache
        self._unpacking = threading.Lock()

    def keep(self, folder: Path) -> str:
        """Pack the artefact in `folder` into the blob store; the SHA-256 of its blob.

        Raises InvalidInput where a file is missing or larger than any model's; NoSpace.
        """
        with self._aside() as aside:
            packed = aside / "packed"
            check_room(self._cache, FILES_RESERVE + _size(folder))
            with packed.open("wb") as file:
                pack(folder, file)
            return self._put(packed)

    @contextmanager
    def unpacked(self, packed: BinaryIO, max_bytes: int) -> Iterator[Path]:
        """A packed artefact from outside as a folder, which is gone at the end.

        Nothing is known of its files but their names and sizes.

        Raises InvalidInput for what is no packed artefact; TooLarge beyond `max_bytes`; NoSpace.
        """
        with self._aside() as aside:
            unpack(packed, aside / "model", max_bytes)
            yield aside / "model"

    def folder(self, sha256: str) -> Path:
        """The artefact as a folder on this machine, unpacked when first asked for.

        Raises NotFound if the blob is gone; InvalidInput if its bytes are others; NoSpace.
        """
        place = self._cache / sha256
        with self._unpacking:
            if not place.is_dir():
                self._fetch(sha256, place)
        return place

    def open(self, sha256: str) -> BinaryIO:
        """The packed artefact, to be read in pieces; raises NotFound."""
        return self._blobs.open_artefact(sha256)

    def discard(self, sha256: str) -> None:
        """Remove the artefact; one that is gone already is ignored."""
        self._blobs.discard("artefacts", sha256)
        shutil.rmtree(self._cache / sha256, ignore_errors=True)

    def _fetch(self, sha256: str, place: Path) -> None:
        with self._aside() as aside, self._blobs.open_artefact(sha256) as packed:
            if _digest(packed) != sha256:
                raise InvalidInput(
                    f"The stored model {sha256} is damaged: import it again from a file of it."
                )
            packed.seek(0)
            unpack(packed, aside / "model", sum(LARGEST.values()))
            if not place.is_dir():  # another process may have been quicker
                (aside / "model").rename(place)

    def _put(self, packed: Path) -> str:
        with packed.open("rb") as file:
            sha256 = _digest(file)
            file.seek(0)
            self._blobs.put_artefact(sha256, _chunks(file))
        return sha256

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """A folder on the same disk as the cache, gone at the end."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=self._cache) as aside:
            yield Path(aside)


def pack(folder: Path, target: IO[bytes]) -> None:
    """Write the artefact in `folder` as a zip, the same bytes whenever and wherever it is done.

    Raises InvalidInput where a file is missing; TooLarge for one larger than any model's.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, largest in LARGEST.items():
            path = folder / name
            if not path.is_file():
                if name == CARD:
                    raise InvalidInput(f"There is no {CARD} in {folder}: name a model's folder.")
                continue
            if path.stat().st_size > largest:
                raise _too_large(name, largest)
            facts = zipfile.ZipInfo(name, _BEGINNING)
            with path.open("rb") as source, archive.open(facts, "w", force_zip64=True) as entry:
                for chunk in _chunks(source):
                    entry.write(chunk)


def unpack(packed: BinaryIO, folder: Path, max_bytes: int) -> None:
    """The files of a packed artefact in a new folder; nothing else is written, wherever it asks.

    Raises InvalidInput for what is no packed artefact; TooLarge beyond `max_bytes`; NoSpace.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(packed) as archive:
            names = archive.namelist()
            _check_names(names)
            left = max_bytes
            for name in names:
                with archive.open(name) as entry:
                    left -= _write(entry, folder / name, min(LARGEST[name], left))
    except _NO_ZIP as error:
        raise InvalidInput(
            f"This is no packed model ({str(error).rstrip('.').lower()}): send what "
            "`akin models export` wrote."
        ) from error


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for name in LARGEST if (path := folder / name).is_file())


def _check_names(names: list[str]) -> None:
    strange = [name for name in names if name not in LARGEST]
    if strange or CARD not in names or len(set(names)) != len(names):
        found = f"it holds {strange[0][:100]!r}" if strange else f"{CARD} is missing or doubled"
        raise InvalidInput(
            f"This is no packed model ({found}): a model's zip holds {', '.join(LARGEST)} and "
            "nothing else, as `akin models export` writes it."
        )


def _write(source: IO[bytes], path: Path, largest: int) -> int:
    written = 0
    with path.open("wb") as file:
        for chunk in _chunks(source):
            written += len(chunk)
            if written > largest:
                raise _too_large(path.name, largest)
            check_room(os.fspath(path.parent), FILES_RESERVE)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return written


def _too_large(name: str, largest: int) -> TooLarge:
    return TooLarge(
        f"The file {name} of the model has more than the {largest:,} bytes allowed: export the "
        "model again, or raise AKIN_MAX_UPLOAD_BYTES."
    )


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()
