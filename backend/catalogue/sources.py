"""The client's side of an import: which files on this machine to send, and under which names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.catalogue.manifests import parse_manifest
from backend.catalogue.naming import check_name, is_junk, kind_of
from backend.catalogue.schemas import ManifestOptions
from backend.errors import AkinError, InvalidInput, NotFound

TRIPLETS = "triplets.jsonl"
"""What an exported folder holds beside its products: no list of products, so no import takes it."""
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A file to send: its name inside the import (a relative POSIX path), where it lies, bytes."""

    name: str
    path: Path
    size: int


def collect(paths: Sequence[Path], options: ManifestOptions = ManifestOptions()) -> list[Source]:
    """The files that `paths` stand for, in a fixed order, each once.

    A folder stands for its pictures, zips and manifests at any depth, named from the folder itself
    on (`validation/dress/7.jpg`); hidden and other files in it are left out. A file given by itself
    is named by its file name alone, and a manifest brings the pictures it names. Where other files
    have those names already, the folders above are put before them.

    options: how manifests are read, to know the pictures they name.

    Raises:
        NotFound: for a path that does not exist.
        InvalidInput: for a file that cannot be read, a name that cannot be sent, or a folder
            without anything to import.
    """
    sources: dict[str, Source] = {}
    for path in paths:
        _add(sources, _named_files(path, options), path.resolve().parent)
    return list(sources.values())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        InvalidInput: if it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def _named_files(path: Path, options: ManifestOptions) -> list[tuple[str, Path]]:
    if path.is_dir():
        found = list(_in_folder(path))
        if not found:
            raise InvalidInput(
                f"The folder {path} holds no picture, zip or manifest: check the path."
            )
        return found
    if not path.exists():
        raise NotFound(f"There is nothing at {path}: check the path.")
    beside = _pictures_of(path, options) if kind_of(path.name) == "manifest" else []
    return [(path.name, path), *beside]


def _in_folder(root: Path) -> Iterator[tuple[str, Path]]:
    # The folder's own name counts ("validation", "dress"), also for "." and "..".
    top = root.resolve()
    for folder, folders, files in os.walk(top, onerror=_stop):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        for file in sorted(files):
            path = Path(folder, file)
            if not is_junk(file) and file != TRIPLETS and kind_of(file) != "other":
                yield path.relative_to(top.parent).as_posix(), path


def _pictures_of(manifest: Path, options: ManifestOptions) -> list[tuple[str, Path]]:
    """The pictures that a manifest names and that are there; the server reports the others."""
    try:
        rows = parse_manifest(manifest.read_bytes(), manifest.name, options).rows
    except AkinError:
        return []  # sent as it is, and refused there with its sentence
    except OSError as error:
        raise _unreadable(manifest, error) from error
    names = dict.fromkeys(name for row in rows for name in row.images)
    files = [(name, manifest.parent / name) for name in names]
    return [(name, file) for name, file in files if file.is_file()]


def _add(sources: dict[str, Source], files: list[tuple[str, Path]], folder: Path) -> None:
    """Add files that must keep their names towards each other; `folder` is where those begin."""
    for prefix in _prefixes(folder):
        named = {prefix + name: path for name, path in files}
        if all(_free(sources, name, path) for name, path in named.items()):
            sources |= {name: _source(name, path) for name, path in named.items()}
            return


def _prefixes(folder: Path) -> Iterator[str]:
    """Nothing, then more and more of the folders above, up to the whole path, which is unique."""
    parts = folder.parts[1:]
    yield ""
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[-count:]) + "/"


def _free(sources: dict[str, Source], name: str, path: Path) -> bool:
    return name not in sources or sources[name].path.resolve() == path.resolve()


def _source(name: str, path: Path) -> Source:
    try:
        path.open("rb").close()
        return Source(check_name(name), path, path.stat().st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


def _stop(error: OSError) -> None:
    raise _unreadable(Path(error.filename), error) from error


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"{path} cannot be read ({(error.strerror or 'unknown reason').lower()}): "
        "check its permissions."
    )
