"""The files of a blob store, listed: the names of one folder are in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was listed: its name without folders, size in bytes, and when it was written."""

    name: str
    size: int
    modified: datetime


def stored_files(files: Any, folder: str, *, nested: bool) -> Iterator[StoredFile]:
    """The files of `folder` in the order of their names.

    files: an fsspec file system. nested: they are in subfolders named after how their names start;
    others there are left out, and so are files that go while they are listed. A folder that is not
    there is empty.
    """
    list_one = _local if isinstance(files, LocalFileSystem) else _remote
    files.invalidate_cache()
    if not nested:
        yield from list_one(files, folder)
        return
    for subfolder in _subfolders(files, folder):
        start = subfolder.rpartition("/")[2]
        yield from (one for one in list_one(files, subfolder) if one.name.startswith(start))


def _subfolders(files: Any, folder: str) -> list[str]:
    try:
        found = files.ls(folder, detail=True)
    except FileNotFoundError:
        return []
    return sorted(entry["name"] for entry in found if entry["type"] == "directory")


def _local(_: Any, folder: str) -> Iterator[StoredFile]:
    # Not through fsspec: of a folder with 100,000 files its details alone take 60 MB.
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - plain names are what is wanted
    except FileNotFoundError:
        return
    for name in names:
        try:
            status = Path(folder, name).stat()
        except FileNotFoundError:
            continue
        yield StoredFile(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _remote(files: Any, folder: str) -> Iterator[StoredFile]:
    try:
        found = files.ls(folder, detail=True)
    except FileNotFoundError:
        return
    for entry in sorted(found, key=lambda entry: str(entry["name"])):
        if entry["type"] == "file":
            name = str(entry["name"]).rpartition("/")[2]
            yield StoredFile(name, int(entry["size"]), _moment(entry))


def _moment(entry: dict[str, Any]) -> datetime:
    """When a file was written, by whichever name its file system gives it (S3, memory, FTP)."""
    for key in ("LastModified", "mtime", "modified", "created", "last_modified"):
        value = entry.get(key)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
    return datetime.now(UTC)  # unknown is taken as new, so that nothing is thrown away
