"""Blobs: stored image bytes named by their SHA-256, with what is made of them and waits for them.

How files come into the store whole, and where they lie, is in `backend.blob_areas`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

from backend.blob_areas import Area, BlobAreas, checked
from backend.blob_writing import Counted
from backend.errors import NotFound

__all__ = ["RENDITION_KINDS", "Area", "BlobStore", "RenditionKind"]

RenditionKind = Literal["thumbnail", "preview"]
RENDITION_KINDS: tuple[RenditionKind, ...] = ("thumbnail", "preview")

_FOLDERS: dict[RenditionKind, Area] = {"thumbnail": "thumbnails", "preview": "previews"}


class BlobStore(BlobAreas):
    """The blobs under one fsspec URL, with their renditions and the staged files of imports.

    Every method may be called from any thread; those that take a SHA-256 raise `InvalidInput` for
    anything but 64 hexadecimal digits in lower case.
    """

    # Blobs

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
        digest = hashlib.sha256()
        try:
            with self._files.open(self._blob(sha256), "rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except FileNotFoundError:
            return False
        except OSError as error:
            if self.disk_failed(error):
                return False
            raise
        return digest.hexdigest() == sha256

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

    # Renditions: smaller forms of a blob

    def has_rendition(self, sha256: str, kind: RenditionKind) -> bool:
        """Whether a smaller form of a blob has been made."""
        return bool(self._files.exists(self._rendition(sha256, kind)))

    def put_rendition(self, sha256: str, kind: RenditionKind, data: bytes) -> None:
        """Keep a smaller form of a blob; it can be made again from the blob at any time.

        So it is not flushed: after a power cut it may be empty or damaged.
        """
        self._write(self._rendition(sha256, kind), [data], flush=False)

    def read_rendition(self, sha256: str, kind: RenditionKind) -> bytes | None:
        """A smaller form of a blob, or None where it has not been made."""
        return self._read(self._rendition(sha256, kind))

    def signed_rendition(self, sha256: str, kind: RenditionKind, seconds: int) -> str:
        """A URL at which anybody can read a rendition for so long; only where `can_sign`."""
        path = self._rendition(sha256, kind)
        return str(self._files.url(path, expires=seconds, ResponseContentType="image/webp"))

    # Staged files: what an import still has to work on

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
        file = self.open("staged", sha256)
        if file is None:
            raise NotFound(f"The uploaded file {sha256} is gone: send it again.")
        return file

    def unstage(self, sha256: str) -> None:
        """Remove a staged file; one that is not there is ignored."""
        self._remove(self._stage(sha256))

    # Artefacts: packed models

    def put_artefact(self, sha256: str, chunks: Iterable[bytes]) -> None:
        """Keep a packed model; raises `InvalidInput` if the bytes are not those of `sha256`."""
        self.keep("artefacts", sha256, chunks)

    def open_artefact(self, sha256: str) -> BinaryIO:
        """A packed model, opened for reading and seeking; raises `NotFound`."""
        file = self.open("artefacts", sha256)
        if file is None:
            raise NotFound(f"The stored model {sha256} is gone: import it again from a file of it.")
        return file

    def _blob(self, sha256: str) -> str:
        return self._path("originals", checked(sha256))

    def _rendition(self, sha256: str, kind: RenditionKind) -> str:
        return self._path(_FOLDERS[kind], f"{checked(sha256)}.webp")

    def _stage(self, sha256: str) -> str:
        return self._path("staged", checked(sha256))
