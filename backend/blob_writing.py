"""How bytes come into a blob store: counted, hashed as they pass, and whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from backend import disk_space
from backend.disk_space import check_room
from backend.errors import AkinError, InvalidInput, TooLarge

ONE_REQUEST = 8 * 2**20
"""Larger objects of a bucket are sent in parts of so many bytes, one in memory at a time."""


def write_file(path: Path, chunks: Iterator[bytes], *, flush: bool) -> None:
    """Write a file, flushed to the disk if asked for; raises NoSpace, and OSError."""
    with path.open("wb") as file:
        for chunk in chunks:
            check_room(path.parent, disk_space.FILES_RESERVE)
            file.write(chunk)
        if flush:
            file.flush()
            os.fsync(file.fileno())


def write_object(files: Any, path: str, chunks: Iterator[bytes]) -> None:
    """Write an object in one request, or in parts that become an object with the last request."""
    first = bytearray()
    for chunk in chunks:
        first += chunk
        if len(first) > ONE_REQUEST:
            break
    else:
        files.pipe_file(path, bytes(first))
        return
    # Not `with`, which would make an object of what had come before a failure.
    file = files.open(path, "wb", autocommit=False)
    try:
        for chunk in chain([bytes(first)], chunks):
            file.write(chunk)
        file.close()
        file.commit()
    except BaseException:
        with suppress(AkinError):  # the bucket may be what failed
            file.discard()
        file.closed = True
        raise


def digested(chunks: Iterable[bytes], expected: str | None) -> Iterator[bytes]:
    """Chunks as they pass; InvalidInput at their end if their SHA-256 is not the `expected` one.

    So what reads them must not be done with what it makes before they have ended.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if expected not in (None, digest.hexdigest()):
        raise InvalidInput(
            f"The bytes sent as {expected} have the SHA-256 {digest.hexdigest()}: send the file "
            "again."
        )


class Counted:
    """Chunks as they pass, their bytes counted and bounded."""

    def __init__(self, chunks: Iterable[bytes], max_bytes: int) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self.size = 0

    def __iter__(self) -> Any:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._max_bytes:
                raise TooLarge(
                    f"The file has more than the {self._max_bytes:,} bytes allowed: send it in "
                    "smaller parts, or raise AKIN_MAX_UPLOAD_BYTES."
                )
            yield chunk
