"""Blobs: stored image bytes named by their SHA-256, on any file system fsspec knows.

Nothing is written in place. On a disk bytes go aside, are flushed, and are then renamed; in a
bucket an object is there once all of it has come. So a reader sees a whole file or none, whenever a
process dies. Who writes last wins, and since names are hashes that is never another's bytes.
"""

from __future__ import annotations

import errno
import hashlib
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
from backend.blob_writing import Counted, digested, flush_folder, write_file, write_object
from backend.errors import InvalidInput, NotFound, SetupError

Area = Literal["originals", "thumbnails", "previews", "damaged", "staged", "artefacts", "aside"]
"""The folders of a blob store. Files are named after their SHA-256, those in `aside` at random."""
RenditionKind = Literal["thumbnail", "preview"]
RENDITION_KINDS: tuple[RenditionKind, ...] = ("thumbnail", "preview")

_FOLDERS: dict[RenditionKind, Area] = {"thumbnail": "thumbnails", "preview": "previews"}
_FLAT: frozenset[Area] = frozenset({"staged", "aside"})
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """The blobs under one fsspec URL, with their renditions and the staged files of imports.

    Every method may be called from any thread; those that take a SHA-256 raise `InvalidInput` for
    anything but 64 hexadecimal digits in lower case.
    """

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

    def signed_rendition(self, sha256: str, kind: RenditionKind, seconds: int) -> str:
        """A URL at which anybody can read a rendition for so long; only where `can_sign`."""
        path = self._rendition(sha256, kind)
        return str(self._files.url(path, expires=seconds, ResponseContentType="image/webp"))

    def has_rendition(self, sha256: str, kind: RenditionKind) -> bool:
        """Whether a smaller form of a blob has been made."""
        return bool(self._files.exists(self._rendition(sha256, kind)))

    def put(self, data: bytes) -> str:
        """Keep `data` and return its SHA-256; bytes that are there already are not written."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self.size(sha256) != len(data):  # of another size is what a failing disk left of it
            self._write(self._blob(sha256), [data])
        return sha256

    def read(self, sha256: str) -> bytes:
        """The bytes of a blob; raises `NotFound`."""
        data = self._read(self._blob(sha256))
        if data is None:
            raise NotFound(f"There is no stored picture {sha256}: it may have been deleted.")
        return data

    def place(self, sha256: str, path: Path) -> None:
        """Put a blob at `path`, for reading only: as a link to it where it lies on the same disk,
        since blobs never change, else as a copy. Raises `NotFound`, and OSError for a full disk."""
        if self._is_local:
            try:
                os.link(self._blob(sha256), path)
            except FileExistsError:
                return
            except OSError:  # not there, another disk, or one without links
                pass
            else:
                return
        path.write_bytes(self.read(sha256))

    def exists(self, sha256: str) -> bool:
        """Whether the blob is there."""
        return bool(self._files.exists(self._blob(sha256)))

    def size(self, sha256: str) -> int | None:
        """The bytes of a blob, counted; None where it is not there."""
        try:
            return int(self._files.size(self._blob(sha256)))
        except FileNotFoundError:
            return None

    def is_intact(self, sha256: str) -> bool:
        """Whether the blob is there and its bytes are those it is named after; reads them all."""
        return self._is_intact(self._blob(sha256), sha256)

    def disk_failed(self, error: OSError) -> bool:
        """Whether an error of reading says that the part of the disk which holds a blob failed.

        Of a bucket the same number says only that something went wrong for the moment.
        """
        return self._is_local and error.errno == errno.EIO

    def delete(self, sha256: str) -> None:
        """Remove a blob and its renditions; one that is not there is ignored."""
        for kind in RENDITION_KINDS:
            self._remove(self._rendition(sha256, kind))
        self._remove(self._path("damaged", sha256))
        self._remove(self._blob(sha256))

    def set_apart(self, sha256: str) -> None:
        """Keep a damaged blob out of the way of good bytes: it may be the last copy there is."""
        with suppress(FileNotFoundError):
            self._rename(self._blob(sha256), self._path("damaged", sha256))

    def files(self, area: Area) -> Iterator[StoredFile]:
        """The files of an area in the order of their names, as they are listed one by one."""
        return stored_files(self._files, f"{self._root}/{area}", nested=area not in _FLAT)

    def holds(self, area: Area, name: str) -> bool:
        """Whether a file that was listed in an area is still there."""
        return bool(self._files.exists(self._path(area, name)))

    def discard(self, area: Area, name: str) -> None:
        """Remove one file of an area, by the name it was listed with; gone already is ignored."""
        self._remove(self._path(area, name))

    def put_rendition(self, sha256: str, kind: RenditionKind, data: bytes) -> None:
        """Keep a smaller form of a blob; it can be made again from the blob at any time.

        So it is not flushed: after a power cut it may be empty or damaged.
        """
        self._write(self._rendition(sha256, kind), [data], flush=False)

    def read_rendition(self, sha256: str, kind: RenditionKind) -> bytes | None:
        """A smaller form of a blob, or None where it has not been made."""
        return self._read(self._rendition(sha256, kind))

    def stage(self, sha256: str, chunks: Iterable[bytes], max_bytes: int) -> int:
        """Keep a file of an import until it is worked on; its size in bytes.

        Raises:
            TooLarge: as soon as more than `max_bytes` have come.
            InvalidInput: if the bytes are not those of `sha256`.
        """
        count = Counted(chunks, max_bytes)
        self._write(self._stage(sha256), count, expected=sha256)
        return count.size

    def staged(self, sha256: str) -> bool:
        """Whether a file of these bytes is staged."""
        return bool(self._files.exists(self._stage(sha256)))

    def read_staged(self, sha256: str) -> bytes:
        """The bytes of a staged file; raises `NotFound`."""
        with self.open_staged(sha256) as file:
            return file.read()

    def open_staged(self, sha256: str) -> BinaryIO:
        """A staged file, opened for reading and seeking; raises `NotFound`."""
        try:
            return cast(BinaryIO, self._files.open(self._stage(sha256), "rb"))
        except FileNotFoundError as error:
            raise NotFound(f"The uploaded file {sha256} is gone: send it again.") from error

    def unstage(self, sha256: str) -> None:
        """Remove a staged file; one that is not there is ignored."""
        self._remove(self._stage(sha256))

    def put_artefact(self, sha256: str, chunks: Iterable[bytes]) -> None:
        """Keep a packed model; raises `InvalidInput` if the bytes are not those of `sha256`."""
        path = self._path("artefacts", _checked(sha256))
        if not self._files.exists(path):
            self._write(path, chunks, expected=sha256)

    def open_artefact(self, sha256: str) -> BinaryIO:
        """A packed model, opened for reading and seeking; raises `NotFound`."""
        try:
            found = self._files.open(self._path("artefacts", _checked(sha256)), "rb")
        except FileNotFoundError as error:
            raise NotFound(
                f"The stored model {sha256} is gone: import it again from a file of it."
            ) from error
        return cast(BinaryIO, found)

    def keep(self, area: Area, sha256: str, chunks: Iterable[bytes]) -> bool:
        """Keep a file of any size in an area; whether none was there before.

        One that is there is trusted only if its bytes are right: a failing disk may have left it.
        Raises `InvalidInput` if the bytes are not those of `sha256`.
        """
        path = self._path(area, _checked(sha256))
        is_new = not self._files.exists(path)
        if is_new or not self._is_intact(path, sha256):
            self._write(path, chunks, expected=sha256)
        return is_new

    def open(self, area: Area, sha256: str) -> BinaryIO | None:
        """A file of an area, opened for reading and seeking; None where it is not there."""
        try:
            return cast(BinaryIO, self._files.open(self._path(area, _checked(sha256)), "rb"))
        except FileNotFoundError:
            return None

    def _is_intact(self, path: str, sha256: str) -> bool:
        digest = hashlib.sha256()
        try:
            with self._files.open(path, "rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except FileNotFoundError:
            return False
        except OSError as error:
            if self.disk_failed(error):
                return False
            raise
        return digest.hexdigest() == sha256

    def _blob(self, sha256: str) -> str:
        return self._path("originals", _checked(sha256))

    def _rendition(self, sha256: str, kind: RenditionKind) -> str:
        return self._path(_FOLDERS[kind], f"{_checked(sha256)}.webp")

    def clear_aside(self) -> None:
        """Remove what a killed process left half written; only where no other process writes."""
        if self._is_local:
            shutil.rmtree(f"{self._root}/aside", ignore_errors=True)

    def _stage(self, sha256: str) -> str:
        return self._path("staged", _checked(sha256))

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


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput(f"'{sha256}' is not a SHA-256: give its 64 hexadecimal digits.")
    return sha256


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
