"""Files that are there whole or not at all: written aside, flushed, then renamed for good."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> Path:
    """Put a file in its place, which a reader finds with all of it or as it was before; the path.

    Raises OSError, such as for a full disk.
    """
    aside = path.with_name(f".{path.name}.partial")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        with suppress(OSError):  # what failed before is what is to be told
            aside.unlink(missing_ok=True)
    with suppress(OSError):  # the file is whole and has its name; some shares cannot flush that
        flush_folder(path.parent)
    return path


def flush_folder(folder: str | Path) -> None:
    """A rename is only on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
