"""Dataset folders that a request may name: below one folder of the settings, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from backend.errors import InvalidInput

_TOLD = 80  # letters of a path in a sentence


def checked_folder(root: Path | None, path: str) -> Path:
    """The dataset folder at `path` below `root`, links followed.

    Raises:
        InvalidInput: if no root is set, the path leads out of it, or no folder is there.
    """
    if root is None:
        raise InvalidInput(
            "This server reads no dataset folders: set AKIN_DATASETS to the folder that holds them."
        )
    home = root.resolve()
    try:
        found = (home / path).resolve()
        is_there = found.is_dir()
    except (OSError, ValueError, RuntimeError) as error:  # NUL bytes, loops, names too long
        raise _refused(path) from error
    if not found.is_relative_to(home):
        raise _refused(path)
    if not is_there:
        raise InvalidInput(
            f"There is no dataset folder {path[:_TOLD]!r} below AKIN_DATASETS: name one that "
            "is there."
        )
    return found


def refuse_links_out(root: Path, folder: Path) -> None:
    """Look at everything in a dataset folder.

    Raises:
        InvalidInput: if a link in it leads out of `root`.
    """
    home = root.resolve()
    for base, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(base, name)
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                raise InvalidInput(
                    f"The link {path.relative_to(folder)!s} in the dataset leads out of "
                    "AKIN_DATASETS: put a copy of the file in its place."
                )


def _refused(path: str) -> InvalidInput:
    return InvalidInput(
        f"The path {path[:_TOLD]!r} is not below AKIN_DATASETS: name a folder that is in it."
    )
