"""What a file's relative path says about the product in it: split, category, SKU and title."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from backend.catalogue.schemas import Split
from backend.catalogue.unicode_forms import normalised
from backend.errors import InvalidInput

FileKind = Literal["picture", "manifest", "zip", "other"]

_READABLE = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
PICTURE_SUFFIXES = frozenset(_READABLE | {".avif", ".heic", ".heif", ".svg"})
"""Those Akin cannot read are among them, so that an import says so instead of leaving them out."""
MANIFEST_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
SPLIT_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_SKU_LENGTH, _CATEGORY_LENGTH, _NAME_LENGTH = 200, 100, 1000
_NAME_BYTES = 2500  # as UTF-8; an index of PostgreSQL takes some 2,700 with what stands beside it
_UNREADABLE_NAME = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|[0-9a-f]{12,}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class PathFields:
    """What a path says; None where it says nothing."""

    sku: str
    category: str | None
    split: Split | None


def fields_of(name: str) -> PathFields:
    """The SKU (the file's stem), category and split in a relative path.

    Of its folders, those named like a split give the split (the nearest one counts) and the
    nearest other one gives the category, in either order: `validation/dress/7.jpg` is the same as
    `dress/validation/7.jpg`.
    """
    path = PurePosixPath(name)
    split: Split | None = None
    category: str | None = None
    for folder in reversed(path.parent.parts):
        named = SPLIT_WORDS.get(folder.strip().casefold())
        if named is not None:
            split = split or named
        else:
            category = category or _clean(folder)[:_CATEGORY_LENGTH].strip() or None
    return PathFields(_clean(path.stem)[:_SKU_LENGTH].strip() or "picture", category, split)


def split_named(word: str) -> Split | None:
    """The split that `word` names ("validation" is val), or None."""
    return SPLIT_WORDS.get(word.strip().casefold())


def skus_for(sku: str, sha256: str) -> Iterator[str]:
    """`sku`, then what it becomes while other bytes have the name: six digits of the hash added."""
    yield sku
    for digits in (6, 12, 64):
        yield f"{sku[: _SKU_LENGTH - digits - 1]}-{sha256[:digits]}"


def title_of(sku: str, category: str | None) -> str:
    """A title for a product that has only a SKU: the SKU in words, or the category for a hash."""
    if _UNREADABLE_NAME.fullmatch(sku):
        return f"{_sentence_case(category or 'picture')} {sku[:6].lower()}"
    words = re.sub(r"[\s_.+-]+", " ", sku).strip()
    return _sentence_case(words) if words else sku


def kind_of(name: str) -> FileKind:
    """What to do with a file, judged by its name."""
    # By hand: pathlib puts every part of a path into a table of Python's that never shrinks.
    stem, _, ending = name.rstrip("/").rpartition("/")[2].rpartition(".")
    suffix = f".{ending.lower()}" if stem else ""
    if suffix in PICTURE_SUFFIXES:
        return "picture"
    if suffix in MANIFEST_SUFFIXES:
        return "manifest"
    return "zip" if suffix == ".zip" else "other"


def is_junk(name: str) -> bool:
    """Whether a file is hidden, or left behind by a file manager."""
    parts = [part for part in PurePosixPath(name).parts if part != ".."]
    return any(part.startswith(".") or part.casefold() in _JUNK for part in parts)


def check_name(name: str) -> str:
    """`name` itself, if it is a relative path that stays inside its folder.

    Raises:
        InvalidInput: for an absolute or upward path, control characters, or undue length.
    """
    if len(name) > _NAME_LENGTH:
        raise InvalidInput(
            f"The file name {_shown(name[:60])}… has {len(name):,} characters, and "
            f"{_NAME_LENGTH:,} are allowed: shorten it."
        )
    if not name.isprintable() and any(unicodedata.category(c) in {"Cc", "Cs"} for c in name):
        raise InvalidInput(
            f"The file name {_shown(name)} holds characters that cannot be stored: rename the file."
        )
    if (size := len(name.encode())) > _NAME_BYTES:
        raise InvalidInput(
            f"The file name {_shown(name[:60])}… has {size:,} bytes as UTF-8, and {_NAME_BYTES:,} "
            "are allowed: shorten it."
        )
    if any(part in {"", ".", ".."} for part in name.split("/")) or _leaves_posix(name):
        raise InvalidInput(
            f"The file name {_shown(name)} is not a relative path inside the import: "
            "use forward slashes, and neither '..' nor a leading slash or drive."
        )
    return name


def join(folder: str, path: str) -> str:
    """`path` as seen from `folder`, where "" is the top; `./` and doubled slashes vanish.

    Raises:
        InvalidInput: if it leads out of the folder.
    """
    inside = "/".join(part for part in path.split("/") if part not in {"", "."})
    check_name(f"/{inside}" if path.startswith("/") else inside)
    return check_name(f"{folder}/{inside}" if folder else inside)


def folder_of(name: str) -> str:
    """The folder that holds the file `name`; "" at the top."""
    return name.rpartition("/")[0]


def _leaves_posix(name: str) -> bool:
    return "\\" in name or re.match(r"[A-Za-z]:", name) is not None


def _clean(text: str) -> str:
    """In one Unicode form (macOS writes decomposed names), without doubled spaces and without
    characters that nobody sees."""
    words = normalised("NFC", text).split()
    return " ".join("".join(filter(str.isprintable, word)) for word in words)


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shown(name: str) -> str:
    return ascii(name) if not name.isprintable() else f"'{name}'"
