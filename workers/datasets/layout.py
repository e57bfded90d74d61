"""Where a dataset's files lie: the layouts that published codes expect, and what to say if none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from backend.errors import InvalidInput

_LOOKED_AT = 2_000  # folders, when something is looked for where it should not be
_DEEP = 5


def roots(folder: Path, *names: str) -> list[Path]:
    """The folder, then those of its sub-folders that have one of the names in any case."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder: give the one that holds the dataset.")
    wanted = {name.casefold() for name in names}
    inner = (one for one in sorted(folder.iterdir()) if one.name.casefold() in wanted)
    return [folder, *(one for one in inner if one.is_dir())]


def first_file(bases: Iterable[Path], choices: Sequence[str]) -> Path | None:
    """The first of the relative paths that is a file below one of the bases."""
    found = (base / choice for base in bases for choice in choices)
    return next((path for path in found if path.is_file()), None)


def first_folder(bases: Iterable[Path], choices: Sequence[str]) -> Path | None:
    """The first of the relative paths that is a folder below one of the bases."""
    found = (base / choice for base in bases for choice in choices)
    return next((path for path in found if path.is_dir()), None)


def not_there(folder: Path, what: str, choices: Sequence[str]) -> InvalidInput:
    """What to raise where none of the relative paths is there: what was expected, and if a file of
    such a name lies elsewhere below, where it is and which folder to give instead."""
    told = f"{what} not found in {folder}: expected there is {' or '.join(choices)}"
    for choice in choices:
        place = _elsewhere(folder, Path(choice).name)
        if place is not None:
            root = place.parents[len(Path(choice).parts) - 1]
            fits = root != folder and place == root / choice
            remedy = f"give {root} instead" if fits else f"move {place} there"
            return InvalidInput(f"{told}; it lies in {place.parent}: {remedy}.")
    return InvalidInput(f"{told}: download it there, or give the folder that holds it.")


def _elsewhere(folder: Path, name: str) -> Path | None:
    for base, folders, files in islice(os.walk(folder), _LOOKED_AT):
        place = Path(base)
        if len(place.relative_to(folder).parts) >= _DEEP:
            folders.clear()
        folders.sort()
        if name in files:
            return place / name
    return None
