"""The file of a backup: a plain tar, written and read as a stream, one piece of it in memory.

Its members, in this order: `backup.json` (format, versions); pieces of tables; pieces of galleries;
blobs, each under its SHA-256; `manifest.json`, with the hashes of all that is not named by its own.
Nothing is compressed, so nothing can expand, and nothing is ever unpacked to a name of the archive:
what is not a plain file with a name of ours is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from backend.errors import InvalidInput

FORMAT = 1
HEAD, MANIFEST = "backup.json", "manifest.json"
PIECE_BYTES = 4 * 2**20
"""About as much of a table or gallery is one member."""
BlobArea = Literal["originals", "artefacts", "staged"]
BLOB_AREAS: tuple[BlobArea, ...] = get_args(BlobArea)

_BLOCK = tarfile.BLOCKSIZE
LARGEST_PIECE = 256 * 2**20
_CHUNK = 1 << 20
_END = bytes(_BLOCK)
_PIECE = re.compile(r"(tables|galleries)/[A-Za-z0-9_-]{1,63}/[0-9]{8}")
_BLOB = re.compile(rf"({'|'.join(BLOB_AREAS)})/[0-9a-f]{{64}}")


class Damaged(InvalidInput):
    """The file is no backup, or not as it was written."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} is no whole backup of Akin ({what}), and nothing was restored: name a file as "
            "`akin backup` wrote it."
        )


@dataclass
class Member:
    """One file of the archive; its bytes are read once, in order."""

    name: str
    size: int
    _file: BinaryIO
    _path: Path
    _left: int = field(init=False)

    def __post_init__(self) -> None:
        self._left = self.size

    @property
    def is_blob(self) -> bool:
        """Whether its name is the hash of its bytes."""
        return _BLOB.fullmatch(self.name) is not None

    def chunks(self) -> Iterator[bytes]:
        """The bytes, a megabyte at a time; raises `Damaged` where the file ends before."""
        while self._left:
            chunk = self._file.read(min(_CHUNK, self._left))
            if not chunk:
                raise Damaged(self._path, "it ends in the middle")
            self._left -= len(chunk)
            yield chunk

    def read(self) -> bytes:
        """The bytes of anything but a blob, whole."""
        return b"".join(self.chunks())

    def pass_over(self) -> None:
        """Go to its end without reading it, in a file that can be sought in."""
        self._file.seek(self._left, os.SEEK_CUR)
        self._left = 0

    def skip(self) -> None:
        """Read what is left, and what fills the last block."""
        for _ in self.chunks():
            pass
        self._file.read(-self.size % _BLOCK)


def member(name: str, size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A file of the archive as bytes to write."""
    facts = tarfile.TarInfo(name)
    facts.size, facts.mode = size, 0o600
    yield facts.tobuf(tarfile.GNU_FORMAT)
    yield from chunks
    yield bytes(-size % _BLOCK)


def end() -> bytes:
    """What closes an archive."""
    return _END * 2


def members(path: Path, file: BinaryIO) -> Iterator[Member]:
    """The files of an archive; raises `Damaged` for whatever this Akin does not write."""
    while (block := file.read(_BLOCK)) != _END:
        found = Member(*_header(path, block), file, path)
        yield found
        found.skip()


def _header(path: Path, block: bytes) -> tuple[str, int]:
    try:
        facts = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.TarError, UnicodeDecodeError, ValueError) as error:
        told = "it ends in the middle" if len(block) < _BLOCK else "a file in it has no header"
        raise Damaged(path, told) from error
    name, is_blob = facts.name, _BLOB.fullmatch(facts.name)
    ours = is_blob or _PIECE.fullmatch(name) or name in {HEAD, MANIFEST}
    if facts.type != tarfile.REGTYPE or not ours:
        raise Damaged(path, f"it holds {name[:80]!r}, which is none of its parts")
    if facts.size < 0 or (not is_blob and facts.size > LARGEST_PIECE):
        raise Damaged(path, f"its part {name} is said to have {facts.size:,} bytes")
    return name, facts.size


class Names:
    """The names of blobs as they pass: how many, and one hash of all, so that none can be lost."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.sha256()

    def add(self, name: str) -> None:
        """Note one more."""
        self.count += 1
        self._digest.update(f"{name}\n".encode())

    def told(self) -> tuple[int, str]:
        """Their number and hash."""
        return self.count, self._digest.hexdigest()
