"""The bytes of an import's files: sent as they are, or inside a zip that was sent."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import Self

from pydantic import BaseModel

from backend.blobs import BlobStore
from backend.catalogue.archives import Archive, Member, open_archive


class FileSource(BaseModel):
    """Where the bytes of a file are."""

    name: str
    """Its name in the import; a zip counts as a folder."""
    sha256: str
    """Of the file that was sent: of this one itself, or of the zip it is in."""
    size: int
    archive: str | None = None
    """The zip's name."""
    member: int | None = None
    """The place in the zip's directory."""
    web: str | None = None
    """Where it is to be fetched from; then nobody knows its hash and size yet."""


class StagedFiles:
    """Reads staged files, and keeps the last zip open. For one thread at a time."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._opened = ExitStack()
        self._archive: Archive | None = None
        self._archive_sha256 = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def members(self, archive: FileSource) -> list[Member]:
        """What is inside a zip.

        Raises:
            NotFound: if it is not staged.
            InvalidInput: if it is not a zip.
            TooLarge: if it holds or expands to too much.
        """
        return self._open(archive.sha256, archive.name).members()

    def read(self, source: FileSource, max_bytes: int) -> bytes:
        """The bytes of a file; of one that was sent as it is, not more than `max_bytes` + 1.

        Raises:
            NotFound: if it is not staged.
            InvalidInput: if it is inside a zip that is damaged.
            TooLarge: if it is inside a zip and has more than `max_bytes`.
        """
        if source.member is None or source.archive is None:
            with self._blobs.open_staged(source.sha256) as file:
                size = file.seek(0, io.SEEK_END)
                file.seek(0)
                # Python makes room for as many bytes as it is asked for before it reads.
                return file.read(min(size, max_bytes + 1))
        return self._open(source.sha256, source.archive).read(source.member, max_bytes)

    def _open(self, sha256: str, name: str) -> Archive:
        if self._archive is None or self._archive_sha256 != sha256:
            self._archive = None
            self._opened.close()
            file = self._opened.enter_context(self._blobs.open_staged(sha256))
            self._archive = self._opened.enter_context(open_archive(file, name))
            self._archive_sha256 = sha256
        return self._archive
