"""Files that are there whole or not at all: written aside, flushed, then renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> Path:
    """Put a file in its place, which a reader finds with all of it or as it was before; the path.

    Raises OSError, such as for a full disk.
    """
    aside = path.with_name(f".{path.name}.partial")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return aside.replace(path)


def flush_folder(folder: str | Path) -> None:
    """A rename is only on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
