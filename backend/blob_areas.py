"""The areas of a blob store: folders of whole files, on any file system fsspec knows.

Nothing is written in place. On a disk bytes go aside, are flushed, and are then renamed; in a
bucket an object is there once all of it has come. So a reader sees a whole file or none, whenever a
process dies. Who writes last wins, and since names are hashes that is never another's bytes.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from backend.blob_files import StoredFile, stored_files
from backend.blob_writing import digested, write_file, write_object
from backend.errors import InvalidInput, SetupError
from backend.whole_files import flush_folder

Area = Literal["originals", "thumbnails", "previews", "damaged", "staged", "artefacts", "aside"]
"""The folders of a blob store. Files are named after their SHA-256, those in `aside` at random."""

_FLAT: frozenset[Area] = frozenset({"staged", "aside"})
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobAreas:
    """The areas under one fsspec URL: what `BlobStore` does for each is built of these methods."""

    def __init__(self, root_url: str, s3_endpoint_url: str | None = None) -> None:
        """Raises `SetupError` for a URL that fsspec, as installed here, has no file system for."""
        self._files, self._root = _opened(root_url, s3_endpoint_url)
        self._is_local = isinstance(self._files, LocalFileSystem)

    def check(self) -> None:
        """Raises `SetupError` where the store is a bucket that is not there or refuses us."""
        if hasattr(self._files, "check"):
            self._files.check(self._root)

    @property
    def can_sign(self) -> bool:
        """Whether a browser can be sent to the store itself: whether it is a bucket."""
        return hasattr(self._files, "check")

    def disk_failed(self, error: OSError) -> bool:
        """Whether an error of reading says that the part of the disk which holds a blob failed.

        Of a bucket the same number says only that something went wrong for the moment.
        """
        return self._is_local and error.errno == errno.EIO

    def files(self, area: Area) -> Iterator[StoredFile]:
        """The files of an area in the order of their names, as they are listed one by one."""
        return stored_files(self._files, f"{self._root}/{area}", nested=area not in _FLAT)

    def holds(self, area: Area, name: str) -> bool:
        """Whether a file that was listed in an area is still there."""
        return bool(self._files.exists(self._path(area, name)))

    def discard(self, area: Area, name: str) -> None:
        """Remove one file of an area, by the name it was listed with; gone already is ignored."""
        self._remove(self._path(area, name))

    def keep(self, area: Area, sha256: str, chunks: Iterable[bytes]) -> bool:
        """Keep a file of any size in an area; whether it was not there before.

        Raises `InvalidInput` if the bytes are not those of `sha256`.
        """
        path = self._path(area, checked(sha256))
        is_new = not self._files.exists(path)
        if is_new:
            self._write(path, chunks, expected=sha256)
        return is_new

    def open(self, area: Area, sha256: str) -> BinaryIO | None:
        """A file of an area, opened for reading and seeking; None where it is not there."""
        try:
            return cast(BinaryIO, self._files.open(self._path(area, checked(sha256)), "rb"))
        except FileNotFoundError:
            return None

    def clear_aside(self) -> None:
        """Remove what a killed process left half written; only where no other process writes."""
        if self._is_local:
            shutil.rmtree(f"{self._root}/aside", ignore_errors=True)

    def _path(self, area: Area, name: str) -> str:
        folder = "" if area in _FLAT else f"{name[:2]}/"
        return f"{self._root}/{area}/{folder}{name}"

    def _read(self, path: str) -> bytes | None:
        try:
            return cast(bytes, self._files.cat_file(path))
        except FileNotFoundError:
            return None

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._files.rm_file(path)

    def _write(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        expected: str | None = None,
        flush: bool = True,
    ) -> None:
        """Write, where the SHA-256 is the `expected` one if there is one; else InvalidInput."""
        checked = digested(chunks, expected)
        if not self._is_local:
            write_object(self._files, path, checked)
            return
        aside = f"{self._root}/aside/{uuid.uuid4().hex}"
        self._files.makedirs(_folder(aside), exist_ok=True)
        try:
            write_file(Path(aside), checked, flush=flush)
            self._rename(aside, path, flush=flush)
        finally:
            self._remove(aside)

    def _rename(self, source: str, target: str, *, flush: bool = True) -> None:
        if not self._is_local:
            self._files.cp_file(source, target)
            self._files.rm_file(source)
            return
        self._files.makedirs(_folder(target), exist_ok=True)
        os.replace(source, target)  # noqa: PTH105 - fsspec's paths are text
        if flush:
            flush_folder(_folder(target))


def _opened(root_url: str, s3_endpoint_url: str | None) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        if root_url.startswith("s3://"):
            from backend.blob_bucket import Bucket  # takes half a second, and few need it

            return Bucket(s3_endpoint_url), root_url.removeprefix("s3://").strip("/")
        # What another process wrote or deleted since a folder was listed has to be seen.
        files, root = url_to_fs(root_url, use_listings_cache=False)
    except (ValueError, ImportError) as error:
        raise SetupError(
            f"The blob store {root_url} cannot be opened ({error}): correct AKIN_BLOB_URL."
        ) from error
    return files, root


def checked(sha256: str) -> str:
    """The same; InvalidInput for anything but 64 hexadecimal digits in lower case."""
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput(f"'{sha256}' is not a SHA-256: give its 64 hexadecimal digits.")
    return sha256


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
