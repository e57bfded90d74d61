"""Finding pictures: names of a list against files of a folder, whatever their endings.

A name is looked up among the files that are there; it is never made into a path, so no list can
reach outside its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Of two files that differ in their ending only, the earlier ending is taken."""


def images_by_name(*folders: Path) -> dict[str, Path]:
    """Name without ending, whatever sub-folder it lies in -> file, of every picture below."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in image_files(folder):
            known = found.get(path.stem)
            if known is None or _preference(path) < _preference(known):
                found[path.stem] = path
    return found


def images_by_path(folder: Path) -> dict[str, Path]:
    """Relative path, with its ending and `/` between -> file, of every picture below."""
    return {path.relative_to(folder).as_posix(): path for path in image_files(folder)}


def image_files(folder: Path) -> Iterator[Path]:
    """Every picture below the folder, sorted; hidden ones are left out, links are not followed
    but for the folder itself. Nothing where the folder is not there."""
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(ENDINGS):
                yield Path(base, name)


def _preference(path: Path) -> tuple[int, str]:
    return ENDINGS.index(path.suffix.lower()), str(path)
