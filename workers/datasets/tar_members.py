"""What is inside a tar file of a stranger, without unpacking: names, places and sizes.

The standard library reads the headers, as it knows every dialect of them; what it would take on
trust (sizes that go back, headers of any length, damage in the middle) is checked here.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backend.errors import InvalidInput

_MOST_HEADER = 1_000_000  # bytes of one extended header
_DAMAGE = (tarfile.TarError, ValueError, OverflowError, EOFError, RecursionError)


@dataclass(frozen=True)
class Member:
    """A regular file in the tar: where its bytes begin, and how many they are."""

    name: str
    offset: int
    size: int


def members(path: Path) -> Iterator[Member]:
    """The regular files in the tar, in order. Links, devices and folders are passed over.

    Raises InvalidInput where it is compressed, cut short, damaged or built to be endless.
    """
    try:
        with path.open("rb") as raw, tarfile.open(fileobj=_Bounded(raw), mode="r:") as archive:
            reached = -1
            for info in archive:
                if info.size < 0 or info.offset <= reached:
                    raise tarfile.ReadError("a member goes back")
                reached = info.offset
                if info.isreg() and not info.issparse():
                    yield Member(info.name, info.offset_data, info.size)
            # A damaged header in the middle ends the reading as if it were the end.
            raw.seek(archive.offset)
            if any(raw.read(tarfile.BLOCKSIZE)):
                raise tarfile.ReadError("a damaged header")
    except _DAMAGE as error:
        raise InvalidInput(
            f"{path} is no plain tar file, or damaged or cut short: make or download it again, "
            "without compression."
        ) from error


class _Bounded(io.RawIOBase):
    """The file, but it reads no more at once than a header may have."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError("a header is too long")
        return self._raw.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()
